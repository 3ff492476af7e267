"""Which slot of a schedule is due: pure arithmetic over Celery's schedules."""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import schedule as interval

EARLY_S = 0.05
"""Two hosts' clocks, and a timer that fires a little early."""
MOST_STEPS = 2000


def due_slot(schedule: Any, last: datetime, now: datetime) -> datetime | None:
    """The latest due time after `last` that is not after `now`; None: nothing is due. All aware.

    Slots of an interval are counted from the last one; those of a crontab are its own.
    """
    if type(schedule) is interval:
        return _of_interval(schedule.run_every, last, now)
    slot = None
    at = last
    for _ in range(MOST_STEPS):
        following = _next(schedule, at)
        if following > now + timedelta(seconds=EARLY_S) or following <= at:
            break
        slot = at = following
    return slot


def _of_interval(every: timedelta, last: datetime, now: datetime) -> datetime | None:
    step = every.total_seconds()
    if step <= 0:
        return now
    passed = int(((now - last).total_seconds() + EARLY_S) / step)
    return last + every * passed if passed > 0 else None


def _next(schedule: Any, last: datetime) -> datetime:
    """The due time after `last`: to the second, for that is how fine crontabs and the sun are."""
    now = datetime.now(UTC)  # the schedule reads the clock itself; the two cancel out
    due = now + schedule.remaining_estimate(last)
    rounded: datetime = due.astimezone(UTC) + timedelta(seconds=0.5)
    return rounded.replace(microsecond=0)


def mark(slot: datetime, who: str) -> str:
    """How the broker keeps a firing."""
    return f"{int(slot.timestamp() * 1000)}/{who}"


def slot_of(text: str) -> datetime | None:
    """The slot of a mark; None for no mark."""
    number = text.partition("/")[0]
    return datetime.fromtimestamp(int(number) / 1000, UTC) if number.isdecimal() else None
