"""Writes of samples: minutes from the nodes, hours from minutes, and what is too old goes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from supervision.exceptions import SupervisionError
from supervision.samples.models import SampleHour, SampleMinute

MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=90)
ROLLED_AGAIN = timedelta(hours=3)
"""Minutes may be a quarter of an hour late."""
BATCH = 1000
DELETED_AT_ONCE = 10_000


class BadSampleError(SupervisionError):
    """A sample holds a value that nothing can use."""

    def __init__(self, key: str, at: datetime, name: str, value: object) -> None:
        super().__init__(f"{name} of {key} at {at:%Y-%m-%d %H:%M} is {value}: not a number of zero or more")
        self.name = name


def record_minutes(
    *, node_id: str, fields: Sequence[str], minutes: Iterable[Mapping[str, Any]]
) -> tuple[int, list[BadSampleError]]:
    """Store minutes as a sampler sums them up; one that is there already is left. How many were offered, and which were
    refused: NaN, infinite or negative values are none. One that is refused stops no other.

    `fields` names the values of each row; a minute is `{"at": Unix seconds, "keys": [...], "rows": [[...], ...]}`.
    """
    rows, refused = [], []
    for minute in minutes:
        at = datetime.fromtimestamp(minute["at"], UTC)
        for key, row in zip(minute["keys"], minute["rows"], strict=True):
            values = dict(zip(fields, row, strict=True))
            try:
                check(key, at, values)
            except BadSampleError as error:
                refused.append(error)
                continue
            rows.append(SampleMinute(node_id=node_id, key=key, at=at, **values))
    SampleMinute.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    return len(rows), refused


def check(key: str, at: datetime, values: Mapping[str, Any]) -> None:
    """Raises BadSampleError for the first value that is no number of zero or more. Gauges may be negative, not NaN."""
    for name, value in values.items():
        if name == "gauges":
            for gauge, sums in (value or {}).items():
                for each in sums.values():
                    if not math.isfinite(each):
                        raise BadSampleError(key, at, f"gauge {gauge}", each)
        elif isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
            raise BadSampleError(key, at, name, value)


_LAST = "(array_agg({0} ORDER BY at DESC) FILTER (WHERE {0} IS NOT NULL))[1]"
_MEAN = "sum({0} * n) / nullif(sum(n) FILTER (WHERE {0} IS NOT NULL), 0)"
_OF_AN_HOUR = {
    "n": "sum(n)",
    **{name: _MEAN.format(name) for name in ("cpu_avg", "read_avg", "written_avg", "switches_avg")},
    "rss_avg": f"({_MEAN.format('rss_avg')})::bigint",
    **{
        name: f"max({name})"
        for name in (
            "cpu_max", "rss_max", "fds_max", "threads_max", "children_max", "zombies_max", "sockets_max",
        )
    },
    **{
        name: f"min({name})"
        for name in ("rss_min", "fds_min", "threads_min", "children_min", "zombies_min", "sockets_min")
    },
    **{
        name: _LAST.format(name)
        for name in ("pss", "uss", "states", "disk", "incarnation", "image", "gauges")
    },
}  # fmt: skip
"""Each column of an hour, of those of its minutes."""
_ROLL_UP = f"""
INSERT INTO supervision_samplehour (node_id, key, at, {", ".join(_OF_AN_HOUR)})
SELECT node_id, key, date_trunc('hour', at, 'UTC'), {", ".join(_OF_AN_HOUR.values())}
FROM supervision_sampleminute
WHERE at >= %(since)s
  AND at < %(until)s
GROUP BY node_id, key, date_trunc('hour', at, 'UTC')
ON CONFLICT (node_id, key, at) DO UPDATE
SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _OF_AN_HOUR)}
"""  # noqa: S608 - constants
"""Hours of whole minutes; made again they are the same, or know more."""


def roll_up_hours(now: datetime) -> int:
    """Make the hours that ended before `now`, the last few of them again. How many rows.

    Also those that were missed while nobody rolled up, as long as there are minutes of them.
    """
    until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    newest = SampleHour.objects.order_by("-at").values_list("at", flat=True).first()
    missed = until - MINUTES_KEPT if newest is None else max(newest, until - MINUTES_KEPT)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ROLL_UP, {"since": min(missed, until - ROLLED_AGAIN), "until": until})
        return int(cursor.rowcount)


_DROP = """
DELETE FROM {table}
WHERE id IN (SELECT id FROM {table} WHERE at < %(before)s ORDER BY at LIMIT %(limit)s)
"""
"""Some of the oldest rows: a long transaction would hold the others up."""


def drop_old(now: datetime) -> int:
    """Remove what is older than is kept; in parts, each a transaction of its own. How many rows."""
    removed = 0
    for table, kept in (("supervision_sampleminute", MINUTES_KEPT), ("supervision_samplehour", HOURS_KEPT)):
        while True:
            with connection.cursor() as cursor:
                cursor.execute(_DROP.format(table=table), {"before": now - kept, "limit": DELETED_AT_ONCE})
                removed += cursor.rowcount
                if cursor.rowcount < DELETED_AT_ONCE:
                    break
    return removed
