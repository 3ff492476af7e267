"""Issues and their events: what fails in programs, and what people decide about it."""

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import errorshapes, schema
from controlplane.api.around import around
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choice
from controlplane.api.shapes import Body, read
from controlplane.api.versions import answer, require_match, tag_of_body
from controlplane.filters.grammar import FilterError
from controlplane.filters.issues import issue_condition
from controlplane.filters.keyset import Order
from supervision.errors.exceptions import (
    InvalidFieldError,
    TooManyToCountError,
    TooManyToMergeError,
    UnknownIssueError,
)
from supervision.errors.store import issues, joining, owning, parting, selectors
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.history import SPANS, history
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorProject
from supervision.errors.store.owner_models import ErrorTeam
from supervision.errors.store.releases import attachments

TAG = ["errors"]
ACTIVITY_SHOWN = 100
Result = TypeVar("Result")


def carried_out(act: Callable[[], Result]) -> Result:
    """What the room refuses, as the API says it."""
    try:
        return act()
    except UnknownIssueError as error:
        raise Problem("not-found", f"{error}.") from None
    except InvalidFieldError as error:
        raise Problem.invalid(f"/{error.field}", f"{error}.") from None
    except (TooManyToMergeError, TooManyToCountError) as error:
        raise Problem("conflict", f"{error}.") from None


def render_issue(issue: ErrorIssue) -> dict[str, Any]:
    return dict(errorshapes.ErrorIssueShape(issue).data)


def render_event(event: ErrorEvent) -> dict[str, Any]:
    return dict(errorshapes.ErrorEventShape(event).data)


ISSUES = Listing(
    {
        "last_seen": Order(("stat__last_seen", "id"), descending=True),
        "newest": Order(("id",), descending=True),
        "count": Order(("stat__count", "id"), descending=True),
    },
    render_issue,
)
EVENTS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_event)


class ErrorIssues(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"filter"})
    is_list = True

    @schema.says(
        "List issues",
        operation="list_error_issues",
        description="`filter` is the grammar of the page: `open:true level:error child:shop/api last_seen:<1d`.",
        answers={200: schema.page_of(errorshapes.ErrorIssueShape)},
        parameters=[*schema.page_parameters(list(ISSUES.orders)), schema.query("filter")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.issues(trees=visible_trees(self.principal))
        text = request.query_params.get("filter", "")
        return ISSUES.page(request, _filtered(self, rows, text, "filter"))


class ErrorIssuesBulk(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Decide about all issues that a filter accepts, or count them first",
        operation="change_error_issues",
        description="Only issues that may be changed are. `dry_run` is true unless it is said otherwise.",
        body=errorshapes.ErrorIssuesChange,
        answers={200: errorshapes.ErrorIssuesChangedShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(errorshapes.ErrorIssuesChange, request)
            rows = selectors.issues(trees=visible_trees(self.principal))
            found = _filtered(self, rows, body.pop("filter"), "/filter")
            matched = list(found.filter(project__in=self._mine())[: issues.MOST_BULK + 1])
            if body.pop("dry_run"):
                return Response({"matched": len(matched), "changed": 0})
            if len(matched) > issues.MOST_BULK:
                raise Problem("conflict", f"More than {issues.MOST_BULK} match: narrow the filter.")
            return Response({"matched": len(matched), "changed": _change(self, matched, body)})

        return self.once(request, act)

    def _mine(self) -> list[int]:
        """The projects whose issues may be changed."""
        projects = selectors.projects(trees=visible_trees(self.principal))
        return [
            project.pk
            for project in projects
            if self.principal.can(Permission.OPERATE, project.tree or EVERY_TREE)
        ]


class ErrorIssueDetail(Endpoint):
    needs = {"GET": None, "PATCH": None}

    @schema.says(
        "One issue",
        operation="get_error_issue",
        description="With why its events are one, and what surrounded the newest of them in its tree.",
        answers={200: errorshapes.ErrorIssueDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, short_id: str) -> Response:
        issue = find_issue(self, short_id, Permission.VIEW)
        newest = selectors.event_of(issue)
        shape = errorshapes
        body = {
            **render_issue(issue),
            "because": issue.because,
            "hashes": [dict(shape.ErrorHashShape(each).data) for each in issue.hashes.all()[:500]],
            "activity": [
                dict(shape.ErrorActivityShape(each).data) for each in issue.activity.all()[:ACTIVITY_SHOWN]
            ],
            "watchers": owning.watchers_of(issue),
            "merged_into": issue.merged_into.short_id if issue.merged_into else None,
            "alike": [each.short_id for each in selectors.alike(issue)],
            "around": around(newest) if newest is not None else None,
        }
        return answer(request, body, _tag(issue))

    @schema.says(
        "Resolve, archive, open again or assign an issue",
        operation="change_error_issue",
        body=errorshapes.ErrorIssueChange,
        answers={200: errorshapes.ErrorIssueShape},
        parameters=[schema.IF_MATCH],
        errors=(412, 413, 415, 428),
        tags=TAG,
    )
    def patch(self, request: Request, short_id: str) -> Response:
        issue = find_issue(self, short_id, Permission.OPERATE)
        require_match(request, _tag(issue), lambda: render_issue(issue))
        _change(self, [issue], read(errorshapes.ErrorIssueChange, request))
        changed = find_issue(self, short_id, Permission.VIEW)
        return Response(render_issue(changed), headers={"ETag": _tag(changed)})


class ErrorIssueHistory(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"span"})

    @schema.says(
        "How often an issue's events came, and what was deployed and restarted meanwhile",
        operation="get_error_issue_history",
        description="`hour`: by the minute, unless too many came; `day`: by the hour; `fortnight`: by six hours.",
        answers={200: errorshapes.ErrorHistoryShape},
        parameters=[schema.query("span", enum=list(SPANS))],
        errors=(409,),
        tags=TAG,
    )
    def get(self, request: Request, short_id: str) -> Response:
        issue = find_issue(self, short_id, Permission.VIEW)
        span = SPANS[choice(request, "span", tuple(SPANS)) or "day"]
        found = carried_out(lambda: history(issue, span, now=timezone.now()))
        return Response(dict(errorshapes.ErrorHistoryShape(found).data))


class IssueDeed(Endpoint):
    """Something that an operator does to an issue, once for each Idempotency-Key."""

    needs = {"POST": None}

    def done(
        self,
        request: Request,
        short_id: str,
        body: type[Body],
        deed: Callable[[ErrorIssue, dict[str, Any], dt.datetime], Response],
    ) -> Response:
        def act() -> Response:
            issue = find_issue(self, short_id, Permission.OPERATE)
            said = read(body, request)
            return carried_out(lambda: deed(issue, said, timezone.now()))

        return self.once(request, act)


class ErrorIssueComments(IssueDeed):
    @schema.says(
        "Say something about an issue",
        operation="comment_error_issue",
        body=errorshapes.ErrorCommentBody,
        answers={201: errorshapes.ErrorActivityShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, short_id: str) -> Response:
        def deed(issue: ErrorIssue, said: dict[str, Any], now: dt.datetime) -> Response:
            issues.comment(issue=issue, text=said["text"], now=now, actor=self.actor)
            noted = issue.activity.filter(kind="comment").first()
            return Response(dict(errorshapes.ErrorActivityShape(noted).data), status=201)

        return self.done(request, short_id, errorshapes.ErrorCommentBody, deed)


class ErrorIssueMerge(IssueDeed):
    @schema.says(
        "Merge other issues into this one, or count them first",
        operation="merge_error_issues",
        description="Their hashes lead here from now on, and its title stays. `dry_run` is true unless said otherwise.",
        body=errorshapes.ErrorMergeBody,
        answers={200: errorshapes.ErrorMergedShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, short_id: str) -> Response:
        def deed(issue: ErrorIssue, said: dict[str, Any], now: dt.datetime) -> Response:
            others = self._others(issue, said)
            if said["dry_run"]:
                plan = joining.plan_merge(into=issue, others=others)
            else:
                plan = joining.merge(into=issue, others=others, now=now, actor=self.actor)
            kept = find_issue(self, plan.into.short_id, Permission.VIEW)
            told = {"matched": len(plan.issues), "events": plan.events, "issue": render_issue(kept)}
            done = (0, 0) if said["dry_run"] else (len(plan.issues), plan.events)
            return Response({**told, "changed": done[0], "moved": done[1]})

        return self.done(request, short_id, errorshapes.ErrorMergeBody, deed)

    def _others(self, issue: ErrorIssue, said: dict[str, Any]) -> list[ErrorIssue]:
        """Any: as the body says. One more than may be merged where more match, which is refused then."""
        if "others" in said:
            return [find_issue(self, name, Permission.OPERATE) for name in said["others"]]
        rows = selectors.issues(trees=visible_trees(self.principal)).filter(project=issue.project_id)
        found = _filtered(self, rows, said["filter"], "/filter").filter(merged_into=None)
        found = found.exclude(pk=joining.issue_now(issue).pk)
        return list(found.order_by("pk")[: joining.MOST_MERGED + 1])


class ErrorIssuePart(IssueDeed):
    @schema.says(
        "Take hashes out of an issue, into one of their own",
        operation="part_error_issue",
        description="They are pinned there: nothing brings them back by itself. Events go with them if all are kept.",
        body=errorshapes.ErrorPartBody,
        answers={201: errorshapes.ErrorIssueShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, short_id: str) -> Response:
        def deed(issue: ErrorIssue, said: dict[str, Any], now: dt.datetime) -> Response:
            new = parting.part(issue=issue, hashes=said["hashes"], now=now, actor=self.actor).issue
            return Response(render_issue(issues.find_issue(new.short_id)), status=201)

        return self.done(request, short_id, errorshapes.ErrorPartBody, deed)


class ErrorEvents(Endpoint):
    needs = {"GET": None}
    is_list = True

    @schema.says(
        "List the events of an issue",
        operation="list_error_events",
        answers={200: schema.page_of(errorshapes.ErrorEventShape)},
        parameters=schema.page_parameters(list(EVENTS.orders)),
        tags=TAG,
    )
    def get(self, request: Request, short_id: str) -> Response:
        issue = find_issue(self, short_id, Permission.VIEW)
        return EVENTS.page(request, ErrorEvent.objects.filter(issue_id=issue.pk).defer("data"))


class ErrorEventDetail(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "One event as it was reported",
        operation="get_error_event",
        description="Without its secrets: they were taken out before it was stored.",
        answers={200: errorshapes.ErrorEventDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, short_id: str, event_id: str) -> Response:
        issue = find_issue(self, short_id, Permission.VIEW)
        event = selectors.event_of(issue, event_id)
        if event is None:
            raise Problem("not-found", f"{issue.short_id} has no event {event_id[:40]}.")
        files = attachments(issue.project_id, event.event_id)
        told = [dict(errorshapes.ErrorAttachmentShape(each).data) for each in files[:100]]
        return Response({**render_event(event), "attachments": told, "data": unpacked(event.data)})


def find_issue(endpoint: Endpoint, short_id: str, permission: Permission) -> ErrorIssue:
    """The issue, for whoever may do that with it."""
    issue = carried_out(lambda: issues.find_issue(short_id))
    require(endpoint.principal, permission, issue.project.tree or EVERY_TREE)
    return issue


def find_project(endpoint: Endpoint, slug: str, permission: Permission) -> ErrorProject:
    """The project, for whoever may do that with it."""
    project = ErrorProject.objects.filter(slug=slug).first()
    if project is None:
        raise Problem("not-found", f"There is no error project {slug[:63]}.")
    require(endpoint.principal, permission, project.tree or EVERY_TREE)
    return project


def _tag(issue: ErrorIssue) -> str:
    """Of what people decide: events come all the time."""
    decided = {"status": issue.status, "in": issue.resolved_in, "assignee": issue.assignee_id}
    return tag_of_body({**decided, "team": issue.team_id, "at": issue.status_at})


def _filtered(endpoint: Endpoint, rows: Any, text: str, where: str) -> Any:
    try:
        return rows.filter(issue_condition(text, me=endpoint.principal.name))
    except FilterError as error:
        raise Problem.invalid(where, f"{error.message}, at character {error.at + 1}.") from None


def _change(endpoint: Endpoint, found: list[ErrorIssue], body: dict[str, Any]) -> int:
    """How many were changed: all of them, or none."""
    if not {"status", "assignee", "team"} & body.keys():
        raise Problem.invalid("/status", "A status, an assignee, or a team.")
    who = _assignee(body["assignee"]) if body.get("assignee") is not None else None
    team = _team(body["team"]) if body.get("team") is not None else None
    actor, now = endpoint.actor, timezone.now()

    def decide() -> None:
        for issue in found:
            if "status" in body:
                issues.set_status(issue=issue, **issues.decision_of(body), now=now, actor=actor)
            if {"assignee", "team"} & body.keys():
                issues.assign(issue=issue, user=who, team=team, now=now, actor=actor)

    carried_out(decide)
    return len(found)


def _assignee(name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise Problem.invalid("/assignee", "There is no such user.")
    return found


def _team(slug: str) -> ErrorTeam:
    found = owning.team_called(slug)
    if found is None:
        raise Problem.invalid("/team", "There is no such team.")
    return found
