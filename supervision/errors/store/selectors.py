"""What pages and the API ask of the error store."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Q, QuerySet

from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorIssueHour, ErrorProject

OPEN = (ErrorIssue.Status.NEW, ErrorIssue.Status.ONGOING, ErrorIssue.Status.REGRESSED)
HOURS = 24


def projects(*, trees: frozenset[str] | None) -> "QuerySet[ErrorProject]":
    """Those of trees that may be seen; None: every one. A project of no tree is for who sees all."""
    rows = ErrorProject.objects.order_by("slug")
    return rows if trees is None else rows.filter(tree__in=trees)


def issues(*, trees: frozenset[str] | None, status: str = "", words: str = "") -> "QuerySet[ErrorIssue]":
    """Seen last, first. `status`: one, `open`, or "" for all; `words` are looked for in title and culprit, all of them."""
    rows = ErrorIssue.objects.select_related("project", "stat", "assignee").filter(merged_into=None)
    if trees is not None:
        rows = rows.filter(project__tree__in=trees)
    if status == "open":
        rows = rows.filter(status__in=OPEN)
    elif status:
        rows = rows.filter(status=status)
    for word in words.split()[:10]:
        rows = rows.filter(
            Q(title__icontains=word)
            | Q(culprit__icontains=word)
            | Q(project__slug__iexact=word)
            | Q(child__icontains=word)
        )
    return rows.order_by("-stat__last_seen", "-id")


def hours_of(issues: Iterable[int], *, now: dt.datetime, hours: int = HOURS) -> dict[int, list[int]]:
    """Events of each issue in each of the last hours, oldest first. One query."""
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - dt.timedelta(hours=hours - 1)
    found: dict[int, list[int]] = {}
    for issue, hour, count in ErrorIssueHour.objects.filter(
        issue__in=list(issues), hour__gte=first
    ).values_list("issue", "hour", "count"):
        place = int((hour - first).total_seconds() // 3600)
        if 0 <= place < hours:
            found.setdefault(issue, [0] * hours)[place] += count
    return found


def events(issue: ErrorIssue, *, most: int = 50) -> list[ErrorEvent]:
    """The newest of an issue, without their bodies."""
    return list(ErrorEvent.objects.filter(issue_id=issue.pk).defer("data").order_by("-id")[:most])


def event_of(issue: ErrorIssue, event_id: str = "") -> ErrorEvent | None:
    """One event of the issue, by its id; the newest without one."""
    rows = ErrorEvent.objects.filter(issue_id=issue.pk)
    return (rows.filter(event_id=event_id) if event_id else rows).order_by("-id").first()


def alike(issue: ErrorIssue, *, most: int = 10) -> list[ErrorIssue]:
    """Issues of the project that end in the same call: what may be merged."""
    if not issue.callee:
        return []
    rows = ErrorIssue.objects.select_related("project", "stat").filter(
        project=issue.project, callee=issue.callee, merged_into=None
    )
    return list(rows.exclude(pk=issue.pk).order_by("-id")[:most])
