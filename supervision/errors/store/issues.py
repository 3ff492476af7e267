"""What people do with issues: resolve, archive, assign and comment. Joining and parting them is in joining.py."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.exceptions import InvalidFieldError, UnknownIssueError
from supervision.errors.store.activity import note
from supervision.errors.store.escalating import least_in_hour
from supervision.errors.store.models import OPEN, ErrorIssue, ErrorIssueStat, ErrorProject
from supervision.errors.store.owner_models import ErrorTeam
from supervision.errors.store.owning import owner_words

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
        record_of(issue, actor, f"error_issue.{status}")
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
        record_of(issue, actor, "error_issue.assign")


def comment(*, issue: ErrorIssue, text: str, now: dt.datetime, actor: Actor) -> None:
    """InvalidFieldError for nothing, or for too much."""
    if not text.strip() or len(text) > MOST_COMMENT:
        raise InvalidFieldError("text", f"1 to {MOST_COMMENT} characters")
    with audited():
        _note(issue, now, actor, "comment", text)
        record_of(issue, actor, "error_issue.comment")


def _note(issue: ErrorIssue, now: dt.datetime, actor: Actor, kind: str, text: str) -> None:
    note(issue, at=now, actor=actor.name, kind=kind, text=text)


def record_of(issue: ErrorIssue, actor: Actor, action: str) -> None:
    """An entry of the audit log about it."""
    record(actor=actor, action=action, target=f"error issue {issue.short_id}", tree=issue.project.tree)
