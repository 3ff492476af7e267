"""Whether rises are a leak.

What grows and is no leak grows early (a cache that fills, a pool, imports, warming up), in few large steps, or slower and
slower. So there are two ways to be sure:

* it *began*: nothing rose for long, then rises came one after the other. Fills begin with the process: an hour is enough;
* it *goes on*: it grows since the process began, and hours later, when what fills has filled, it still grows as fast.

A leak that follows the load stands still at night. So a growth has slowed only if it did by time and by work done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from supervision.leaks.growth import Growth, Rise
from supervision.leaks.parameters import Parameters


class Course(StrEnum):
    """How a leak came to be known."""

    BEGAN = "began"
    GOES_ON = "goes_on"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why: the rises that tell, and how quiet it was before them (None where it grows since the start)."""

    course: Course
    rises: tuple[Rise, ...]
    quiet_s: float | None


@dataclass(frozen=True, slots=True)
class Nature:
    """What a resource is like: `straight` is None for counts, which rise by whole things."""

    least_rises: int
    straight: float | None
    old_s: float


def judge(growth: Growth, nature: Nature, parameters: Parameters) -> Evidence | None:
    """What the rises so far say; asked after each rise."""
    if len(growth.rises) < nature.least_rises:
        return None
    return _began(growth, nature, parameters) or _goes_on(growth, nature, parameters)


def _began(growth: Growth, nature: Nature, parameters: Parameters) -> Evidence | None:
    """The newest beginning that has become certain."""
    rises = growth.rises
    assert growth.began is not None  # noqa: S101 it has risen
    for first in range(len(rises) - nature.least_rises, -1, -1):
        found = tuple(rises[first:])
        # the first floor is known only once the window has filled: until then nothing can be called quiet
        before = rises[first - 1].at if first else growth.began + parameters.floor_s
        quiet_s = found[0].at - before
        spent_s = found[-1].at - found[0].at
        if (
            quiet_s >= max(parameters.quiet_s, parameters.quiet_gaps * spent_s / (len(found) - 1))
            and spent_s >= parameters.begun_for_s
            and _amount(found) >= _least(growth, nature, parameters, growth.total - _amount(found))
            and _steady(found, nature, parameters, parameters.begun_ratio)
        ):
            return Evidence(Course.BEGAN, found, quiet_s)
    return None


def _goes_on(growth: Growth, nature: Nature, parameters: Parameters) -> Evidence | None:
    rises = growth.rises
    assert growth.began is not None  # noqa: S101 it has risen
    now = rises[-1].at
    if now - growth.began < nature.old_s:
        return None
    window = tuple(rise for rise in rises if rise.at > now - parameters.window_s)
    if len(window) < nature.least_rises or window[-1].at - window[0].at < 0.6 * parameters.window_s:
        return None
    rate = _amount(window) / parameters.window_s
    since_start = growth.total / (now - growth.began - parameters.floor_s)
    if (
        rate >= parameters.held_up * since_start
        and _amount(window) >= _least(growth, nature, parameters, 0.0)
        and _steady(window, nature, parameters, parameters.going_on_ratio)
    ):
        return Evidence(Course.GOES_ON, window, None)
    return None


def _least(growth: Growth, nature: Nature, parameters: Parameters, before: float) -> float:
    """The least growth that means something; a count means something from its first."""
    if nature.straight is None or growth.base is None:
        return 0.0
    return max(parameters.memory_growth * growth.base, parameters.before_share * before)


def _steady(rises: Sequence[Rise], nature: Nature, parameters: Parameters, ratio: float) -> bool:
    """Neither one step, nor slowing down, nor (of memory) crooked."""
    if max(rise.amount for rise in rises) > parameters.largest_share * _amount(rises):
        return False
    times = [rise.at for rise in rises]
    works = [rise.work for rise in rises]
    if len(rises) > 3 and max(_halves(rises, times), _halves(rises, works)) < ratio:
        return False  # of three, the halves hold one each
    return (
        nature.straight is None
        or max(straightness(rises, times), straightness(rises, works)) >= nature.straight
    )


def _amount(rises: Sequence[Rise]) -> float:
    return sum(rise.amount for rise in rises)


def _halves(rises: Sequence[Rise], scale: Sequence[float]) -> float:
    """Growth in the second half of the scale against the first, without the rise it begins with."""
    middle = (scale[0] + scale[-1]) / 2
    first = sum(rise.amount for rise, x in zip(rises[1:], scale[1:], strict=True) if x <= middle)
    second = sum(rise.amount for rise, x in zip(rises[1:], scale[1:], strict=True) if x > middle)
    return second / first if first else float("inf")


def straightness(rises: Sequence[Rise], scale: Sequence[float]) -> float:
    """Squared correlation of the growth with the scale, 0 to 1; each rise stands at its middle."""
    heights = []
    height = 0.0
    for rise in rises:
        heights.append(height + rise.amount / 2)
        height += rise.amount
    mean_x, mean_y = sum(scale) / len(scale), sum(heights) / len(heights)
    xx = sum((x - mean_x) ** 2 for x in scale)
    yy = sum((y - mean_y) ** 2 for y in heights)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in zip(scale, heights, strict=True))
    return xy * xy / (xx * yy) if xx and yy else 0.0
