"""What people do with issues: resolve, archive, assign, comment, merge and part again."""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.contrib.auth.models import User
from django.db.models import Sum

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.exceptions import InvalidFieldError, TooManyToMergeError, UnknownIssueError
from supervision.errors.store.models import (
    ErrorActivity,
    ErrorEvent,
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueStat,
    ErrorTag,
)

MOST_MERGED = 200
MOST_COMMENT = 10_000
Status = ErrorIssue.Status
BY_HAND = (Status.RESOLVED, Status.ARCHIVED, Status.ONGOING)


def find_issue(short_id: str) -> ErrorIssue:
    """`SHOP-17`, without regard to case; of a merged one what it was merged into. UnknownIssueError."""
    slug, _, number = short_id.rpartition("-")
    found = (
        ErrorIssue.objects.select_related("project", "stat", "assignee", "merged_into__project")
        .filter(
            project__slug=slug.lower(), number=int(number) if number.isascii() and number.isdigit() else -1
        )
        .first()
    )
    if found is None:
        raise UnknownIssueError(f"no issue is called {short_id[:80]}")
    return found


def set_status(
    *, issue: ErrorIssue, status: str, release: str = "", now: dt.datetime, actor: Actor
) -> ErrorIssue:
    """Resolved (now, or in a release), archived, or open again. InvalidFieldError."""
    if status not in BY_HAND:
        raise InvalidFieldError("status", f"{status!r}: one of {', '.join(BY_HAND)}")
    if release and status != Status.RESOLVED:
        raise InvalidFieldError("release", "only of a resolved issue")
    with audited():
        issue = ErrorIssue.objects.select_for_update(of=("self",)).select_related("project").get(pk=issue.pk)
        if (issue.status, issue.resolved_in) == (status, release):
            return issue
        issue.status, issue.status_at, issue.resolved_in = Status(status), now, release[:200]
        issue.save(update_fields=["status", "status_at", "resolved_in"])
        _note(issue, now, actor, status, release)
        _record(issue, actor, f"error_issue.{status}")
    return issue


def assign(*, issue: ErrorIssue, user: User | None, now: dt.datetime, actor: Actor) -> None:
    with audited():
        if ErrorIssue.objects.filter(pk=issue.pk).exclude(assignee=user).update(assignee=user) or (
            user is None
            and ErrorIssue.objects.filter(pk=issue.pk, assignee__isnull=False).update(assignee=None)
        ):
            _note(issue, now, actor, "assigned", user.get_username() if user else "nobody")
            _record(issue, actor, "error_issue.assign")


def comment(*, issue: ErrorIssue, text: str, now: dt.datetime, actor: Actor) -> None:
    """InvalidFieldError for nothing, or for too much."""
    if not text.strip() or len(text) > MOST_COMMENT:
        raise InvalidFieldError("text", f"1 to {MOST_COMMENT} characters")
    with audited():
        _note(issue, now, actor, "comment", text)
        _record(issue, actor, "error_issue.comment")


def merge(*, into: ErrorIssue, others: Sequence[ErrorIssue], now: dt.datetime, actor: Actor) -> int:
    """Their hashes lead to `into` from now on, and their events are its own; how many events came to it.

    TooManyToMergeError, InvalidFieldError (another project).
    """
    moving = [each for each in others if each.pk != into.pk]
    if len(moving) > MOST_MERGED:
        raise TooManyToMergeError(f"at most {MOST_MERGED} at a time")
    if any(each.project_id != into.project_id for each in moving):
        raise InvalidFieldError("issues", "an issue of another project cannot be merged")
    with audited():
        pks = sorted([into.pk, *(each.pk for each in moving)])
        list(ErrorIssue.objects.select_for_update().filter(pk__in=pks).order_by("pk").values("pk"))
        gone = [each.pk for each in moving]
        moved = int(ErrorIssueStat.objects.filter(issue__in=gone).aggregate(n=Sum("count"))["n"] or 0)
        ErrorIssueHash.objects.filter(issue__in=gone).update(issue=into)
        ErrorEvent.objects.filter(issue_id__in=gone).update(issue_id=into.pk)
        _add_up(into, gone)
        ErrorIssue.objects.filter(pk__in=gone).update(merged_into=into, status=Status.ARCHIVED, status_at=now)
        for each in moving:
            _note(into, now, actor, "merged", each.short_id)
            _note(each, now, actor, "merged_into", into.short_id)
        _record(into, actor, "error_issue.merge")
    return moved


def part(*, issue: ErrorIssue, hashes: Iterable[str], now: dt.datetime, actor: Actor) -> ErrorIssue:
    """Take hashes out into an issue of their own, and pin them there: nothing brings them back by itself.

    Events that came before stay where they are counted. InvalidFieldError where one is not the issue's, or none would be
    left.
    """
    wanted = set(hashes)
    with audited():
        issue = ErrorIssue.objects.select_for_update(of=("self",)).select_related("project").get(pk=issue.pk)
        own = {row.hash: row for row in issue.hashes.all()}
        if not wanted or not wanted <= own.keys():
            raise InvalidFieldError("hashes", "not all of them are this issue's")
        if wanted == own.keys():
            raise InvalidFieldError("hashes", "none would be left")
        project = type(issue.project).objects.select_for_update().get(pk=issue.project_id)
        project.last_issue += 1
        project.save(update_fields=["last_issue"])
        new = ErrorIssue.objects.create(
            project=project,
            number=project.last_issue,
            title=issue.title,
            type=issue.type,
            value=issue.value,
            culprit=issue.culprit,
            level=issue.level,
            platform=issue.platform,
            status=Status.ONGOING,
            status_at=now,
            first_seen=now,
            child=issue.child,
            because=issue.because,
        )
        ErrorIssueStat.objects.create(issue=new, last_seen=now)
        ErrorIssueHash.objects.filter(pk__in=[own[each].pk for each in wanted]).update(issue=new, pinned=True)
        _note(issue, now, actor, "parted", new.short_id)
        _note(new, now, actor, "parted_from", issue.short_id)
        _record(issue, actor, "error_issue.part")
    return new


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
            "last_seen": last.last_seen,
            "last_release": last.last_release,
            "last_environment": last.last_environment,
            "last_child": last.last_child,
            "last_event_id": last.last_event_id,
        },
    )
    ErrorIssueStat.objects.filter(issue__in=gone).update(count=0)
    for model, key in ((ErrorIssueHour, ("hour",)), (ErrorTag, ("key", "value"))):
        for row in model.objects.filter(issue__in=gone).values(*key).annotate(n=Sum("count")).order_by(*key):
            count = row.pop("n")
            own, made = model.objects.get_or_create(issue=into, **row, defaults={"count": count})
            if not made:
                own.count += count
                own.save(update_fields=["count"])
        model.objects.filter(issue__in=gone).delete()


def _note(issue: ErrorIssue, now: dt.datetime, actor: Actor, kind: str, text: str) -> None:
    ErrorActivity.objects.create(issue=issue, at=now, actor=actor.name[:150], kind=kind[:16], text=text)


def _record(issue: ErrorIssue, actor: Actor, action: str) -> None:
    record(actor=actor, action=action, target=f"error issue {issue.short_id}", tree=issue.project.tree)
