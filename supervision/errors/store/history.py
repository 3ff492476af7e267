"""How an issue went: its events in each part of a time, and what was deployed and restarted meanwhile. From rows alone."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.db.models.functions import TruncHour

from supervision.errors.store.models import ErrorIssue, ErrorIssueHour, ErrorRelease
from supervision.journal.models import Incarnation
from supervision.trees.models import TreeRevision

HOUR = dt.timedelta(hours=1)
MOST_DEPLOYS = 50
"""The newest that are told."""
COMPARED_HOURS = 24
"""Whole hours before a deploy and after it, whose events are compared; without the hour in which it was."""


@dataclass(frozen=True, slots=True)
class Span:
    """So many parts of so many hours, the last of them not over."""

    hours: int
    parts: int


SPANS: Mapping[str, Span] = {"day": Span(hours=1, parts=24), "fortnight": Span(hours=6, parts=56)}


@dataclass(frozen=True, slots=True)
class Deploy:
    """A revision of the project's tree, or a release that its reports named for the first time.

    before, after: the issue's events an hour, in COMPARED_HOURS before, and in as many after as are over; None: none is.
    """

    at: dt.datetime
    kind: str
    name: str
    message: str
    author: str
    before: float
    after: float | None


@dataclass(frozen=True, slots=True)
class History:
    """`counts` and `restarts`: of each part, oldest first. `deploys`: oldest first."""

    since: dt.datetime
    part: dt.timedelta
    counts: Sequence[int]
    restarts: Sequence[int]
    deploys: Sequence[Deploy]


def history(issue: ErrorIssue, span: Span, *, now: dt.datetime) -> History:
    """Restarts are those of the child it was seen in first and of the one it was seen in last. Four queries at most."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    # Parts begin at multiples of their length, so that they do not move while they are looked at.
    last = hour - HOUR * (hour.hour % span.hours)
    part = HOUR * span.hours
    since = last - part * (span.parts - 1)
    rows = ErrorIssueHour.objects.filter(issue=issue, hour__gte=since - HOUR * COMPARED_HOURS)
    counts = dict(rows.order_by().values_list("hour", "count"))
    return History(
        since,
        part,
        _in_parts(counts.items(), since, part, span.parts),
        _in_parts(_restarts(issue, since), since, part, span.parts),
        _deploys(issue, since, counts, now),
    )


def _in_parts(
    hours: Iterable[tuple[dt.datetime, int]], since: dt.datetime, part: dt.timedelta, parts: int
) -> list[int]:
    found = [0] * parts
    for hour, count in hours:
        place = (hour - since) // part
        if 0 <= place < parts:
            found[place] += count
    return found


def _restarts(issue: ErrorIssue, since: dt.datetime) -> list[tuple[dt.datetime, int]]:
    """By hour. Of children of the project's tree only: whoever has the project's key may name any child."""
    tree = issue.project.tree
    seen_in = (issue.child, issue.stat.last_child)
    keys = {key for key in seen_in if tree and key.startswith(f"{tree}/")}
    if not keys:
        return []
    lives = Incarnation.objects.filter(key__in=keys, number__gt=1, started_at__gte=since)
    return list(
        lives.order_by()
        .annotate(hour=TruncHour("started_at", tzinfo=dt.UTC))
        .values_list("hour")
        .annotate(number=Count("pk"))
    )


def _deploys(
    issue: ErrorIssue, since: dt.datetime, counts: Mapping[dt.datetime, int], now: dt.datetime
) -> list[Deploy]:
    """A release that is a revision of the tree is told once, as the revision."""
    tree = issue.project.tree
    revisions = TreeRevision.objects.filter(tree__name=tree, created_at__gte=since).order_by("-created_at")
    found = [
        ("revision", at, str(number), message, author)
        for at, number, message, author in revisions.values_list("created_at", "number", "message", "author")[
            :MOST_DEPLOYS
        ]
    ]
    releases = ErrorRelease.objects.filter(project=issue.project_id, first_seen__gte=since)
    if tree:
        releases = releases.exclude(version__startswith=f"{tree}@")
    found += [
        ("release", at, version, "", "")
        for at, version in releases.order_by("-first_seen").values_list("first_seen", "version")[
            :MOST_DEPLOYS
        ]
    ]
    newest = sorted(found, key=lambda one: one[1])[-MOST_DEPLOYS:]
    return [
        Deploy(at, kind, name, message, author, *_around(at, counts, now))
        for kind, at, name, message, author in newest
    ]


def _around(
    at: dt.datetime, counts: Mapping[dt.datetime, int], now: dt.datetime
) -> tuple[float, float | None]:
    hour = at.replace(minute=0, second=0, microsecond=0)
    before = sum(counts.get(hour - HOUR * back, 0) for back in range(1, COMPARED_HOURS + 1))
    whole = min(COMPARED_HOURS, (now - hour) // HOUR - 1)
    after = sum(counts.get(hour + HOUR * ahead, 0) for ahead in range(1, whole + 1))
    return before / COMPARED_HOURS, after / whole if whole > 0 else None
