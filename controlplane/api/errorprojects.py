"""Projects of the error store and their keys, and monitors of scheduled jobs."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import errorshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.errors import TAG, carried_out
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choice, integer
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of_body
from controlplane.filters.keyset import Order
from controlplane.intake.dsn import dsn_of
from supervision.errors.store import projects, selectors
from supervision.errors.store.lost import MOST_HOURS, lost_hours
from supervision.errors.store.models import ErrorKey, ErrorProject
from supervision.errors.store.monitor_models import CheckIn, Monitor


def render_key(key: ErrorKey) -> dict[str, Any]:
    dsn = dsn_of(key.project_id, key.public_key, settings.REACHABLE.public_url)
    told = {"id": key.pk, "public_key": key.public_key, "label": key.label, "dsn": dsn}
    return {**told, "created_at": key.created_at, "revoked_at": key.revoked_at}


def render_project(project: ErrorProject) -> dict[str, Any]:
    return dict(errorshapes.ErrorProjectShape(project, context={"keys": render_key}).data)


def render_monitor(monitor: Monitor) -> dict[str, Any]:
    return dict(errorshapes.MonitorShape(monitor).data)


def render_check_in(check_in: CheckIn) -> dict[str, Any]:
    return dict(errorshapes.CheckInShape(check_in).data)


PROJECTS = Listing({"slug": Order(("slug",))}, render_project)
MONITORS = Listing({"slug": Order(("slug", "id")), "newest": Order(("id",), descending=True)}, render_monitor)
CHECK_INS = Listing({"newest": Order(("started_at", "id"), descending=True)}, render_check_in)


class ErrorProjects(Endpoint):
    needs = {"GET": None, "POST": Permission.ADMIN}
    is_list = True

    @schema.says(
        "List error projects",
        operation="list_error_projects",
        answers={200: schema.page_of(errorshapes.ErrorProjectShape)},
        parameters=schema.page_parameters(list(PROJECTS.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.projects(trees=visible_trees(self.principal)).prefetch_related(
            "keys", selectors.LASTING
        )
        return PROJECTS.page(request, rows)

    @schema.says(
        "Make an error project, with its first key",
        operation="create_error_project",
        body=errorshapes.ErrorProjectBody,
        answers={201: errorshapes.ErrorProjectShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(errorshapes.ErrorProjectBody, request)
            made = carried_out(lambda: projects.create_project(**body, actor=self.actor))
            return Response(render_project(made), status=201)

        return self.once(request, act)


class ErrorProjectDetail(Endpoint):
    needs = {"GET": None, "PATCH": None}

    @schema.says(
        "One error project",
        operation="get_error_project",
        answers={200: errorshapes.ErrorProjectShape},
        tags=TAG,
    )
    def get(self, request: Request, slug: str) -> Response:
        body = render_project(_project(self, slug, Permission.VIEW))
        return answer(request, body, tag_of_body(body))

    @schema.says(
        "Change how much a project takes and how long it keeps it",
        operation="change_error_project",
        body=errorshapes.ErrorProjectFields,
        answers={200: errorshapes.ErrorProjectShape},
        parameters=[schema.IF_MATCH],
        errors=(412, 413, 415, 428),
        tags=TAG,
    )
    def patch(self, request: Request, slug: str) -> Response:
        project = _project(self, slug, Permission.ADMIN)
        was = render_project(project)
        require_match(request, tag_of_body(was), lambda: was)
        fields = read(errorshapes.ErrorProjectFields, request, partial=True)
        changed = carried_out(
            lambda: projects.change_project(
                project=project, fields=fields, now=timezone.now(), actor=self.actor
            )
        )
        body = render_project(changed)
        return Response(body, headers={"ETag": tag_of_body(body)})


class ErrorDiscards(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"hours"})

    @schema.says(
        "What was not stored of a project's reports, by the hour and by why",
        operation="get_error_discards",
        description="`hours`: so many, the one that goes on among them. What SDKs dropped themselves they say later.",
        answers={200: errorshapes.ErrorLostHoursShape},
        parameters=[schema.query("hours", kind=int)],
        tags=TAG,
    )
    def get(self, request: Request, slug: str) -> Response:
        project = _project(self, slug, Permission.VIEW)
        hours = integer(request, "hours", default=24, least=1, most=MOST_HOURS)
        found = lost_hours(project, now=timezone.now(), hours=hours)
        return Response(dict(errorshapes.ErrorLostHoursShape(found).data))


class ErrorKeys(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Add a key to a project",
        operation="create_error_key",
        description="To rotate: add one, give it to the programs, revoke the old one. Children of trees get the newest.",
        body=errorshapes.ErrorKeyBody,
        answers={201: errorshapes.ErrorKeyShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, slug: str) -> Response:
        def act() -> Response:
            project = _project(self, slug, Permission.ADMIN)
            label = read(errorshapes.ErrorKeyBody, request)["label"]
            key = projects.add_key(project=project, label=label, actor=self.actor)
            return Response(render_key(key), status=201)

        return self.once(request, act)


class ErrorKeyDetail(Endpoint):
    needs = {"DELETE": None}

    @schema.says(
        "Revoke a key",
        operation="revoke_error_key",
        description="Reports with it are refused at once; without Redis within half a minute. The row stays.",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, slug: str, id: int) -> Response:  # noqa: A002 the URL's name
        project = _project(self, slug, Permission.ADMIN)
        key = project.keys.select_related("project").filter(pk=id).first()
        if key is None:
            raise Problem("not-found", f"{slug} has no key {id}.")
        was = render_key(key)
        require_match(request, tag_of_body(was), lambda: was)
        projects.revoke_key(key=key, now=timezone.now(), actor=self.actor)
        return Response(status=204)


class Monitors(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"status", "tree"})
    is_list = True

    @schema.says(
        "List monitors of scheduled jobs",
        operation="list_monitors",
        answers={200: schema.page_of(errorshapes.MonitorShape)},
        parameters=[
            *schema.page_parameters(list(MONITORS.orders)),
            schema.query("status", enum=Monitor.Status.values),
            schema.query("tree"),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.monitors(
            trees=visible_trees(self.principal),
            status=choice(request, "status", tuple(Monitor.Status.values)) or "",
            tree=request.query_params.get("tree", ""),
        )
        return MONITORS.page(request, rows)


class CheckIns(Endpoint):
    needs = {"GET": None}
    is_list = True

    @schema.says(
        "List the runs of a monitored job",
        operation="list_check_ins",
        answers={200: schema.page_of(errorshapes.CheckInShape)},
        parameters=schema.page_parameters(list(CHECK_INS.orders)),
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        monitor = Monitor.objects.select_related("project").filter(pk=id).first()
        if monitor is None:
            raise Problem("not-found", f"There is no monitor {id}.")
        require(self.principal, Permission.VIEW, monitor.project.tree or EVERY_TREE)
        return CHECK_INS.page(request, monitor.check_ins.all())


def _project(endpoint: Endpoint, slug: str, permission: Permission) -> ErrorProject:
    found = ErrorProject.objects.prefetch_related("keys", selectors.LASTING).filter(slug=slug).first()
    if found is None:
        raise Problem("not-found", f"There is no error project {slug[:80]}.")
    require(endpoint.principal, permission, found.tree or EVERY_TREE)
    return found
