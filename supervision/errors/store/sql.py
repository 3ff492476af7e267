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
    (issue_id, count, users, last_seen, last_release, last_environment, last_child, last_event_id, not_kept, kept_one_of)
SELECT * FROM unnest(
    %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::varchar[], %s::varchar[], %s::varchar[],
    %s::varchar[], %s::bigint[], %s::integer[]
)
ON CONFLICT (issue_id) DO UPDATE SET
    count = stat.count + excluded.count,
    users = stat.users + excluded.users,
    not_kept = stat.not_kept + excluded.not_kept,
    kept_one_of = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.kept_one_of ELSE stat.kept_one_of END,
    last_seen = greatest(stat.last_seen, excluded.last_seen),
    last_release = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_release ELSE stat.last_release END,
    last_environment = CASE
        WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_environment ELSE stat.last_environment END,
    last_child = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_child ELSE stat.last_child END,
    last_event_id = CASE WHEN excluded.last_seen >= stat.last_seen THEN excluded.last_event_id ELSE stat.last_event_id END
"""

AFFECT_USERS = """
WITH seen AS (
    INSERT INTO supervision_errorissueuser AS users (issue_id, "user", seen_at)
    SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::timestamptz[])
    ON CONFLICT (issue_id, "user") DO UPDATE SET seen_at = excluded.seen_at
    WHERE users.seen_at < excluded.seen_at - interval '1 day'
    RETURNING issue_id, xmax = 0 AS is_new
)
SELECT issue_id, count(*)
FROM seen
WHERE is_new
GROUP BY issue_id
"""

COUNT_HOURS = """
INSERT INTO supervision_errorissuehour AS hours (issue_id, hour, count)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (issue_id, hour) DO UPDATE SET count = hours.count + excluded.count
"""

COUNT_PROJECT_HOURS = """
INSERT INTO supervision_errorprojecthour AS hours (project_id, hour, count)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (project_id, hour) DO UPDATE SET count = hours.count + excluded.count
"""

COUNT_MINUTES = """
INSERT INTO supervision_errorissueminute AS minutes (issue_id, environment, minute, count)
SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (issue_id, environment, minute) DO UPDATE SET count = minutes.count + excluded.count
"""

IN_MINUTES = """
SELECT issue_id, minute, sum(count)
FROM supervision_errorissueminute
WHERE (issue_id, minute) IN (SELECT * FROM unnest(%s::bigint[], %s::timestamptz[]))
GROUP BY issue_id, minute
"""

COUNT_RELEASES = """
INSERT INTO supervision_errorreleasehour AS hours (project_id, release, environment, hour, sessions, errored, crashed)
SELECT * FROM unnest(
    %s::bigint[], %s::varchar[], %s::varchar[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[]
)
ON CONFLICT (project_id, release, environment, hour) DO UPDATE SET
    sessions = hours.sessions + excluded.sessions,
    errored = hours.errored + excluded.errored,
    crashed = hours.crashed + excluded.crashed
"""

COUNT_TRANSACTIONS = """
INSERT INTO supervision_errortransactionhour AS hours (project_id, name, op, hour, time_class, count, failed, total_ms)
SELECT * FROM unnest(
    %s::bigint[], %s::varchar[], %s::varchar[], %s::timestamptz[], %s::smallint[], %s::bigint[], %s::bigint[], %s::float8[]
)
ON CONFLICT (project_id, hour, name, op, time_class) DO UPDATE SET
    count = hours.count + excluded.count,
    failed = hours.failed + excluded.failed,
    total_ms = hours.total_ms + excluded.total_ms
"""

SEE_USERS = """
INSERT INTO supervision_errorreleaseuser AS users (project_id, release, environment, "user", seen_at, crashed_at)
SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::varchar[], %s::varchar[], %s::timestamptz[], %s::timestamptz[])
ON CONFLICT (project_id, release, environment, "user") DO UPDATE SET
    seen_at = greatest(users.seen_at, excluded.seen_at),
    crashed_at = greatest(users.crashed_at, excluded.crashed_at)
WHERE excluded.seen_at > users.seen_at
    OR excluded.crashed_at > users.crashed_at
    OR (users.crashed_at IS NULL AND excluded.crashed_at IS NOT NULL)
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
        cursor.execute(CLAIM_EVENT_KEYS, columns(sorted(keys)))
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


def affect_users(rows: Sequence[tuple[int, str, dt.datetime]]) -> dict[int, int]:
    """(issue, user, seen), in the order of the keys, each key once; by issue how many were not seen with it before."""
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(AFFECT_USERS, columns(rows))
        return {int(issue): int(count) for issue, count in cursor.fetchall()}


def count_issues(rows: Iterable[tuple[int, int, int, dt.datetime, str, str, str, str, int, int]]) -> None:
    """(issue, events, users that are new, last seen, and release, environment, child and id of the last, how many of them
    are not kept, and of how many one is)."""
    many(COUNT_ISSUES, sorted(rows))


def count_hours(counts: Counter[tuple[int, dt.datetime]]) -> None:
    many(COUNT_HOURS, [(*key, count) for key, count in sorted(counts.items())])


def count_releases(rows: Sequence[tuple[int, str, str, dt.datetime, int, int, int]]) -> None:
    """(project, release, environment, hour, and sessions, errored and crashed ones), in the order of the keys."""
    many(COUNT_RELEASES, rows)


def count_transactions(
    rows: Sequence[tuple[int, str, str, dt.datetime, int, int, int, float]],
) -> None:
    """(project, name, op, hour, class of the time, and runs, failed ones, and ms in all), in the order of the keys."""
    many(COUNT_TRANSACTIONS, rows)


def see_users(rows: Sequence[tuple[int, str, str, str, dt.datetime, dt.datetime | None]]) -> None:
    """(project, release, environment, user, seen, and crashed, or None), in the order of the keys, each key once."""
    many(SEE_USERS, rows)


def count_project_hours(counts: Counter[tuple[int, dt.datetime]]) -> None:
    many(COUNT_PROJECT_HOURS, [(*key, count) for key, count in sorted(counts.items())])


def count_minutes(counts: Counter[tuple[int, str, dt.datetime]]) -> None:
    """(issue, environment, minute)."""
    many(COUNT_MINUTES, [(*key, count) for key, count in sorted(counts.items())])


def in_minutes(keys: Sequence[tuple[int, dt.datetime]]) -> dict[tuple[int, dt.datetime], int]:
    """How many events each issue had in each of these minutes, in all environments."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(IN_MINUTES, columns(keys))
        return {(int(issue), minute): int(count) for issue, minute, count in cursor.fetchall()}


def count_discards(counts: Counter[tuple[int, str, str]], now: dt.datetime) -> None:
    """(project, category, reason), in the hour of `now`."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    many(
        COUNT_DISCARDS,
        [
            (project, hour, category, reason, count)
            for (project, category, reason), count in sorted(counts.items())
        ],
    )


def many(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """With the columns of these rows. Any: a column each."""
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, columns(rows))


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Any: as above."""
    return [list(column) for column in zip(*rows, strict=True)]
