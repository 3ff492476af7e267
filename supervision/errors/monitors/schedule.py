"""When the next run of a schedule is due.

Schedules are Sentry's: `{"type": "crontab", "value": "15 2 * * *"}` or `{"type": "interval", "value": 10, "unit":
"minute"}`.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400}
_NAMED = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip


class InvalidScheduleError(ValueError):
    """No moment follows from it; the message says why."""


def next_due(schedule: Mapping[str, Any], timezone: str, after: dt.datetime) -> dt.datetime:
    """The first moment after `after` at which a run is due. InvalidScheduleError. Any: what JSON can say."""
    kind, value = schedule.get("type"), schedule.get("value")
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidScheduleError(f"timezone: {timezone!r} is none") from error
    if kind == "crontab" and isinstance(value, str):
        line = _NAMED.get(value.strip().lower(), value)
        try:
            return next(CronSim(line, after.astimezone(zone))).astimezone(dt.UTC)
        except (CronSimError, StopIteration) as error:
            raise InvalidScheduleError(f"schedule: {value!r} is no cron line: {error}") from error
    if kind == "interval" and isinstance(value, int) and not isinstance(value, bool) and value > 0:
        unit = str(schedule.get("unit"))
        try:
            if unit in ("month", "year"):
                return _months_later(
                    after.astimezone(zone), value * (12 if unit == "year" else 1)
                ).astimezone(dt.UTC)
            if unit in _UNITS:
                return after + dt.timedelta(seconds=value * _UNITS[unit])
        except OverflowError as error:
            raise InvalidScheduleError(f"schedule: {value} {unit} is too long") from error
    raise InvalidScheduleError(f"schedule: neither a crontab nor an interval: {dict(schedule)!r:.100}")


def words_of(schedule: Mapping[str, Any]) -> str:
    """For people: the cron line, or `every 10 minutes`; "" for none. Any: what JSON can say."""
    kind, value = schedule.get("type"), schedule.get("value")
    if kind == "crontab" and isinstance(value, str):
        return value
    if kind == "interval" and isinstance(value, int):
        unit = str(schedule.get("unit"))
        return f"every {unit}" if value == 1 else f"every {value} {unit}s"
    return ""


def _months_later(moment: dt.datetime, months: int) -> dt.datetime:
    index = moment.year * 12 + moment.month - 1 + months
    if index // 12 > dt.MAXYEAR:
        raise OverflowError
    year, month = index // 12, index % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
