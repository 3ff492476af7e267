"""Events on their way, until the node has them on disk: bounded, in order, each numbered. No socket and no lock in here.

When there is no room the oldest telemetry goes first, then the oldest events; both are counted.
"""

from collections import deque
from dataclasses import dataclass

MAX_EVENTS = 10_000
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many did not fit."""

    events: int = 0
    telemetry: int = 0


class Outbox:
    """Numbered lines. `add` them, send what `next_unsent` gives, `acknowledge` up to a number, `rewind` for a new try."""

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self.dropped_events = 0
        self.dropped_telemetry = 0
        self._max_events, self._max_bytes = max_events, max_bytes
        self._lines: dict[int, bytes] = {}
        self._telemetry: deque[int] = deque()
        self._unsent: deque[int] = deque()
        self._last = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def next_number(self) -> int:
        return self._last + 1

    @property
    def first_number(self) -> int:
        """Of the oldest line that is not acknowledged; the next one's when there is none."""
        return next(iter(self._lines), self._last + 1)

    @property
    def has_room(self) -> bool:
        """Whether half of it is free."""
        return len(self._lines) * 2 <= self._max_events and self.bytes * 2 <= self._max_bytes

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def add(self, line: bytes, *, telemetry: bool = False) -> int:
        """Keep `line` under the next number, and make room for it."""
        self._last += 1
        self._lines[self._last] = line
        self._unsent.append(self._last)
        self.bytes += len(line)
        if telemetry:
            self._telemetry.append(self._last)
        while len(self._lines) > 1 and (len(self._lines) > self._max_events or self.bytes > self._max_bytes):
            self._drop_one()
        return self._last

    def next_unsent(self) -> bytes | None:
        """The next line that was not sent yet; it counts as sent now."""
        while self._unsent:
            line = self._lines.get(self._unsent.popleft())
            if line is not None:
                return line
        return None

    def acknowledge(self, number: int) -> None:
        """Everything up to `number` is on disk."""
        while self._lines:
            first = next(iter(self._lines))
            if first > number:
                return
            self._take(first)

    def rewind(self) -> None:
        """Nothing of what is here counts as sent."""
        self._unsent = deque(self._lines)

    def take_dropped(self) -> Dropped | None:
        """What was dropped since this was asked last; None for nothing."""
        if not self.dropped_events and not self.dropped_telemetry:
            return None
        dropped = Dropped(self.dropped_events, self.dropped_telemetry)
        self.dropped_events = self.dropped_telemetry = 0
        return dropped

    def _take(self, number: int) -> bool:
        line = self._lines.pop(number, None)
        if line is None:
            return False
        self.bytes -= len(line)
        return True

    def _drop_one(self) -> None:
        while self._telemetry:
            if self._take(self._telemetry.popleft()):
                self.dropped_telemetry += 1
                return
        if self._take(next(iter(self._lines))):
            self.dropped_events += 1
