"""Whether a rule's condition holds over a series, and the words for it. Pure.

Crossing and recovering are asked differently, so that a value that hovers at the bound is one crossing: it crosses when it
held for `hold` minutes, and recovers when the recovery bound held for as long. What is not known changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from supervision.rules.measures import shown

MINUTE_S = 60
TREND_LEAST = 5
"""Points that a line needs."""
TREND_MOST = 240
RATIO_LEAST = 10
"""Minutes that are needed before what is usual can be said."""
TREND_RECOVERS = 1.5
"""The limit is so many times farther away than asked for when a trend is over."""


class Shape(StrEnum):
    """How a value is looked at."""

    THRESHOLD = "threshold"
    RATE = "rate"
    RATIO = "ratio"
    TREND = "trend"


class Side(StrEnum):
    """Where trouble is."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold. `bound` and `recovery` in the measure's unit for `threshold` and `trend`, in units a minute for
    `rate`, in times the usual for `ratio`. `hold` and `window` in minutes; `within_s`: of a trend, seconds to the bound."""

    shape: Shape
    bound: float
    side: Side = Side.ABOVE
    recovery: float | None = None
    hold: int = 1
    window: int = 30
    within_s: float = 0.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A minute: `at` is when it began, Unix seconds."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`crossed` is None where it cannot be said. `usual` is kept with a crossing: what it is compared with from then on."""

    crossed: bool | None
    value: float | None = None
    words: str = ""
    usual: float | None = None


UNKNOWN = Verdict(None)


def judge(
    condition: Condition, points: Sequence[Point], *, now: float, was: bool, usual: float | None = None
) -> Verdict:
    """`points` in order; `was`: it is crossed already; `usual`: what a crossing of `ratio` was compared with."""
    newest = [point for point in points if point.at >= now - (condition.hold + 2) * MINUTE_S][
        -condition.hold :
    ]
    if len(newest) < condition.hold:
        return UNKNOWN
    match condition.shape:
        case Shape.THRESHOLD:
            return _threshold(condition, newest, was=was)
        case Shape.RATE:
            return _rate(condition, points, newest, was=was)
        case Shape.RATIO:
            return _ratio(condition, points, newest, was=was, usual=usual)
        case Shape.TREND:
            return _trend(condition, points, newest, was=was)


def _threshold(condition: Condition, newest: Sequence[Point], *, was: bool) -> Verdict:
    values = [point.value for point in newest]
    last, bound = values[-1], shown(condition.bound, condition.unit)
    words = f"{shown(last, condition.unit)}, {condition.side} {bound} for {_minutes(condition.hold)}"
    return Verdict(_held(condition, values, was=was), last, words)


def _rate(condition: Condition, points: Sequence[Point], newest: Sequence[Point], *, was: bool) -> Verdict:
    window = _window(condition, points, newest)
    if len(window) < max(2, min(TREND_LEAST, condition.window)):
        return UNKNOWN
    a_minute = slope(window) * MINUTE_S
    words = (
        f"changes by {shown(a_minute, condition.unit)} a minute over {_minutes(condition.window)}, "
        f"{condition.side} {shown(condition.bound, condition.unit)}"
    )
    return Verdict(_held(condition, [a_minute], was=was), a_minute, words)


def _ratio(
    condition: Condition, points: Sequence[Point], newest: Sequence[Point], *, was: bool, usual: float | None
) -> Verdict:
    if not was or usual is None:
        before = [
            point.value
            for point in points
            if newest[0].at - condition.window * MINUTE_S <= point.at < newest[0].at
        ]
        usual = median(before) if len(before) >= min(RATIO_LEAST, condition.window) else None
    if usual is None or usual <= 0:
        return UNKNOWN
    values = [point.value / usual for point in newest]
    last = newest[-1].value
    words = f"{shown(last, condition.unit)}, {values[-1]:.2g} times the usual {shown(usual, condition.unit)}"
    return Verdict(_held(condition, values, was=was), last, words, usual)


def _trend(condition: Condition, points: Sequence[Point], newest: Sequence[Point], *, was: bool) -> Verdict:
    window = _window(condition, points, newest)
    if len(window) < TREND_LEAST:
        return UNKNOWN
    a_second, last = slope(window), newest[-1].value
    left = condition.bound - last if condition.side is Side.ABOVE else last - condition.bound
    towards = a_second if condition.side is Side.ABOVE else -a_second
    if left <= 0:
        return Verdict(True, last, f"{shown(last, condition.unit)}, at its limit")
    if towards <= 0:
        return Verdict(False, last, f"{shown(last, condition.unit)}, not towards its limit")
    seconds = left / towards
    words = (
        f"{shown(last, condition.unit)}, changes by {shown(a_second * MINUTE_S, condition.unit)} a minute: "
        f"{shown(condition.bound, condition.unit)} in {_duration(seconds)}"
    )
    limit = condition.within_s * (TREND_RECOVERS if was else 1.0)
    return Verdict(seconds <= limit, last, words)


def slope(points: Sequence[Point]) -> float:
    """Of the line through `points`, a second: the median of the slopes of all pairs (Theil 1950, Sen 1968), which a few
    outliers do not move."""
    taken = points if len(points) <= TREND_MOST else points[:: len(points) // TREND_MOST + 1]
    slopes = [
        (later.value - earlier.value) / (later.at - earlier.at)
        for index, earlier in enumerate(taken)
        for later in taken[index + 1 :]
        if later.at > earlier.at
    ]
    return median(slopes) if slopes else 0.0


def _window(condition: Condition, points: Sequence[Point], newest: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.at > newest[-1].at - condition.window * MINUTE_S]


def _held(condition: Condition, values: Sequence[float], *, was: bool) -> bool:
    """Crossed: all lie beyond the bound. Once crossed: until all lie within the recovery bound."""
    above = condition.side is Side.ABOVE
    if not was:
        return all(value > condition.bound if above else value < condition.bound for value in values)
    inner = condition.bound if condition.recovery is None else condition.recovery
    return not all(value <= inner if above else value >= inner for value in values)


def _minutes(count: int) -> str:
    return "a minute" if count == 1 else f"{count} minutes"


def _duration(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"
