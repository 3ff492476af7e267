"""The last minute of each child, one point a second, for the small charts.

Nothing is made up: a second without a sample is a gap. Numbers stand in arrays, a kilobyte a child: as objects the minutes
of ten thousand children would take more memory than everything else here.
"""

import math
from array import array
from collections.abc import Mapping
from typing import Any

POINTS = 60
NO_CPU = math.nan
NO_RSS = -1


class _Minute:
    """Rings, by second modulo POINTS; `newest` is the last second that was written."""

    __slots__ = ("cpu", "newest", "rss")

    def __init__(self, second: int) -> None:
        self.cpu = array("d", [NO_CPU]) * POINTS
        self.rss = array("q", [NO_RSS]) * POINTS
        self.newest = second - 1

    def add(self, second: int, cpu: float | None, rss: float | None) -> None:
        for gap in range(max(self.newest + 1, second - POINTS + 1), second):
            self.cpu[gap % POINTS] = NO_CPU
            self.rss[gap % POINTS] = NO_RSS
        self.cpu[second % POINTS] = NO_CPU if cpu is None else cpu
        self.rss[second % POINTS] = NO_RSS if rss is None else int(rss)
        self.newest = second


class Sparks:
    """By row id."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}

    def add(self, row_id: str, second: int, cpu: float | None, rss: float | None) -> None:
        minute = self._minutes.get(row_id)
        if minute is None:
            minute = self._minutes[row_id] = _Minute(second)
        if minute.newest < second:
            minute.add(second, cpu, rss)

    def forget(self, row_id: str) -> None:
        self._minutes.pop(row_id, None)

    def series(self, row_id: str, *, until: int) -> Mapping[str, list[Any]]:
        """`POINTS` values of each, the last one at second `until`; None is a gap."""
        cpu: list[float | None] = [None] * POINTS
        rss: list[int | None] = [None] * POINTS
        minute = self._minutes.get(row_id)
        if minute is not None:
            oldest = max(until, minute.newest) - POINTS + 1
            for second in range(max(oldest, until - POINTS + 1), min(until, minute.newest) + 1):
                place, at = second - until + POINTS - 1, second % POINTS
                if not math.isnan(minute.cpu[at]):
                    cpu[place] = minute.cpu[at]
                if minute.rss[at] != NO_RSS:
                    rss[place] = minute.rss[at]
        return {"cpu": cpu, "rss": rss}
