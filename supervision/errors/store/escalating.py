"""Issues that come far more often than they did: the one definition, for statuses and for rules.

More events in the last hour than twice what the busiest hour of the week before had, ten at least. One that is younger than
that hour is new and does not escalate. An open issue that does becomes `escalating`; that a day without such an hour is over
is found by the clock (aging.py).
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from supervision.errors.store.activity import note
from supervision.errors.store.models import ErrorIssue, ErrorIssueHour

LEAST = 10
HOUR = dt.timedelta(hours=1)
WEEK = dt.timedelta(days=7)
AT_ONCE = 500
Status = ErrorIssue.Status
MAY_ESCALATE = (Status.NEW, Status.ONGOING, Status.REGRESSED)
"""A muted issue does not: nobody is to be told of it."""

RISING = """
WITH counted AS (
    SELECT issue_id, sum(count) AS events
    FROM supervision_errorissueminute
    WHERE minute > %(since)s
        AND (%(issues)s::bigint[] IS NULL OR issue_id = ANY(%(issues)s::bigint[]))
        AND (%(environment)s = '' OR environment = %(environment)s)
    GROUP BY issue_id
    HAVING sum(count) >= %(least)s
)
SELECT issue_id, events, coalesce(busiest, 0)
FROM counted
JOIN supervision_errorissue AS issue ON issue.id = issue_id
CROSS JOIN LATERAL (
    SELECT max(count) AS busiest
    FROM supervision_errorissuehour AS hours
    WHERE hours.issue_id = issue.id AND hour >= %(week)s AND hour < %(before)s
) AS usual
WHERE issue.first_seen < %(since)s
    AND events > 2 * coalesce(busiest, 0)
    AND (%(project)s::bigint IS NULL OR issue.project_id = %(project)s)
    AND (%(statuses)s::varchar[] IS NULL OR issue.status = ANY(%(statuses)s::varchar[]))
ORDER BY events DESC, issue_id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Rise:
    """Events in the last hour, and in the busiest hour of the week before."""

    events: int
    busiest: int

    def __str__(self) -> str:
        return f"{self.events} events in an hour, before at most {self.busiest}"


def rising(
    *,
    now: dt.datetime,
    most: int,
    issues: Collection[int] | None = None,
    statuses: Collection[str] | None = None,
    project: int | None = None,
    environment: str = "",
) -> dict[int, Rise]:
    """Issues that come far more often than they did, the most frequent first; among these, where some are named. Only events
    of the environment are counted, if one is named; what is usual is counted over all of them. Any: a parameter each."""
    since = (now - HOUR).replace(second=0, microsecond=0)
    asked: dict[str, Any] = {
        "since": since,
        "week": now - WEEK,
        "before": since.replace(minute=0),
        "least": LEAST,
        "issues": None if issues is None else sorted(issues),
        "statuses": None if statuses is None else sorted(statuses),
        "project": project,
        "environment": environment,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(RISING, asked)
        return {int(issue): Rise(int(events), int(busiest)) for issue, events, busiest in cursor.fetchall()}


def least_in_hour(issue: ErrorIssue, now: dt.datetime) -> int:
    """So many events in an hour are far more than it has had in the last week, this hour among them."""
    hours = ErrorIssueHour.objects.filter(issue=issue, hour__gte=now - WEEK)
    return max(LEAST, 2 * int(hours.aggregate(n=Max("count"))["n"] or 0) + 1)


def escalate(issues: Mapping[int, ErrorIssue], *, now: dt.datetime) -> int:
    """Those of these open issues that come far more often than they did are `escalating` from now on; how many."""
    since = now - HOUR
    asked = [pk for pk, row in issues.items() if row.status in MAY_ESCALATE and row.first_seen < since]
    if not asked:
        return 0
    found = rising(now=now, most=len(asked), issues=asked)
    return sum(_escalates(issues[pk], found[pk], now) for pk in sorted(found))


@transaction.atomic
def escalate_by_clock(*, now: dt.datetime, most: int = AT_ONCE) -> int:
    """The same of all open issues, at most so many, the most frequent first; how many. What is usual becomes less with time,
    and so what came already may be far more."""
    found = rising(now=now, most=most, statuses=MAY_ESCALATE)
    rows = ErrorIssue.objects.select_for_update(skip_locked=True, no_key=True).filter(
        pk__in=found, status__in=MAY_ESCALATE, merged_into=None
    )
    return sum(_escalates(row, found[row.pk], now) for row in rows.order_by("pk"))


def _escalates(issue: ErrorIssue, rise: Rise, now: dt.datetime) -> bool:
    """Whether we were the ones who found it."""
    known = ErrorIssue.objects.filter(pk=issue.pk, status=issue.status, status_at=issue.status_at)
    won = known.update(status=Status.ESCALATING, status_at=now)
    if won:
        note(issue, at=now, kind=Status.ESCALATING, text=str(rise))
    return bool(won)
