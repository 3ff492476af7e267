"""What the processes of one life counted, put together. Pure.

Each process tells totals of its own, from zero; those of a life are their sum, also of processes that have ended. So they
never go back while the life lasts, whichever of its processes are replaced.
"""

from collections.abc import Callable, Mapping

STREAMS = 256
"""Processes that are told apart, of one life; of those that are gone the oldest are taken for gone for good."""


class Counted:
    """Of one life. `totals`: by name."""

    def __init__(self) -> None:
        self.totals: dict[str, float] = {}
        self._streams: dict[str, dict[str, float]] = {}

    def put(
        self, stream: str, totals: Mapping[str, float], is_connected: Callable[[str], bool]
    ) -> dict[str, float]:
        """The newest of one process; what the life has of these names now. One that goes back is not believed."""
        known = self._streams.setdefault(stream, {})
        for name, total in totals.items():
            before = known.get(name, 0.0)
            self.totals[name] = self.totals.get(name, 0.0) + max(0.0, total - before)
            known[name] = max(total, before)
        if len(self._streams) > STREAMS:
            for gone in [one for one in self._streams if not is_connected(one)][: STREAMS // 2]:
                del self._streams[gone]
        return {name: self.totals[name] for name in totals}
