"""What a beat's message says of the entry it came from, in Sentry's words, so that each entry is a monitored job.

Intervals of less than a minute, or of no whole minutes, have no schedule: such jobs are monitored without being missed.
"""

from typing import Any

from celery import schedules

from .names import BEAT

_FIELDS = ("_orig_minute", "_orig_hour", "_orig_day_of_month", "_orig_month_of_year", "_orig_day_of_week")
MINUTE_S = 60


def name_entry(entry: Any, app: Any) -> None:
    """Put it into the headers that the entry's messages get; a second time changes nothing."""
    told = {"entry": str(entry.name)[:200], "schedule": of(entry.schedule), "timezone": str(app.timezone)}
    headers = {**(entry.options.get("headers") or {}), BEAT: told}
    entry.options = {**entry.options, "headers": headers}


def of(schedule: Any) -> dict[str, Any] | None:
    """A crontab or an interval; None for what is neither (solar times, schedules of a user's own)."""
    if isinstance(schedule, schedules.crontab):
        parts = [str(getattr(schedule, name)).replace(" ", "") for name in _FIELDS]
        return {"type": "crontab", "value": " ".join(parts)}
    every = getattr(schedule, "run_every", None)
    if every is None:
        return None
    seconds = every.total_seconds()
    if seconds < MINUTE_S or seconds % MINUTE_S:
        return None
    return {"type": "interval", "value": int(seconds // MINUTE_S), "unit": "minute"}
