"""Joins issues that are one bug, and says before what that would be.

Their hashes lead to the one that stays, and its counters are those of all of them. It keeps its own title.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited
from supervision.errors.exceptions import InvalidFieldError, TooManyToMergeError
from supervision.errors.store import sql
from supervision.errors.store.activity import note
from supervision.errors.store.issues import record_of
from supervision.errors.store.models import (
    ErrorEvent,
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueStat,
    ErrorIssueUser,
    ErrorProject,
    ErrorTag,
)
from supervision.errors.store.occasion_models import ErrorIssueMinute
from supervision.errors.store.searching import join_words
from supervision.errors.store.tagging import count_tags

MOST_MERGED = 200


@dataclass(frozen=True, slots=True)
class Merging:
    """What a merge does: `issues` come to `into`, whose title stays, with `events` of theirs."""

    into: ErrorIssue
    issues: tuple[ErrorIssue, ...]
    events: int


def plan_merge(*, into: ErrorIssue, others: Sequence[ErrorIssue]) -> Merging:
    """What `merge` of the same would do now. Raises what it raises."""
    moving = [each for each in others if each.pk != into.pk]
    if len(moving) > MOST_MERGED:
        raise TooManyToMergeError(f"at most {MOST_MERGED} at a time")
    if any(each.project_id != into.project_id for each in moving):
        raise InvalidFieldError("others", "an issue of another project cannot be merged")
    into = issue_now(into)
    found = tuple(_to_move(into, [each.pk for each in moving]))
    events = ErrorIssueStat.objects.filter(issue__in=[each.pk for each in found]).aggregate(n=Sum("count"))
    return Merging(into, found, int(events["n"] or 0))


def merge(*, into: ErrorIssue, others: Sequence[ErrorIssue], now: dt.datetime, actor: Actor) -> Merging:
    """Their hashes lead to `into` from now on, and their events are its own; what was done. Where `into` was merged itself,
    that is the issue it is in now. What is in it already stays there.

    TooManyToMergeError, InvalidFieldError (another project, the same issue, or one that is in another).
    """
    with audited():
        lock_project(into.project_id)
        done = plan_merge(into=into, others=others)
        into, moving = done.into, done.issues
        gone = [each.pk for each in moving]
        pks = sorted([into.pk, *gone])
        list(ErrorIssue.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk").values("pk"))
        ErrorIssueHash.objects.filter(issue__in=gone).update(issue=into)
        ErrorEvent.objects.filter(issue_id__in=gone).update(issue_id=into.pk)
        _add_up(into, gone)
        join_words(into, gone)
        first = min([into, *moving], key=lambda each: each.first_seen)
        ErrorIssue.objects.filter(pk=into.pk).update(
            first_seen=first.first_seen, first_release=first.first_release
        )
        archived = ErrorIssue.Status.ARCHIVED
        ErrorIssue.objects.filter(pk__in=gone).update(merged_into=into, status=archived, status_at=now)
        for each in moving:
            note(into, at=now, actor=actor.name, kind="merged", text=each.short_id)
            note(each, at=now, actor=actor.name, kind="merged_into", text=into.short_id)
        if moving:
            record_of(into, actor, "error_issue.merge")
    return done


def issue_now(issue: ErrorIssue) -> ErrorIssue:
    """The issue that it is in now: its own, or what it was merged into, however often. InvalidFieldError where that leads
    in a circle."""
    passed: set[int] = set()
    pk: int | None = issue.pk
    while pk is not None:
        if pk in passed:
            raise InvalidFieldError("into", "it was merged into an issue that was merged into it")
        passed.add(pk)
        issue = ErrorIssue.objects.select_related("project").get(pk=pk)
        pk = issue.merged_into_id
    return issue


def _to_move(into: ErrorIssue, others: Sequence[int]) -> list[ErrorIssue]:
    """Those that are not in it yet, read again. InvalidFieldError."""
    rows = ErrorIssue.objects.select_related("project", "merged_into__project")
    found = list(rows.filter(pk__in=others).order_by("pk"))
    for each in found:
        if each.pk == into.pk:
            raise InvalidFieldError("others", f"{into.short_id} cannot be merged into itself")
        if each.merged_into is not None and issue_now(each) != into:
            raise InvalidFieldError(
                "others", f"{each.short_id} was merged into {each.merged_into.short_id} already"
            )
    return [each for each in found if each.merged_into is None]


def lock_project(pk: int) -> ErrorProject:
    """Before its issues, as the digest does: until the end of the transaction no report of it is counted anywhere."""
    return ErrorProject.objects.select_for_update(no_key=True).get(pk=pk)


def _add_up(into: ErrorIssue, gone: Sequence[int]) -> None:
    """Counters of the merged ones go to the one that stays."""
    every = list(
        ErrorIssueStat.objects.select_for_update().filter(issue__in=[into.pk, *gone]).order_by("issue")
    )
    if not every:
        return
    last = max(every, key=lambda stat: stat.last_seen)
    ErrorIssueStat.objects.update_or_create(
        issue=into,
        defaults={
            "count": sum(stat.count for stat in every),
            "users": sum(stat.users for stat in every) - _join_users(into, gone),
            "not_kept": sum(stat.not_kept for stat in every),
            "kept_one_of": last.kept_one_of,
            "last_seen": last.last_seen,
            "last_release": last.last_release,
            "last_environment": last.last_environment,
            "last_child": last.last_child,
            "last_event_id": last.last_event_id,
        },
    )
    ErrorIssueStat.objects.filter(issue__in=gone).update(count=0, users=0, not_kept=0)
    hours = ErrorIssueHour.objects.filter(issue__in=gone)
    sql.count_hours(Counter({(into.pk, row["hour"]): row["n"] for row in _sums(hours, "hour")}))
    hours.delete()
    minutes = ErrorIssueMinute.objects.filter(issue__in=gone)
    sql.count_minutes(
        Counter(
            {
                (into.pk, row["environment"], row["minute"]): row["n"]
                for row in _sums(minutes, "environment", "minute")
            }
        )
    )
    minutes.delete()
    tags = ErrorTag.objects.filter(issue__in=gone)
    count_tags(
        Counter({(into.pk, row["key"], row["value"]): row["n"] for row in _sums(tags, "key", "value")})
    )
    tags.delete()


def _sums(rows: "QuerySet[Any]", *key: str) -> Iterable[dict[str, Any]]:
    """By key, `n`: the counts together. Any: rows of any model that has `count`."""
    sums: Iterable[dict[str, Any]] = rows.order_by().values(*key).annotate(n=Sum("count"))
    return sums


def _join_users(into: ErrorIssue, gone: Sequence[int]) -> int:
    """The users of the merged ones become its own; how many were counted more than once."""
    known = set(ErrorIssueUser.objects.filter(issue=into).values_list("user", flat=True))
    rows = ErrorIssueUser.objects.filter(issue__in=gone).order_by("pk")
    twice = 0
    for pk, user in rows.values_list("pk", "user"):
        if user in known:
            twice += 1
        else:
            known.add(user)
            ErrorIssueUser.objects.filter(pk=pk).update(issue=into)
    ErrorIssueUser.objects.filter(issue__in=gone).delete()
    return twice
