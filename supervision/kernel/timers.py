"""Deadlines, soonest first. One timer for a (kind, key); setting it again moves it, clearing it forgets it."""

from heapq import heappop, heappush
from typing import Any


class Timers:
    """Setting and clearing cost the same however many there are: a cleared entry stays in the heap until it surfaces."""

    __slots__ = ("_current", "_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, str]] = []
        self._current: dict[tuple[str, str], tuple[float, int]] = {}
        self._number = 0

    def set(self, kind: str, key: str, at: float) -> None:
        self._number += 1
        self._current[kind, key] = (at, self._number)
        heappush(self._heap, (at, self._number, kind, key))

    def clear(self, kind: str, key: str) -> None:
        self._current.pop((kind, key), None)

    def when(self, kind: str, key: str) -> float | None:
        timer = self._current.get((kind, key))
        return timer[0] if timer else None

    def next(self) -> float | None:
        """When the soonest timer is due."""
        heap = self._heap
        while heap:
            at, number, kind, key = heap[0]
            if self._current.get((kind, key)) == (at, number):
                return at
            heappop(heap)
        return None

    def take_due(self, until: float) -> list[tuple[str, str]]:
        """Remove what is due and return it as (kind, key), in order."""
        due = []
        while (at := self.next()) is not None and at <= until:
            _, _, kind, key = heappop(self._heap)
            del self._current[kind, key]
            due.append((kind, key))
        return due

    def to_json(self) -> list[list[Any]]:
        return [
            [at, *entry]
            for (at, _), entry in sorted((timer, entry) for entry, timer in self._current.items())
        ]

    @classmethod
    def from_json(cls, document: list[list[Any]]) -> "Timers":
        timers = cls()
        for at, kind, key in document:
            timers.set(kind, key, at)
        return timers
