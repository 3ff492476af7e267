"""The statements of the digest: each changes many rows at once, in the order of their keys."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

CLAIM_EVENT_KEYS = """
INSERT INTO supervision_erroreventkey (project_id, event_id, received_at)
SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::timestamptz[])
ON CONFLICT (project_id, event_id) DO NOTHING
RETURNING project_id, event_id
"""

NEXT_NUMBER = (
    "UPDATE supervision_errorproject SET last_issue = last_issue + 1 WHERE id = %s RETURNING last_issue"
)

COPY_EVENTS = """
COPY supervision_errorevent (event_id, project_id, issue_id, at, received_at, level, environment, release, transaction,
    "user", child, incarnation, data) FROM STDIN
"""

COUNT_ISSUES = """
INSERT INTO supervision_errorissuestat AS stat
    (issue_id, count, last_seen, last_release, last_environment, last_child, last_event_id)
SELECT * FROM unnest(
    %s::bigint[], %s::bigint[], %s::timestamptz[], %s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[]
)
ON CONFLICT (issue_id) DO UPDATE SET
    count = stat.count + excluded.count,
    last_seen = greatest(stat.last_seen, excluded.last_seen),
    last_release = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_release ELSE stat.last_release END,
    last_environment = CASE
        WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_environment ELSE stat.last_environment END,
    last_child = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_child ELSE stat.last_child END,
    last_event_id = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_event_id ELSE stat.last_event_id END
"""

COUNT_HOURS = """
INSERT INTO supervision_errorissuehour AS hours (issue_id, hour, count)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (issue_id, hour) DO UPDATE SET count = hours.count + excluded.count
"""

COUNT_TAGS = """
INSERT INTO supervision_errortag AS tags (issue_id, key, value, count)
SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::varchar[], %s::bigint[])
ON CONFLICT (issue_id, key, value) DO UPDATE SET count = tags.count + excluded.count
"""

COUNT_DISCARDS = """
INSERT INTO supervision_errordiscard AS lost (project_id, hour, category, reason, count)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::varchar[], %s::varchar[], %s::bigint[])
ON CONFLICT (project_id, hour, category, reason) DO UPDATE SET count = lost.count + excluded.count
"""


def claim_event_keys(keys: Sequence[tuple[int, str, dt.datetime]]) -> set[tuple[int, str]]:
    """Those of (project, event id, received) that were not there before."""
    if not keys:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_EVENT_KEYS, _columns(sorted(keys)))
        return {(row[0], row[1]) for row in cursor.fetchall()}


def next_issue_number(project: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [project])
        return int(cursor.fetchone()[0])


def copy_events(rows: Iterable[tuple[Any, ...]]) -> None:
    """Any: a column each, in the order of the statement."""
    with connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
        for row in rows:
            copy.write_row(row)


def count_issues(rows: Iterable[tuple[int, int, dt.datetime, str, str, str, str]]) -> None:
    """(issue, events, last seen, and release, environment, child and id of the last)."""
    _many(COUNT_ISSUES, sorted(rows))


def count_hours(counts: Counter[tuple[int, dt.datetime]]) -> None:
    _many(COUNT_HOURS, [(*key, count) for key, count in sorted(counts.items())])


def count_tags(counts: Counter[tuple[int, str, str]]) -> None:
    _many(COUNT_TAGS, [(*key, count) for key, count in sorted(counts.items())])


def count_discards(counts: Counter[tuple[int, str, str]], now: dt.datetime) -> None:
    """(project, category, reason), in the hour of `now`."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    _many(
        COUNT_DISCARDS,
        [
            (project, hour, category, reason, count)
            for (project, category, reason), count in sorted(counts.items())
        ],
    )


def _many(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, _columns(rows))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
