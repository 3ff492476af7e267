"""Writes of samples: minutes from the nodes, hours from minutes, and what is too old goes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from supervision.samples.models import SampleHour, SampleMinute

MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=90)
ROLLED_AGAIN = timedelta(hours=3)
"""Minutes may be a quarter of an hour late."""
BATCH = 1000
DELETED_AT_ONCE = 10_000


def record_minutes(*, node_id: str, fields: Sequence[str], minutes: Iterable[Mapping[str, Any]]) -> int:
    """Store minutes as a sampler sums them up; one that is there already is left. How many were offered.

    `fields` names the values of each row; a minute is `{"at": Unix seconds, "keys": [...], "rows": [[...], ...]}`.
    """
    rows = [
        SampleMinute(
            node_id=node_id,
            key=key,
            at=datetime.fromtimestamp(minute["at"], UTC),
            **dict(zip(fields, row, strict=True)),
        )
        for minute in minutes
        for key, row in zip(minute["keys"], minute["rows"], strict=True)
    ]
    SampleMinute.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    return len(rows)


_ROLL_UP = """
INSERT INTO supervision_samplehour
    (node_id, key, at, n, cpu_avg, cpu_max, rss_avg, rss_max, pss, fds_max, threads_max, children_max, gauges)
SELECT node_id,
       key,
       date_trunc('hour', at, 'UTC'),
       sum(n),
       sum(cpu_avg * n) / nullif(sum(n) FILTER (WHERE cpu_avg IS NOT NULL), 0),
       max(cpu_max),
       (sum(rss_avg * n) / nullif(sum(n) FILTER (WHERE rss_avg IS NOT NULL), 0))::bigint,
       max(rss_max),
       (array_agg(pss ORDER BY at DESC) FILTER (WHERE pss IS NOT NULL))[1],
       max(fds_max),
       max(threads_max),
       max(children_max),
       (array_agg(gauges ORDER BY at DESC) FILTER (WHERE gauges IS NOT NULL))[1]
FROM supervision_sampleminute
WHERE at >= %(since)s
  AND at < %(until)s
GROUP BY node_id, key, date_trunc('hour', at, 'UTC')
ON CONFLICT (node_id, key, at) DO UPDATE
SET n = EXCLUDED.n,
    cpu_avg = EXCLUDED.cpu_avg,
    cpu_max = EXCLUDED.cpu_max,
    rss_avg = EXCLUDED.rss_avg,
    rss_max = EXCLUDED.rss_max,
    pss = EXCLUDED.pss,
    fds_max = EXCLUDED.fds_max,
    threads_max = EXCLUDED.threads_max,
    children_max = EXCLUDED.children_max,
    gauges = EXCLUDED.gauges
"""
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
