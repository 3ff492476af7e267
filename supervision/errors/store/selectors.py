"""What pages and the API ask of the error store."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from django.db.models import Case, F, Prefetch, QuerySet, When, Window
from django.db.models.functions import RowNumber

from supervision.errors.store.models import OPEN, ErrorEvent, ErrorIssue, ErrorIssueHour, ErrorProject
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.spike_models import ErrorSpike

HOURS = 24
MOMENT = dt.timedelta(seconds=15)
"""An SDK tells of a crash before the end that it leads to."""
MOST_OF_CHILD = 1000
LASTING = Prefetch("spikes", queryset=ErrorSpike.objects.filter(ended_at=None))
"""Of projects: the spike that goes on."""


def projects(*, trees: frozenset[str] | None) -> "QuerySet[ErrorProject]":
    """Those of trees that may be seen; None: every one. A project of no tree is for who sees all."""
    rows = ErrorProject.objects.order_by("slug")
    return rows if trees is None else rows.filter(tree__in=trees)


def spikes(*, trees: frozenset[str] | None) -> "QuerySet[ErrorSpike]":
    """Those that go on, of projects that may be seen."""
    rows = ErrorSpike.objects.select_related("project").filter(ended_at=None).order_by("began_at", "pk")
    return rows if trees is None else rows.filter(project__tree__in=trees)


def issues(*, trees: frozenset[str] | None) -> "QuerySet[ErrorIssue]":
    """Seen last, first; `is_open` says whether somebody should look. None: of every tree."""
    rows = (
        ErrorIssue.objects.select_related("project", "stat", "assignee", "team")
        .filter(merged_into=None, stat__isnull=False)
        .annotate(is_open=Case(When(status__in=OPEN, then=True), default=False))
    )
    if trees is not None:
        rows = rows.filter(project__tree__in=trees)
    return rows.order_by("-stat__last_seen", "-id")


def monitors(*, trees: frozenset[str] | None, status: str = "", tree: str = "") -> "QuerySet[Monitor]":
    """By name."""
    rows = Monitor.objects.select_related("project").order_by("slug", "id")
    if trees is not None:
        rows = rows.filter(project__tree__in=trees)
    if status:
        rows = rows.filter(status=status)
    return rows.filter(project__tree=tree) if tree else rows


def newest_check_ins(monitors: Iterable[int], *, most: int) -> dict[int, list[CheckIn]]:
    """The last runs of each monitor, oldest first. One query."""
    place = Window(
        RowNumber(), partition_by=[F("monitor")], order_by=[F("started_at").desc(), F("pk").desc()]
    )
    rows = CheckIn.objects.filter(monitor__in=list(monitors)).annotate(place=place).filter(place__lte=most)
    found: dict[int, list[CheckIn]] = {}
    for row in rows.order_by("monitor_id", "started_at", "pk"):
        found.setdefault(row.monitor_id, []).append(row)
    return found


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


def issues_about(key: str, *, since: float) -> tuple[str, ...]:
    """Short ids of the issues that had events of this child from `since` (Unix seconds, a moment before it) on."""
    edge = dt.datetime.fromtimestamp(since, tz=dt.UTC) - MOMENT
    found = ErrorEvent.objects.filter(child=key, received_at__gte=edge).order_by("-id")
    issues = list(dict.fromkeys(found.values_list("issue_id", flat=True)[:50]))[:3]
    rows = _own(key, issues)
    return tuple(rows[pk].short_id for pk in issues if pk in rows)


def issues_tagged(key: str, value: str, *, tree: str, most: int = 5) -> list[ErrorIssue]:
    """Issues of a tree's project that had events with this tag, seen last first. One query."""
    rows = ErrorIssue.objects.select_related("project").filter(
        project__tree=tree, merged_into=None, tags__key=key, tags__value=value[:200]
    )
    return list(rows.order_by("-stat__last_seen", "-pk")[:most])


def of_child(key: str, *, most: int = 50) -> list[tuple[ErrorIssue, int, dt.datetime]]:
    """Issues with events of this child, seen last there first: with how many of its newest events are theirs, and when."""
    newest = list(
        ErrorEvent.objects.filter(child=key).order_by("-id").values_list("issue_id", "at")[:MOST_OF_CHILD]
    )
    counts = Counter(issue for issue, _ in newest)
    last: dict[int, dt.datetime] = {}
    for issue, at in newest:
        last.setdefault(issue, at)
    rows = _own(key, list(last)[:most])
    return [(rows[pk], counts[pk], at) for pk, at in last.items() if pk in rows]


def newest_of_child(key: str, *, most: int = 100) -> list[tuple[ErrorEvent, ErrorIssue]]:
    """Its newest events with their issues, without bodies."""
    events = list(ErrorEvent.objects.filter(child=key).defer("data").order_by("-id")[:most])
    rows = _own(key, {each.issue_id for each in events})
    return [(each, rows[each.issue_id]) for each in events if each.issue_id in rows]


def _own(key: str, issues: Iterable[int]) -> dict[int, ErrorIssue]:
    """Those of the project of the child's tree: whoever has another project's key may name any child."""
    rows = ErrorIssue.objects.select_related("project", "stat", "assignee", "team").filter(
        project__tree=key.partition("/")[0]
    )
    return rows.in_bulk(list(issues))


def alike(issue: ErrorIssue, *, most: int = 10) -> list[ErrorIssue]:
    """Issues of the project that end in the same call, the newest first: what may be merged."""
    if not issue.callee:
        return []
    rows = ErrorIssue.objects.select_related("project", "stat", "assignee", "team").filter(
        project=issue.project, callee=issue.callee, merged_into=None
    )
    return list(rows.exclude(pk=issue.pk).order_by("-id")[:most])
