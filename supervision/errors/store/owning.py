"""Whose issues are: teams, the rules of a project that give new issues to somebody, and who follows an issue."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.event import ErrorEvent
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.grouping.conditions import Condition, InvalidRuleError, all_hold, check_conditions
from supervision.errors.store.activity import note
from supervision.errors.store.models import OPEN, SLUG, ErrorIssue, ErrorProject
from supervision.errors.store.owner_models import ErrorOwner, ErrorTeam, ErrorWatcher

MOST_TEAMS, MOST_MEMBERS, MOST_OWNERS, MOST_CONDITIONS, MOST_WATCHERS = 200, 200, 200, 10, 200


@dataclass(frozen=True, slots=True)
class OwnerFields:
    """A rule as it was asked for: whose an issue is, a user's name or a team's, whose first event is like that."""

    match: tuple[Condition, ...]
    user: str = ""
    team: str = ""


@dataclass(frozen=True, slots=True)
class Fresh:
    """An issue that was just made, with the event that it was made of."""

    issue: ErrorIssue
    event: ErrorEvent
    child: str


def teams() -> "QuerySet[ErrorTeam]":
    """By name, with their members. Two queries."""
    return ErrorTeam.objects.prefetch_related("members").order_by("slug")


def teams_with_issues(*, trees: Collection[str] | None) -> "QuerySet[ErrorTeam]":
    """The same, with `open_issues`: how many of those that may be seen are theirs. None: of every tree."""
    theirs = ErrorIssue.objects.filter(team=OuterRef("pk"), merged_into=None, status__in=OPEN)
    if trees is not None:
        theirs = theirs.filter(project__tree__in=sorted(trees))
    counted = theirs.order_by().values("team").annotate(n=Count("pk")).values("n")
    return teams().annotate(open_issues=Coalesce(Subquery(counted, output_field=IntegerField()), 0))


def team_called(slug: str) -> ErrorTeam | None:
    return ErrorTeam.objects.filter(slug=slug).first()


def owners_of(project: ErrorProject) -> list[ErrorOwner]:
    """In their order."""
    return list(project.owners.select_related("user", "team").order_by("position"))


def save_team(
    *, team: ErrorTeam | None, slug: str, name: str = "", members: Iterable[str], actor: Actor
) -> ErrorTeam:
    """Make a team, or change it. InvalidFieldError."""
    try:
        SLUG(slug)
    except ValidationError as error:
        raise InvalidFieldError("slug", str(error.message)) from None
    wanted = sorted(set(members))
    if len(wanted) > MOST_MEMBERS:
        raise InvalidFieldError("members", f"at most {MOST_MEMBERS}")
    users = {user.get_username(): user for user in User.objects.filter(username__in=wanted, is_active=True)}
    for missing in (each for each in wanted if each not in users):
        raise InvalidFieldError("members", f"there is no user {missing[:150]}")
    with audited():
        if ErrorTeam.objects.filter(slug=slug).exclude(pk=team.pk if team else 0).exists():
            raise InvalidFieldError("slug", f"there is a team {slug} already")
        if team is None and ErrorTeam.objects.count() >= MOST_TEAMS:
            raise InvalidFieldError("slug", f"there are {MOST_TEAMS} teams already")
        made = ErrorTeam() if team is None else ErrorTeam.objects.select_for_update().get(pk=team.pk)
        made.slug, made.name = slug, name[:100]
        made.version += 0 if team is None else 1
        made.save()
        made.members.set(users.values())
        record(
            actor=actor,
            action="error_team.create" if team is None else "error_team.change",
            target=f"error team {slug}",
            details={"members": wanted},
        )
    return made


def delete_team(*, team: ErrorTeam, actor: Actor) -> None:
    """Its issues are nobody's, and its rules are gone."""
    with audited():
        record(actor=actor, action="error_team.delete", target=f"error team {team.slug}")
        team.delete()


def set_owners(*, project: ErrorProject, owners: Sequence[OwnerFields], actor: Actor) -> list[ErrorOwner]:
    """The rules of a project, all of them, in their order. InvalidFieldError, which names the first that is wrong."""
    if len(owners) > MOST_OWNERS:
        raise InvalidFieldError("owners", f"at most {MOST_OWNERS}")
    rows = [_owner(project, place, each) for place, each in enumerate(owners)]
    with audited():
        ErrorProject.objects.select_for_update(no_key=True).get(pk=project.pk)
        ErrorOwner.objects.filter(project=project).delete()
        ErrorOwner.objects.bulk_create(rows)
        record(
            actor=actor,
            action="error_project.owners",
            target=f"error project {project.slug}",
            tree=project.tree,
            details={"rules": len(rows)},
        )
    return owners_of(project)


def _owner(project: ErrorProject, place: int, fields: OwnerFields) -> ErrorOwner:
    at = f"owners/{place}"
    try:
        check_conditions(fields.match)
    except InvalidRuleError as error:
        raise InvalidFieldError(f"{at}/match", str(error)) from None
    if len(fields.match) > MOST_CONDITIONS:
        raise InvalidFieldError(f"{at}/match", f"at most {MOST_CONDITIONS} conditions")
    if bool(fields.user) == bool(fields.team):
        raise InvalidFieldError(at, "a user, or a team")
    user = User.objects.filter(username=fields.user, is_active=True).first() if fields.user else None
    team = team_called(fields.team) if fields.team else None
    if user is None and team is None:
        what = f"user {fields.user}" if fields.user else f"team {fields.team}"
        raise InvalidFieldError(f"{at}/{'user' if fields.user else 'team'}", f"there is no {what[:150]}")
    return ErrorOwner(
        project=project, position=place, match=[list(each) for each in fields.match], user=user, team=team
    )


def give_new(fresh: Sequence[Fresh], *, now: dt.datetime) -> None:
    """Give issues that were just made to whom the first rule of their project names that their first event matches."""
    if not fresh:
        return
    rows = ErrorOwner.objects.filter(project__in={each.issue.project_id for each in fresh})
    rules: dict[int, list[ErrorOwner]] = {}
    for row in rows.select_related("user", "team").order_by("project", "position"):
        rules.setdefault(row.project_id, []).append(row)
    for each in fresh:
        own = rules.get(each.issue.project_id, ())
        rule = next((row for row in own if all_hold(row.match, each.event, child=each.child)), None)
        if rule is None:
            continue
        ErrorIssue.objects.filter(pk=each.issue.pk).update(assignee=rule.user, team=rule.team)
        note(each.issue, at=now, kind="assigned", text=f"{owner_words(rule)}, by rule {rule.position + 1}")


def owner_words(owned: ErrorOwner | ErrorIssue) -> str:
    """Whose it is: a user's name, or a team's with a #; nothing for nobody's."""
    user = owned.user if isinstance(owned, ErrorOwner) else owned.assignee
    if user is not None:
        return str(user.get_username())
    return f"#{owned.team.slug}" if owned.team is not None else ""


def watch(*, issue: ErrorIssue, user: User, watching: bool, now: dt.datetime) -> None:
    """Follow an issue, or no longer. What happened before is not told. InvalidFieldError for one too many."""
    if not watching:
        ErrorWatcher.objects.filter(issue=issue, user=user).delete()
        return
    if ErrorWatcher.objects.filter(issue=issue).exclude(user=user).count() >= MOST_WATCHERS:
        raise InvalidFieldError("watching", f"{MOST_WATCHERS} people follow it already")
    ErrorWatcher.objects.get_or_create(issue=issue, user=user, defaults={"since": now})


def watchers_of(issue: ErrorIssue) -> list[str]:
    """Names of those who follow it."""
    rows = ErrorWatcher.objects.filter(issue=issue).order_by("user__username")
    return list(rows.values_list("user__username", flat=True)[:MOST_WATCHERS])
