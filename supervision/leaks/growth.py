"""How the floor of one resource rises.

A service takes and gives back all the time. What it never gives back shows in the floor: the minimum over the last while. A
rise is a moment at which the floor stands higher than ever since the process began; everything else is forgotten, so that
memory stays bounded however long a process lives.
"""

from collections import deque
from dataclasses import dataclass

MOST_RISES = 512
"""Kept of one resource; of the oldest only their sum. At the coarsest they span two days."""


@dataclass(frozen=True, slots=True)
class Rise:
    """`at` in seconds; `amount` in the resource's unit; `work` is what had been done by then, in operations."""

    at: float
    amount: float
    work: float


class Growth:
    """The rises of one resource of one process, from its samples in order."""

    def __init__(self, *, floor_s: float, merge_s: float, resolution: float, relative: float = 0.0) -> None:
        """A rise is at least `resolution`, and at least `relative` of the first floor."""
        self._floor_s, self._merge_s = floor_s, merge_s
        self._resolution, self._relative = resolution, relative
        self._lows: deque[tuple[float, float]] = deque()
        """(time, value), both increasing: the first is the minimum of the window, the others follow when it leaves."""
        self.began: float | None = None
        self.base: float | None = None
        """The first floor."""
        self.highest = 0.0
        self.rises: list[Rise] = []
        self.forgotten = 0.0

    @property
    def total(self) -> float:
        """All it grew since its first floor."""
        return self.forgotten + sum(rise.amount for rise in self.rises)

    def feed(self, at: float, value: float, work: float) -> bool:
        """Take in a sample; whether the floor rose with it."""
        if self.began is None:
            self.began = at
        floor = self._floor(at, value)
        if at - self.began < self._floor_s:
            return False
        if self.base is None:
            self.base = self.highest = floor
            return False
        amount = floor - self.highest
        if amount < max(self._resolution, self._relative * self.base):
            return False
        self.highest = floor
        self._note(Rise(at, amount, work))
        return True

    def _floor(self, at: float, value: float) -> float:
        lows = self._lows
        while lows and lows[-1][1] >= value:
            lows.pop()
        lows.append((at, value))
        while lows[0][0] < at - self._floor_s:
            lows.popleft()
        return lows[0][1]

    def _note(self, rise: Rise) -> None:
        last = self.rises[-1] if self.rises else None
        if last is not None and rise.at - last.at < self._merge_s:
            self.rises[-1] = Rise(last.at, last.amount + rise.amount, rise.work)
            return
        self.rises.append(rise)
        if len(self.rises) > MOST_RISES:
            self.forgotten += self.rises.pop(0).amount
