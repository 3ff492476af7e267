"""When the spare files that starts took get their names: a moment later, behind what is more urgent.

Making a directory and naming two files takes up to half a millisecond. So it waits until no other start is near, and goes
in small pieces between the turns of the loop; of many, only while little else makes the loop turn.
"""

from collections.abc import Callable

from supervision.runtime.clock import Clock
from supervision.runtime.loop import Loop
from supervision.runtime.spare_files import Pair, SpareFiles

SETTLE_S = 0.02
"""After the last of the starts that are near each other."""
SETTLE_AT_LATEST_S = 10.0
"""After the first of them, however many follow, and whatever else goes on."""
SETTLED_AT_ONCE = 16
PAUSE_S = 0.002
FEW_ROUNDS = 3
"""Turns of the loop from one piece to the next where nothing else goes on, one's own timer and a beat counted."""


class SpareNaming:
    """Takes pairs for starts, and sees to it that `SpareFiles.settle` follows, and `then` behind that."""

    def __init__(
        self, spares: SpareFiles, loop: Loop, clock: Clock, then: Callable[[], None] = lambda: None
    ) -> None:
        self._spares, self._loop, self._clock, self._then = spares, loop, clock, then
        self._is_due = False
        self._last = self._first = 0.0
        """Boot seconds of the starts whose files have not all got their names."""
        self._rounds = 0

    def take(self, key: str, incarnation: int, out: str, err: str) -> Pair | None:
        """As SpareFiles.take; `taken` is due behind the start."""
        return self._spares.take(key, incarnation, out, err)

    def taken(self) -> None:
        """A pair was, whatever became of the start."""
        self._last = self._clock.boot()
        if not self._is_due:
            self._is_due, self._first = True, self._last
            self._loop.call_at(self._last + SETTLE_S, self._settle)

    def _settle(self) -> None:
        now, latest = self._clock.boot(), self._first + SETTLE_AT_LATEST_S
        due = min(self._last + SETTLE_S, latest)
        if now < due:
            self._loop.call_at(due, self._settle)
        elif self._is_busy() and self._spares.owed > SETTLED_AT_ONCE and now < latest:
            self._loop.call_later(SETTLE_S, self._settle)
        elif self._spares.settle(at_most=SETTLED_AT_ONCE):
            self._is_due = False
            self._then()
        else:
            self._loop.call_later(PAUSE_S, self._settle)

    def _is_busy(self) -> bool:
        """Whether the loop turned for others since we asked last: a stop of a thousand must not wait for their names."""
        before, self._rounds = self._rounds, self._loop.rounds
        return self._rounds - before > FEW_ROUNDS
