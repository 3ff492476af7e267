"""Takes back what Overstory saw and counted, when an SDK's report of the same comes later: it lay in a spool, or waited.

The event goes, with all that was counted of it. An issue that then has none was made by it alone: it goes into the issue of
the SDK's report, which is the same occurrence, and its hashes lead there from now on; unless somebody pinned them.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db.models import F, QuerySet

from supervision.errors.store.activity import note
from supervision.errors.store.joining import issue_now
from supervision.errors.store.models import (
    ErrorEvent,
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueStat,
)
from supervision.errors.store.occasion_models import ErrorIssueMinute
from supervision.errors.store.searching import join_words
from supervision.errors.store.sighting_models import ErrorSighting
from supervision.errors.store.spike_models import ErrorProjectHour
from supervision.errors.store.tagging import uncount


def take_back(pairs: Iterable[tuple[ErrorSighting, ErrorIssue]], *, now: dt.datetime) -> None:
    """What was seen, and the issue of the report that tells of the same. The caller holds the lock of their project."""
    for seen, told in pairs:
        row = ErrorEvent.objects.filter(
            project_id=seen.project_id, event_id=seen.event_id, received_at=seen.at
        ).first()
        issue = issue_now(seen.issue if row is None else ErrorIssue.objects.get(pk=row.issue_id))
        if row is not None:
            ErrorEvent.objects.filter(pk=row.pk, received_at=seen.at).delete()
        _uncount(issue, seen)
        seen.delete()
        stat = ErrorIssueStat.objects.filter(issue=issue).first()
        if issue != told and stat is not None and stat.count == 0:
            _absorb(told, issue, now)


def _uncount(issue: ErrorIssue, seen: ErrorSighting) -> None:
    hour = seen.at.replace(minute=0, second=0, microsecond=0)
    minute = seen.at.replace(second=0, microsecond=0)
    ErrorIssueStat.objects.filter(issue=issue, count__gt=0).update(count=F("count") - 1)
    if not seen.is_kept:
        ErrorIssueStat.objects.filter(issue=issue, not_kept__gt=0).update(not_kept=F("not_kept") - 1)
    _one_less(ErrorIssueHour.objects.filter(issue=issue, hour=hour))
    _one_less(ErrorProjectHour.objects.filter(project=seen.project_id, hour=hour))
    minutes = ErrorIssueMinute.objects.filter(issue=issue, environment=seen.environment, minute=minute)
    _one_less(minutes)
    uncount(issue, dict.fromkeys(seen.tags.items(), 1))
    stat = ErrorIssueStat.objects.filter(issue=issue, last_event_id=seen.event_id).first()
    last = ErrorEvent.objects.filter(issue_id=issue.pk).defer("data").order_by("-received_at", "-id").first()
    if stat is not None and last is not None:
        stat.last_seen, stat.last_event_id = last.received_at, last.event_id
        stat.last_release, stat.last_environment, stat.last_child = (
            last.release,
            last.environment,
            last.child,
        )
        stat.save()


def _one_less(rows: "QuerySet[Any]") -> None:
    """Any: a model that has `count`."""
    pks = list(rows.values_list("pk", flat=True))
    again = rows.model._default_manager.filter(pk__in=pks)
    again.filter(count=1).delete()
    again.update(count=F("count") - 1)


def _absorb(into: ErrorIssue, empty: ErrorIssue, now: dt.datetime) -> None:
    if ErrorIssueHash.objects.filter(issue=empty, pinned=True).exists():
        return
    ErrorIssueHash.objects.filter(issue=empty).update(issue=into)
    join_words(into, [empty.pk])
    archived = ErrorIssue.Status.ARCHIVED
    ErrorIssue.objects.filter(pk=empty.pk).update(merged_into=into, status=archived, status_at=now)
    note(into, at=now, kind="merged", text=empty.short_id)
    note(empty, at=now, kind="merged_into", text=into.short_id)
