"""How an issue went: its events in each part of a time, and what was deployed and restarted meanwhile. From rows alone."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.db.models.functions import TruncHour, TruncMinute

from supervision.errors.exceptions import TooManyToCountError
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorIssueHour, ErrorRelease
from supervision.journal.models import Incarnation
from supervision.trees.models import TreeRevision

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MOST_COUNTED = 50_000
"""Events of the last hours that are still counted one by one."""
MOST_DEPLOYS = 50
"""The newest that are told."""
COMPARED_HOURS = 24
"""Whole hours before a deploy and after it, whose events are compared; without the hour in which it was."""


@dataclass(frozen=True, slots=True)
class Span:
    """So many parts of that length, the last of them not over."""

    part: dt.timedelta
    parts: int


SPANS: Mapping[str, Span] = {
    "hour": Span(dt.timedelta(minutes=1), 60),
    "day": Span(HOUR, 24),
    "fortnight": Span(6 * HOUR, 56),
}


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
    """Restarts are those of the child it was seen in first and of the one it was seen in last. Five queries at most.

    Parts shorter than an hour are counted event by event. TooManyToCountError: there are more than MOST_COUNTED, or only
    some of a storm were stored.
    """
    # Parts begin at multiples of their length, so that they do not move while they are looked at.
    last = now - (now - EPOCH) % span.part
    since = last - span.part * (span.parts - 1)
    rows = ErrorIssueHour.objects.filter(issue=issue, hour__gte=since - HOUR * COMPARED_HOURS)
    hours = dict(rows.order_by().values_list("hour", "count"))
    events = hours.items() if span.part >= HOUR else _by_minute(issue, since, hours).items()
    return History(
        since,
        span.part,
        _in_parts(events, since, span),
        _in_parts(_restarts(issue, since, span), since, span),
        _deploys(issue, since, hours, now),
    )


def _by_minute(
    issue: ErrorIssue, since: dt.datetime, hours: Mapping[dt.datetime, int]
) -> dict[dt.datetime, int]:
    recent = sum(count for hour, count in hours.items() if hour > since - HOUR)
    if issue.stat.not_kept or recent > MOST_COUNTED:
        raise TooManyToCountError("it has too many events to be counted by the minute")
    # received_at names the partitions that are read; a program's clock may be a little ahead of ours.
    rows = ErrorEvent.objects.filter(issue_id=issue.pk, received_at__gte=since - HOUR, at__gte=since)
    minutes = rows.order_by().annotate(minute=TruncMinute("at", tzinfo=dt.UTC)).values_list("minute")
    return dict(minutes.annotate(number=Count("pk")))


def _in_parts(moments: Iterable[tuple[dt.datetime, int]], since: dt.datetime, span: Span) -> list[int]:
    found = [0] * span.parts
    for at, count in moments:
        place = (at - since) // span.part
        if 0 <= place < span.parts:
            found[place] += count
    return found


def _restarts(issue: ErrorIssue, since: dt.datetime, span: Span) -> list[tuple[dt.datetime, int]]:
    """By hour, or by minute. Of children of the project's tree only: whoever has the project's key may name any child."""
    tree = issue.project.tree
    seen_in = (issue.child, issue.stat.last_child)
    keys = {key for key in seen_in if tree and key.startswith(f"{tree}/")}
    if not keys:
        return []
    lives = Incarnation.objects.filter(key__in=keys, number__gt=1, started_at__gte=since)
    trunc = TruncHour if span.part >= HOUR else TruncMinute
    moments = lives.order_by().annotate(moment=trunc("started_at", tzinfo=dt.UTC)).values_list("moment")
    return list(moments.annotate(number=Count("pk")))


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
        releases = releases.exclude(version__regex=rf"^{re.escape(tree)}@[0-9]+$")
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
