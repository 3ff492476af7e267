"""The last minute of each child, one point a second, for the small charts.

Nothing is made up: a second without a sample is a gap.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

POINTS = 60


class Sparks:
    """By row id: (second, cpu, rss), oldest first."""

    def __init__(self) -> None:
        self._points: dict[str, deque[tuple[int, float | None, float | None]]] = {}

    def add(self, row_id: str, second: int, cpu: float | None, rss: float | None) -> None:
        points = self._points.get(row_id)
        if points is None:
            points = self._points[row_id] = deque(maxlen=POINTS)
        if not points or points[-1][0] < second:
            points.append((second, cpu, rss))

    def forget(self, row_id: str) -> None:
        self._points.pop(row_id, None)

    def series(self, row_id: str, *, until: int) -> Mapping[str, list[Any]]:
        """`POINTS` values of each, the last one at second `until`."""
        cpu: list[float | None] = [None] * POINTS
        rss: list[float | None] = [None] * POINTS
        first = until - POINTS + 1
        for second, one_cpu, one_rss in self._points.get(row_id, ()):
            if first <= second <= until:
                cpu[second - first] = one_cpu
                rss[second - first] = one_rss
        return {"cpu": cpu, "rss": rss}
