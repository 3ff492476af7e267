"""What people do with issues: resolve, archive, assign, comment, merge and part again."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet, Sum

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.exceptions import InvalidFieldError, TooManyToMergeError, UnknownIssueError
from supervision.errors.store import sql
from supervision.errors.store.activity import note
from supervision.errors.store.escalating import least_in_hour
from supervision.errors.store.models import (
    OPEN,
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
from supervision.errors.store.owner_models import ErrorTeam
from supervision.errors.store.owning import owner_words

MOST_MERGED = 200
MOST_BULK = 500
MOST_COMMENT = 10_000
Status = ErrorIssue.Status
BY_HAND = (Status.RESOLVED, Status.ARCHIVED, Status.MUTED, Status.ONGOING)
MOST_UNTIL = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Until:
    """When an archived issue is open again, the first of these that comes: a moment, so many more events or users, or that
    it comes far more often than it did. Nothing of them: never by itself."""

    at: dt.datetime | None = None
    events: int | None = None
    users: int | None = None
    escalates: bool = False

    def words(self) -> str:
        said = [
            f"until {self.at:%Y-%m-%d %H:%M} UTC" if self.at is not None else "",
            f"until {self.events} more events" if self.events is not None else "",
            f"until {self.users} more users" if self.users is not None else "",
            "until it escalates" if self.escalates else "",
        ]
        return ", or ".join(filter(None, said))


FOREVER = Until()


def decision_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What `set_status` is given of a decision as the API has it. Any: the body was checked before."""
    return {
        "status": body["status"],
        "release": body.get("release", ""),
        "in_next_release": body.get("in_next_release", False),
        "until": Until(
            at=body.get("until_at"),
            events=body.get("until_events"),
            users=body.get("until_users"),
            escalates=body.get("until_escalating", False),
        ),
    }


def find_issue(short_id: str) -> ErrorIssue:
    """`SHOP-17`, without regard to case; of a merged one what it was merged into. UnknownIssueError."""
    slug, _, number = short_id.rpartition("-")
    found = (
        ErrorIssue.objects.select_related("project", "stat", "assignee", "team", "merged_into__project")
        .filter(
            project__slug=slug.lower(), number=int(number) if number.isascii() and number.isdigit() else -1
        )
        .first()
    )
    if found is None:
        raise UnknownIssueError(f"no issue is called {short_id[:80]}")
    return found


def set_status(
    *,
    issue: ErrorIssue,
    status: str,
    release: str = "",
    in_next_release: bool = False,
    until: Until = FOREVER,
    now: dt.datetime,
    actor: Actor,
) -> ErrorIssue:
    """Resolved (now, in a release, or in the next one), archived (for good, or until something), muted, or open again.

    InvalidFieldError.
    """
    if status not in BY_HAND:
        raise InvalidFieldError("status", f"{status!r}: one of {', '.join(BY_HAND)}")
    if release and status != Status.RESOLVED:
        raise InvalidFieldError("release", "only of a resolved issue")
    if in_next_release and (status != Status.RESOLVED or release):
        raise InvalidFieldError("in_next_release", "only of a resolved issue, without a release")
    if until != FOREVER and status != Status.ARCHIVED:
        raise InvalidFieldError("until", "only of an archived issue")
    if until.at is not None and until.at <= now:
        raise InvalidFieldError("until", "it is over already")
    for name, number in (("until_events", until.events), ("until_users", until.users)):
        if number is not None and not 1 <= number <= MOST_UNTIL:
            raise InvalidFieldError(name, f"1 to {MOST_UNTIL}")
    with audited():
        issue = (
            ErrorIssue.objects.select_for_update(no_key=True, of=("self",))
            .select_related("project")
            .get(pk=issue.pk)
        )
        wanted = {
            "status": Status(status),
            "resolved_in": release[:200],
            "in_next_release": in_next_release,
            **_until(issue, until, now),
        }
        if all(getattr(issue, name) == value for name, value in wanted.items()):
            return issue
        for name, value in {**wanted, "status_at": now}.items():
            setattr(issue, name, value)
        issue.save(update_fields=[*wanted, "status_at"])
        said = release or ("in the next release" if in_next_release else until.words())
        _note(issue, now, actor, status, said)
        _record(issue, actor, f"error_issue.{status}")
    return issue


def _until(issue: ErrorIssue, until: Until, now: dt.datetime) -> dict[str, object]:
    """What has to be there for it to be open again, as columns."""
    stat = ErrorIssueStat.objects.filter(issue=issue).first()
    count, users = (stat.count, stat.users) if stat is not None else (0, 0)
    return {
        "until_at": until.at,
        "until_count": None if until.events is None else count + until.events,
        "until_users": None if until.users is None else users + until.users,
        "until_per_hour": least_in_hour(issue, now) if until.escalates else None,
    }


def resolve_quiet(*, now: dt.datetime, most: int = MOST_BULK) -> int:
    """Resolve what was not seen for as long as its project says, at most so many; how many. What comes again after that is
    a regression."""
    resolved = 0
    for project in ErrorProject.objects.filter(resolve_after_days__gt=0).order_by("pk"):
        edge = now - dt.timedelta(days=project.resolve_after_days)
        quiet = ErrorIssue.objects.filter(
            project=project, status__in=OPEN, status_at__lt=edge, stat__last_seen__lt=edge, merged_into=None
        )
        for issue in quiet.order_by("pk")[: most - resolved]:
            won = ErrorIssue.objects.filter(pk=issue.pk, status=issue.status).update(
                status=Status.RESOLVED, status_at=now, resolved_in="", in_next_release=False
            )
            if won:
                text = f"not seen for {project.resolve_after_days} days"
                note(issue, at=now, kind=Status.RESOLVED, text=text)
                resolved += 1
    return resolved


def assign(
    *,
    issue: ErrorIssue,
    user: User | None = None,
    team: ErrorTeam | None = None,
    now: dt.datetime,
    actor: Actor,
) -> None:
    """To a user, or to a team, or to nobody."""
    if user is not None and team is not None:
        raise InvalidFieldError("team", "a user, or a team")
    with audited():
        row = ErrorIssue.objects.select_for_update(no_key=True, of=("self",)).get(pk=issue.pk)
        if (row.assignee_id, row.team_id) == (user.pk if user else None, team.pk if team else None):
            return
        row.assignee, row.team = user, team
        row.save(update_fields=["assignee", "team"])
        _note(issue, now, actor, "assigned", owner_words(row) or "nobody")
        _record(issue, actor, "error_issue.assign")


def comment(*, issue: ErrorIssue, text: str, now: dt.datetime, actor: Actor) -> None:
    """InvalidFieldError for nothing, or for too much."""
    if not text.strip() or len(text) > MOST_COMMENT:
        raise InvalidFieldError("text", f"1 to {MOST_COMMENT} characters")
    with audited():
        _note(issue, now, actor, "comment", text)
        _record(issue, actor, "error_issue.comment")


def merge(*, into: ErrorIssue, others: Sequence[ErrorIssue], now: dt.datetime, actor: Actor) -> int:
    """Their hashes lead to `into` from now on, and their events are its own; how many events came to it. Where `into` was
    merged itself, that is the issue it is in now. What is in it already stays there.

    TooManyToMergeError, InvalidFieldError (another project, the same issue, or one that is in another).
    """
    moving = [each for each in others if each.pk != into.pk]
    if len(moving) > MOST_MERGED:
        raise TooManyToMergeError(f"at most {MOST_MERGED} at a time")
    if any(each.project_id != into.project_id for each in moving):
        raise InvalidFieldError("others", "an issue of another project cannot be merged")
    with audited():
        _lock_project(into.project_id)
        into = issue_now(into)
        moving = _to_move(into, [each.pk for each in moving])
        gone = [each.pk for each in moving]
        pks = sorted([into.pk, *gone])
        list(ErrorIssue.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk").values("pk"))
        moved = int(ErrorIssueStat.objects.filter(issue__in=gone).aggregate(n=Sum("count"))["n"] or 0)
        ErrorIssueHash.objects.filter(issue__in=gone).update(issue=into)
        ErrorEvent.objects.filter(issue_id__in=gone).update(issue_id=into.pk)
        _add_up(into, gone)
        ErrorIssue.objects.filter(pk__in=gone).update(merged_into=into, status=Status.ARCHIVED, status_at=now)
        for each in moving:
            _note(into, now, actor, "merged", each.short_id)
            _note(each, now, actor, "merged_into", into.short_id)
        if moving:
            _record(into, actor, "error_issue.merge")
    return moved


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


def _lock_project(pk: int) -> ErrorProject:
    """Before its issues, as the digest does: until the end of the transaction no report of it is counted anywhere."""
    return ErrorProject.objects.select_for_update(no_key=True).get(pk=pk)


def part(*, issue: ErrorIssue, hashes: Iterable[str], now: dt.datetime, actor: Actor) -> ErrorIssue:
    """Take hashes out into an issue of their own, and pin them there: nothing brings them back by itself.

    Events that came before stay where they are counted. InvalidFieldError where one is not the issue's, or none would be
    left.
    """
    wanted = set(hashes)
    with audited():
        project = _lock_project(issue.project_id)
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
    sql.count_tags(
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


def _note(issue: ErrorIssue, now: dt.datetime, actor: Actor, kind: str, text: str) -> None:
    note(issue, at=now, actor=actor.name, kind=kind, text=text)


def _record(issue: ErrorIssue, actor: Actor, action: str) -> None:
    record(actor=actor, action=action, target=f"error issue {issue.short_id}", tree=issue.project.tree)
