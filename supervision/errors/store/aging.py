"""Statuses that change with time alone, found by the clock.

A `new` or `regressed` issue is `ongoing` after a week. An `escalating` one is when a day has passed since it began to be and
no whole hour of the last day was far above the week before it. (Sentry's issues are `ongoing` after a week in all three
cases; what escalates is told at once, and a day without it says that it is over.) Whoever follows the issue is not told of
either: nothing happened.

Those whose time came first are first, and each that is taken changes, so that a backlog is worked off in order.
"""

import datetime as dt

from django.db import connection, transaction

from supervision.errors.store.escalating import LEAST, WEEK
from supervision.errors.store.models import ErrorActivity, ErrorIssue

CALM = dt.timedelta(days=1)
AT_ONCE = 500
Status = ErrorIssue.Status
KIND = "settled"

AGED = """
SELECT id
FROM supervision_errorissue
WHERE status IN ('new', 'regressed') AND status_at <= %(edge)s AND merged_into_id IS NULL
ORDER BY status_at, id
LIMIT %(most)s
FOR NO KEY UPDATE SKIP LOCKED
"""
CALMED = """
SELECT id
FROM supervision_errorissue AS issue
WHERE status = 'escalating' AND status_at <= %(edge)s AND merged_into_id IS NULL
    AND NOT EXISTS (
        SELECT
        FROM (
            SELECT hour, count, max(count) OVER (
                ORDER BY hour RANGE BETWEEN interval '7 days' PRECEDING AND interval '1 hour' PRECEDING
            ) AS busiest
            FROM supervision_errorissuehour AS hours
            WHERE hours.issue_id = issue.id AND hour >= %(week)s
        ) AS hourly
        WHERE hour > %(edge)s AND count >= %(least)s AND count > 2 * coalesce(busiest, 0)
    )
ORDER BY status_at, id
LIMIT %(most)s
FOR NO KEY UPDATE SKIP LOCKED
"""


def settle_by_clock(*, now: dt.datetime, most: int = AT_ONCE) -> int:
    """Issues whose time has come are `ongoing`, at most so many of each kind; how many."""
    aged = _settle(AGED, {"edge": now - WEEK, "most": most}, f"for {WEEK.days} days the same", now)
    asked: dict[str, dt.datetime | int] = {
        "edge": now - CALM,
        "week": now - CALM - WEEK,
        "least": LEAST,
        "most": most,
    }
    return aged + _settle(CALMED, asked, "far fewer for a day", now)


@transaction.atomic
def _settle(due: str, asked: dict[str, dt.datetime | int], text: str, now: dt.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(due, asked)
        pks = [int(pk) for (pk,) in cursor.fetchall()]
    if pks:
        ErrorIssue.objects.filter(pk__in=pks).update(status=Status.ONGOING, status_at=now)
        ErrorActivity.objects.bulk_create(
            [ErrorActivity(issue_id=pk, at=now, kind=KIND, text=text) for pk in pks]
        )
    return len(pks)
