"""How many events a project usually sends, and how many are too many at once. Pure.

What is usual is a weighted mean of the hours of the last week: those at the same time of day, an hour more or less, weigh
three times as much, so that a busy morning is not taken for a spike. A spike that lasts becomes usual within days, as what
is let through of it counts.
"""

import datetime as dt
import math
from collections.abc import Mapping

WEEK = dt.timedelta(days=7)
LEAST = dt.timedelta(days=1)
"""Of what is younger nobody knows yet what is usual."""
SAME_TIME_WEIGHS = 3.0
FLOOR_PER_MINUTE = 300
"""No project is limited below this: five a second harm nobody."""


def usual_per_minute(
    hours: Mapping[dt.datetime, int], *, since: dt.datetime, now: dt.datetime
) -> float | None:
    """Events a minute. `hours`: events by whole hour, an hour without any may be missing; `since`: when the first came.
    None: there is no day of them yet."""
    if now - since < LEAST:
        return None
    this = now.replace(minute=0, second=0, microsecond=0)
    first = max(since.replace(minute=0, second=0, microsecond=0), this - WEEK)
    total = weights = 0.0
    at = first
    while at < this:
        apart = abs(at.hour - this.hour)
        weight = SAME_TIME_WEIGHS if min(apart, 24 - apart) <= 1 else 1.0
        total += weight * hours.get(at, 0)
        weights += weight
        at += dt.timedelta(hours=1)
    return total / weights / 60 if weights else None


def limit_per_minute(usual: float | None, *, factor: int) -> int | None:
    """More a minute are turned away; None: nothing is. A factor of 0 switches it off."""
    if usual is None or not factor:
        return None
    return max(FLOOR_PER_MINUTE, math.ceil(usual * factor))
