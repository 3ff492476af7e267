"""Takes a part out of an issue that was joined wrongly.

What the new issue is called is said by the newest of its events that can be found: which of those that are stored lead to
the hashes is found by grouping them again, MOST_LOOKED_AT of the issue at most. Where these are all that ever came, events
and counts go with them, exactly; where more came than are stored, or one cannot be told, all stay counted where they are.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited
from supervision.errors.event import ErrorEvent
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.grouping.algorithms import ALGORITHMS
from supervision.errors.grouping.g1 import Grouping
from supervision.errors.grouping.rules import Given, Rule, apply_rules
from supervision.errors.protocol.reading import read_event
from supervision.errors.store import sql
from supervision.errors.store.activity import note
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.describing import described, tags_of, user_digest
from supervision.errors.store.grouping_rules import rules_by_project
from supervision.errors.store.issues import record_of
from supervision.errors.store.joining import lock_project
from supervision.errors.store.models import ErrorEvent as EventRow
from supervision.errors.store.models import (
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueStat,
    ErrorIssueUser,
    ErrorProject,
)
from supervision.errors.store.occasion_models import ErrorIssueMinute
from supervision.errors.store.searching import write_words_of
from supervision.errors.store.tagging import count_tags, uncount

MOST_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Parted:
    """The new issue, and how many events went with it; None: more came than are kept, and all stay counted as before."""

    issue: ErrorIssue
    moved: int | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A stored event, grouped again. `hash`: that of the issue which leads it there; None where none does."""

    row: EventRow
    event: ErrorEvent
    given: Given
    grouping: Grouping
    hash: str | None


def part(*, issue: ErrorIssue, hashes: Iterable[str], now: dt.datetime, actor: Actor) -> Parted:
    """Take hashes out into an issue of their own, and pin them there: nothing brings them back by itself.

    InvalidFieldError where one is not the issue's, or none would be left.
    """
    wanted = set(hashes)
    with audited():
        project = lock_project(issue.project_id)
        issue = (
            ErrorIssue.objects.select_for_update(no_key=True, of=("self",))
            .select_related("project")
            .get(pk=issue.pk)
        )
        own = {row.hash: row for row in issue.hashes.all()}
        if not wanted or not wanted <= own.keys():
            raise InvalidFieldError("hashes", "not all of them are this issue's")
        if wanted == own.keys():
            raise InvalidFieldError("hashes", "none would be left")
        found = _look_at(issue, project, own.keys())
        going = [each for each in found if each.hash in wanted]
        came = ErrorIssueStat.objects.select_for_update().filter(issue=issue, count=len(found))
        is_exact = came.exists() and all(each.hash is not None for each in found)
        new = _make(issue, project, going, now, is_whole=is_exact)
        ErrorIssueHash.objects.filter(pk__in=[own[each].pk for each in wanted]).update(issue=new, pinned=True)
        write_words_of(new, going[0].event if going else None)
        if is_exact and going:
            _move(issue, new, going, [each for each in found if each.hash not in wanted])
        else:
            ErrorIssueStat.objects.create(issue=new, last_seen=now)
        note(issue, at=now, actor=actor.name, kind="parted", text=new.short_id)
        note(new, at=now, actor=actor.name, kind="parted_from", text=issue.short_id)
        record_of(issue, actor, "error_issue.part")
    return Parted(new, len(going) if is_exact else None)


def _look_at(issue: ErrorIssue, project: ErrorProject, own: Collection[str]) -> list[_Found]:
    """The newest stored events, newest first."""
    rules = rules_by_project([project.pk]).get(project.pk, ())
    rows = EventRow.objects.filter(issue_id=issue.pk).order_by("-id")[:MOST_LOOKED_AT]
    return [found for row in rows if (found := _found(row, project, rules, own)) is not None]


def _found(
    row: EventRow, project: ErrorProject, rules: Sequence[Rule], own: Collection[str]
) -> _Found | None:
    """Grouped as the digest does it; where that leads nowhere, as if there were no rules: they may have come later."""
    try:
        event = read_event(unpacked(row.data), event_id=row.event_id)
    except ValueError:
        return None
    first = None
    for given in dict.fromkeys((apply_rules(rules, event, child=row.child), Given())):
        for name in filter(None, (project.algorithm, project.former_algorithm)):
            if name not in ALGORITHMS:
                continue
            grouping = ALGORITHMS[name](event, given.fingerprint)
            first = first or _Found(row, event, given, grouping, None)
            for key in (grouping.app, grouping.system):
                if key in own:
                    return _Found(row, event, given, grouping, key)
    return first


def _make(
    issue: ErrorIssue, project: ErrorProject, going: Sequence[_Found], now: dt.datetime, *, is_whole: bool
) -> ErrorIssue:
    """Called as its newest event says; as the one it comes from where none of its events is known."""
    project.last_issue += 1
    project.save(update_fields=["last_issue"])
    copied = ("title", "type", "value", "culprit", "level", "platform", "because")
    fields = {name: getattr(issue, name) for name in copied} | {"child": issue.child}
    if going:
        newest, oldest = going[0], going[-1]
        fields = described(newest.event, newest.given, newest.grouping) | {"child": newest.row.child}
        if is_whole:
            fields |= {"child": oldest.row.child, "first_release": oldest.row.release}
    return ErrorIssue.objects.create(
        project=project,
        number=project.last_issue,
        status=ErrorIssue.Status.ONGOING,
        status_at=now,
        first_seen=min(each.row.received_at for each in going) if going and is_whole else now,
        **fields,
    )


def _move(issue: ErrorIssue, new: ErrorIssue, going: Sequence[_Found], left: Sequence[_Found]) -> None:
    """The events and all that is counted of them. `left`: what stays; together they are all that came."""
    EventRow.objects.filter(pk__in=[each.row.pk for each in going], issue_id=issue.pk).update(issue_id=new.pk)
    users = {user_digest(each.event.user): each.row.received_at for each in going if each.event.user}
    stay = {user_digest(each.event.user) for each in left if each.event.user}
    ErrorIssueUser.objects.filter(issue=issue, user__in=users.keys() - stay).delete()
    sql.affect_users([(new.pk, user, at) for user, at in sorted(users.items())])
    _count(new, going, len(users))
    _count(issue, left, len(stay))
    hours = Counter((each.row.received_at.replace(minute=0, second=0, microsecond=0),) for each in going)
    _take(ErrorIssueHour.objects.filter(issue=issue), ("hour",), hours, new)
    minutes = Counter(
        (each.row.environment, each.row.received_at.replace(second=0, microsecond=0)) for each in going
    )
    _take(ErrorIssueMinute.objects.filter(issue=issue), ("environment", "minute"), minutes, new)
    tags = Counter(pair for each in going for pair in tags_of(each.event, each.row.child).items())
    uncount(issue, tags)
    count_tags({(new.pk, *pair): number for pair, number in tags.items()})


def _count(issue: ErrorIssue, events: Sequence[_Found], users: int) -> None:
    """Its counters are what these events say; of none, only that there is none."""
    counted: dict[str, Any] = {"count": len(events), "users": users, "not_kept": 0, "kept_one_of": 1}
    if events:
        last = max(events, key=lambda each: each.row.received_at).row
        counted |= {
            "last_seen": last.received_at,
            "last_release": last.release,
            "last_environment": last.environment,
            "last_child": last.child,
            "last_event_id": last.event_id,
        }
    ErrorIssueStat.objects.update_or_create(issue=issue, defaults=counted)


def _take(rows: "QuerySet[Any]", key: Sequence[str], counts: "Counter[Any]", new: ErrorIssue) -> None:
    """Counts go from these rows to such of the new issue. Of what is not kept any more nothing goes. Any: a model with
    `count`, and its keys."""
    made = []
    for row in rows.order_by(*key):
        number = min(row.count, counts.get(tuple(getattr(row, name) for name in key), 0))
        if not number:
            continue
        fields = {name: getattr(row, name) for name in key}
        made.append(rows.model(issue=new, count=number, **fields))
        row.count -= number
        if row.count:
            row.save(update_fields=["count"])
        else:
            row.delete()
    rows.model._default_manager.bulk_create(made)
