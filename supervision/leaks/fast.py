"""What leaks so fast that hours are not to be waited for: floods, certain within a minute.

Seconds are put into buckets; the floor of a bucket is its least value. A flood is a floor that rises from bucket to bucket,
in a straight line, without slowing and without one step that is most of it. While a life is young that is not enough: load
warms up, and on a busy machine it takes a minute; so it has to go on a bucket longer, and to be straighter. Limit, stated:
what fills a bound for a minute in a straight line looks the same. So a flood is a reason to look, and it ends by itself when
the floor stays level; whether it is a leak the detector of hours says.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from supervision.leaks.resources import Resource

BUCKET_S = 5
WINDOW = 8
"""Floors that are judged: seven steps, 35 seconds."""
KEPT = 24
MISSES = 2
"""Steps of the window that may be level: what is measured each few seconds does not move in each bucket."""
STRAIGHT = 0.96
LARGEST = 0.4
"""The largest step may be this part of the whole."""
HELD_UP = 0.55
"""The second half grew at least so much against the first."""
YOUNG_S = 180.0
"""Of a life: until then load warms up, and a busy machine stretches what else takes a moment."""
YOUNG_WINDOW = 9
YOUNG_STRAIGHT, YOUNG_HELD_UP = 0.99, 0.75
"""So a young one has to rise for a bucket longer, and more like what is added at a rate."""
LEVEL_S = 120.0
"""A flood whose floor did not rise for so long is over."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through points: growth in a second, and the band in which it lies with 95 % confidence."""

    rate: float
    low: float
    high: float
    straightness: float


class Floors:
    """The floors of one column of one process."""

    __slots__ = ("_begin", "_low", "highest", "points", "rose_at", "since", "streak")

    def __init__(self) -> None:
        self._begin = -1
        self._low = 0.0
        self.points: deque[Point] = deque(maxlen=KEPT)
        self.streak = 0
        """Level buckets in a row."""
        self.since: float | None = None
        """When it began to rise, as far as it still does."""
        self.highest = float("-inf")
        self.rose_at = float("-inf")

    def feed(self, at: float, value: float) -> bool:
        """Take in a value; whether a bucket was closed with it."""
        begin = int(at) - int(at) % BUCKET_S
        if begin == self._begin:
            if value < self._low:
                self._low = value
            return False
        closed = self._begin >= 0
        if closed:
            self._close(self._begin, self._low, gap=begin - self._begin > 3 * BUCKET_S)
        self._begin, self._low = begin, value
        return closed

    def _close(self, at: float, low: float, *, gap: bool) -> None:
        before = self.points[-1] if self.points else None
        if gap:
            self.points.clear()
            self.since, self.streak = None, 0
        elif before is not None and low > before[1]:
            self.since = before[0] if self.since is None else self.since
            self.streak = 0
        elif before is not None:
            self.streak += 1
            if low < before[1] or self.streak > MISSES:
                self.since = None
        if low > self.highest:
            self.highest, self.rose_at = low, at
        self.points.append((at, low))

    def flood(self, resource: Resource) -> Line | None:
        """The line, when the last floors are a flood of `resource`."""
        return steady(list(self.points)[-WINDOW:], least=resource.least, share=resource.share)

    def young_flood(self) -> Line | None:
        """Of floors that are a flood: the line, when they are one of a life that began just now, too."""
        more = list(self.points)[-YOUNG_WINDOW:]
        if len(more) < YOUNG_WINDOW or more[1][1] < more[0][1]:
            return None
        steps = [after[1] - before[1] for before, after in pairwise(more)]
        half = len(steps) // 2
        longer = line_of(more)
        even = sum(steps[-half:]) >= YOUNG_HELD_UP * sum(steps[:half])
        return longer if even and longer.straightness >= YOUNG_STRAIGHT else None

    def grown(self, within: int = WINDOW) -> float:
        """By how much the floor rose within so many buckets; KEPT of them are known."""
        points = self.points
        return points[-1][1] - points[max(0, len(points) - within)][1] if points else 0.0

    def begins_to_flood(self, resource: Resource) -> bool:
        """Whether it rises so that it may soon be certain: what it may explain waits for it."""
        window = list(self.points)[-5:]
        steps = [after[1] - before[1] for before, after in pairwise(window)]
        return (
            len(steps) == 4
            and min(steps) >= 0
            and sum(step > 0 for step in steps) >= 3
            and window[-1][1] - window[0][1] >= 0.3 * resource.least
        )


def steady(window: Sequence[Point], *, least: float, share: float) -> Line | None:
    """The line, when WINDOW points rise steadily, by at least `least` and `share` of what was there at first."""
    if len(window) < WINDOW:
        return None
    steps = [after[1] - before[1] for before, after in pairwise(window)]
    total = window[-1][1] - window[0][1]
    if total < max(least, share * window[0][1]) or min(steps) < 0:
        return None
    half = len(steps) // 2
    if (
        sum(step <= 0 for step in steps) > MISSES
        or max(steps) > LARGEST * total
        or sum(steps[-half:]) < HELD_UP * sum(steps[:half])
    ):
        return None
    line = line_of(window)
    return line if line.straightness >= STRAIGHT else None


def line_of(points: Sequence[Point]) -> Line:
    """Least squares through at least three points at different times."""
    n = len(points)
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    yy = sum((y - mean_y) ** 2 for _, y in points)
    rate = sum((x - mean_x) * (y - mean_y) for x, y in points) / xx
    rest = max(0.0, yy - rate * rate * xx)
    error = 1.96 * (rest / (n - 2) / xx) ** 0.5
    return Line(rate, rate - error, rate + error, 1 - rest / yy if yy else 0.0)
