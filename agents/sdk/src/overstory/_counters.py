"""What a process counted, on its way to the node: totals from zero, sent now and then. The channel's lock is held."""

import time
from collections.abc import Mapping

from . import _wire

EVERY_S = 0.5
"""However often something is counted, its total is sent so often at most."""
MAX_NAMES = 64
"""The node keeps no more of one child."""


class Counters:
    """Totals of this process. `due`: when those that changed are to be sent, on the monotonic clock; None for nothing."""

    def __init__(self) -> None:
        self.due: float | None = None
        self._totals: dict[str, float] = {}
        self._changed: set[str] = set()
        self._was_said = False

    def add(self, more: Mapping[str, float]) -> None:
        """ValueError for a negative number, or for a new name past MAX_NAMES."""
        for name, number in more.items():
            if not number >= 0:
                raise ValueError(f"a counter never goes back: {name}={number}")
            if name not in self._totals and len(self._totals) >= MAX_NAMES:
                raise ValueError(f"at most {MAX_NAMES} counters: {name}")
        for name, number in more.items():
            self._totals[name] = self._totals.get(name, 0.0) + number
            self._changed.add(name)
        if self.due is None and self._changed:
            self.due = time.monotonic() + EVERY_S

    def hurry(self) -> bool:
        """Have what changed sent now; whether there is any."""
        if self.due is not None:
            self.due = 0.0
        return self.due is not None

    def line(self) -> bytes:
        """What changed, to be sent now."""
        line = _wire.encode(
            {"op": "counters", "values": {name: self._totals[name] for name in self._changed}}
        )
        self._changed.clear()
        self.due, self._was_said = None, True
        return line

    def lines(self) -> list[bytes]:
        """For a new connection: what was said on the one before, as such, and what changed since soon."""
        if not self._was_said:
            return []
        return [_wire.encode({"op": "counters", "values": self._totals, "again": True})]
