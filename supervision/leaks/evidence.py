"""What a finding says of its rises: how fast, how sure, how long until a limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from supervision.leaks.growth import Rise

HOUR_S = 3600.0
SURE = 1.96
"""Standard errors on each side of the rate that hold it in 95 of 100 cases, were the rises independent."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Growth in an hour, and the band in which it lies with 95 % confidence; in the resource's unit."""

    per_hour: float
    low: float
    high: float


def rate_of(rises: Sequence[Rise]) -> Rate:
    """Least squares through the middles of the rises, of which there are at least three at different times."""
    xs = [rise.at for rise in rises]
    ys = []
    height = 0.0
    for rise in rises:
        ys.append(height + rise.amount / 2)
        height += rise.amount
    n = len(xs)
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    xx = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / xx
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    error = math.sqrt(rest / (n - 2) / xx)
    return Rate(slope * HOUR_S, max(0.0, slope - SURE * error) * HOUR_S, (slope + SURE * error) * HOUR_S)


def seconds_to(limit: float, value: float, rate: Rate) -> float | None:
    """Time until `value` reaches `limit` at this rate; 0.0 when it has, None where it never does."""
    if value >= limit:
        return 0.0
    return (limit - value) / rate.per_hour * HOUR_S if rate.per_hour > 0 else None
