"""Whose issues are: teams, the rules of a project, and who follows an issue."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission
from controlplane.api import schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.errors import TAG, carried_out, find_issue, find_project
from controlplane.api.errorshapes import SLUG
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing
from controlplane.api.shapes import Body, read
from controlplane.api.versions import answer, require_match, tag_of, tag_of_body
from controlplane.filters.keyset import Order
from supervision.errors.grouping.conditions import FIELDS, MOST_PATTERN
from supervision.errors.store import owning
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.owner_models import ErrorOwner, ErrorTeam

USER, TEAM = 150, 63
"""Characters of their names, at most."""


class ErrorTeamBody(Body):
    """People that issues are given to together."""

    slug = serializers.RegexField(SLUG, max_length=TEAM)
    name = serializers.CharField(max_length=100, default="", allow_blank=True)
    members = serializers.ListField(
        child=serializers.CharField(max_length=USER), default=list, max_length=owning.MOST_MEMBERS,
        help_text="Names of users.",
    )  # fmt: skip


class ErrorTeamShape(serializers.Serializer[Any]):
    """A team."""

    slug = serializers.CharField()
    name = serializers.CharField()
    members = serializers.SerializerMethodField()

    def get_members(self, team: ErrorTeam) -> list[str]:
        return sorted(user.get_username() for user in team.members.all())


class ErrorOwnerBody(Body):
    """Whose an issue is that such an event begins. All of `match` must hold."""

    match = serializers.ListField(
        child=serializers.ListField(
            child=serializers.CharField(max_length=MOST_PATTERN), min_length=2, max_length=2
        ),
        min_length=1,
        max_length=owning.MOST_CONDITIONS,
        help_text=f"Pairs of a field ({', '.join(FIELDS)}, tag.NAME) and a pattern with * and ?.",
    )
    user = serializers.CharField(max_length=USER, default="", allow_blank=True)
    team = serializers.CharField(max_length=TEAM, default="", allow_blank=True)


class ErrorOwnersBody(Body):
    """All rules of a project, in their order: the first that matches counts."""

    owners = serializers.ListField(child=ErrorOwnerBody(), max_length=owning.MOST_OWNERS)


class ErrorOwnersShape(serializers.Serializer[Any]):
    """The same."""

    owners = ErrorOwnerBody(many=True)


class ErrorWatchBody(Body):
    """Whether to follow it."""

    watching = serializers.BooleanField(default=True)


class ErrorWatchShape(serializers.Serializer[Any]):
    """Who follows it now."""

    watchers = serializers.ListField(child=serializers.CharField())


def render_team(team: ErrorTeam) -> dict[str, Any]:
    return dict(ErrorTeamShape(team).data)


def render_owner(owner: ErrorOwner) -> dict[str, Any]:
    return {
        "match": owner.match,
        "user": owner.user.get_username() if owner.user is not None else "",
        "team": owner.team.slug if owner.team is not None else "",
    }


def owner_fields(body: Mapping[str, Any]) -> owning.OwnerFields:
    """Of a checked rule. Any: JSON."""
    match = tuple((str(field), str(pattern)) for field, pattern in body["match"])
    return owning.OwnerFields(match, body.get("user", ""), body.get("team", ""))


TEAMS = Listing({"slug": Order(("slug",))}, render_team)


class ErrorTeams(Endpoint):
    needs = {"GET": None, "POST": Permission.ADMIN}
    is_list = True

    @schema.says(
        "List teams",
        operation="list_error_teams",
        answers={200: schema.page_of(ErrorTeamShape)},
        parameters=schema.page_parameters(list(TEAMS.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return TEAMS.page(request, owning.teams())

    @schema.says(
        "Make a team",
        operation="create_error_team",
        body=ErrorTeamBody,
        answers={201: ErrorTeamShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(ErrorTeamBody, request)
            made = carried_out(lambda: owning.save_team(team=None, **body, actor=self.actor))
            return Response(render_team(made), status=201, headers={"ETag": tag_of(made.version)})

        return self.once(request, act)


class ErrorTeamDetail(Endpoint):
    needs = {"GET": None, "PUT": Permission.ADMIN, "DELETE": Permission.ADMIN}

    @schema.says("One team", operation="get_error_team", answers={200: ErrorTeamShape}, tags=TAG)
    def get(self, request: Request, slug: str) -> Response:
        team = _team(slug)
        return answer(request, render_team(team), tag_of(team.version))

    @schema.says(
        "Change a team",
        operation="change_error_team",
        body=ErrorTeamBody,
        answers={200: ErrorTeamShape},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 413, 415, 422, 428),
        tags=TAG,
    )
    def put(self, request: Request, slug: str) -> Response:
        team = _team(slug)
        require_match(request, tag_of(team.version), lambda: render_team(team))
        body = read(ErrorTeamBody, request)
        made = carried_out(lambda: owning.save_team(team=team, **body, actor=self.actor))
        return Response(render_team(made), headers={"ETag": tag_of(made.version)})

    @schema.says(
        "Remove a team",
        operation="delete_error_team",
        description="Its issues are nobody's then, and rules that name it are gone.",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, slug: str) -> Response:
        team = _team(slug)
        require_match(request, tag_of(team.version), lambda: render_team(team))
        owning.delete_team(team=team, actor=self.actor)
        return Response(status=204)


class ErrorOwners(Endpoint):
    needs = {"GET": None, "PUT": None}

    @schema.says(
        "Whose a project's new issues are",
        operation="get_error_owners",
        answers={200: ErrorOwnersShape},
        tags=TAG,
    )
    def get(self, request: Request, slug: str) -> Response:
        body = _owners(find_project(self, slug, Permission.VIEW))
        return answer(request, body, tag_of_body(body))

    @schema.says(
        "Say whose a project's new issues are",
        operation="change_error_owners",
        description="All rules, in their order. Issues that are there stay whose they are.",
        body=ErrorOwnersBody,
        answers={200: ErrorOwnersShape},
        parameters=[schema.IF_MATCH],
        errors=(412, 413, 415, 422, 428),
        tags=TAG,
    )
    def put(self, request: Request, slug: str) -> Response:
        project = find_project(self, slug, Permission.ADMIN)
        was = _owners(project)
        require_match(request, tag_of_body(was), lambda: was)
        wanted = [owner_fields(each) for each in read(ErrorOwnersBody, request)["owners"]]
        carried_out(lambda: owning.set_owners(project=project, owners=wanted, actor=self.actor))
        body = _owners(project)
        return Response(body, headers={"ETag": tag_of_body(body)})


class ErrorIssueWatch(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Follow an issue, or no longer",
        operation="watch_error_issue",
        description="Who follows it is told by e-mail of comments, of what is decided, and that it came back.",
        body=ErrorWatchBody,
        answers={200: ErrorWatchShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, short_id: str) -> Response:
        def act() -> Response:
            issue = find_issue(self, short_id, Permission.VIEW)
            user = User.objects.get(pk=self.principal.user_id)
            watching = read(ErrorWatchBody, request)["watching"]
            carried_out(lambda: owning.watch(issue=issue, user=user, watching=watching, now=timezone.now()))
            return Response({"watchers": owning.watchers_of(issue)})

        return self.once(request, act)


def _team(slug: str) -> ErrorTeam:
    found = owning.team_called(slug)
    if found is None:
        raise Problem("not-found", f"There is no team {slug[:TEAM]}.")
    return found


def _owners(project: ErrorProject) -> dict[str, Any]:
    return {"owners": [render_owner(each) for each in owning.owners_of(project)]}
