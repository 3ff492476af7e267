"""Audits of code: projects, their runs, and what CI jobs upload."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import auditshapes, schema
from controlplane.api.bodies import StrictJSONParser, parse_json, read_bounded
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choice, integer
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of
from controlplane.filters.keyset import Order
from supervision.auditruns import evidence, findings, projects, selectors
from supervision.auditruns.documents import parse
from supervision.auditruns.exceptions import (
    InvalidFieldError,
    InvalidReportError,
    NoSuchError,
    NotByHandError,
)
from supervision.auditruns.ingesting import take_report
from supervision.auditruns.models import AuditMeasure, AuditProject, AuditRun, AuditTest
from supervision.remediation.checking import check_project

TAG = ["audits"]
MAX_REPORT = 4 << 20
Result = TypeVar("Result")


def carried_out(act: Callable[[], Result]) -> Result:
    """What the room refuses, as the API says it."""
    try:
        return act()
    except NoSuchError as error:
        raise Problem("not-found", f"{error}.") from None
    except InvalidReportError as error:
        raise Problem.invalid(error.pointer, f"{error}.") from None
    except InvalidFieldError as error:
        raise Problem.invalid(f"/{error.field}", f"{error}.") from None
    except NotByHandError as error:
        raise Problem("conflict", f"{error}.") from None


def seen_project(endpoint: Endpoint, name: str, permission: Permission = Permission.VIEW) -> AuditProject:
    """The project, for whoever may do that with it."""
    found = carried_out(lambda: projects.project_named(name))
    require(endpoint.principal, permission, found.tree or EVERY_TREE)
    return found


class BytesParser(BaseParser):
    """A body as bytes: reports and results, which are larger than what other endpoints take."""

    media_type = "*/*"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return read_bounded(stream, MAX_REPORT)


def render_project(project: AuditProject) -> dict[str, Any]:
    return dict(auditshapes.ProjectShape(project).data)


def render_run(run: AuditRun) -> dict[str, Any]:
    return dict(auditshapes.RunShape(run).data)


def render_test(test: AuditTest) -> dict[str, Any]:
    return dict(auditshapes.TestShape(test).data)


def render_measure(measure: AuditMeasure) -> dict[str, Any]:
    return dict(auditshapes.MeasureShape(measure).data)


PROJECTS = Listing({"name": Order(("name",))}, render_project)
RUNS = Listing(
    {"newest": Order(("number",), descending=True), "oldest": Order(("number",))},
    render_run,
)
TESTS = Listing({"name": Order(("name",))}, render_test)
MEASURES = Listing({"name": Order(("name",))}, render_measure)
REVISION = schema.query("revision", "Of the code that was audited or tested.")


class Projects(Endpoint):
    needs = {"GET": None, "POST": Permission.ADMIN}
    is_list = True

    @schema.says(
        "List audit projects",
        operation="list_audit_projects",
        answers={200: schema.page_of(auditshapes.ProjectShape)},
        parameters=schema.page_parameters(list(PROJECTS.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return PROJECTS.page(request, selectors.projects(visible_trees(self.principal)))

    @schema.says(
        "Make an audit project",
        operation="create_audit_project",
        body=auditshapes.ProjectBody,
        answers={201: auditshapes.ProjectShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(auditshapes.ProjectBody, request)
            name = body.pop("name")
            made = carried_out(
                lambda: projects.create_project(name=name, fields=body, actor=self.actor, now=timezone.now())
            )
            headers = {"ETag": tag_of(made.version), "Location": reverse("api:audit-project", args=[name])}
            return Response(render_project(made), status=201, headers=headers)

        return self.once(request, act)


class ProjectDetail(Endpoint):
    needs = {"GET": None, "PATCH": Permission.ADMIN, "DELETE": Permission.ADMIN}

    @schema.says(
        "One audit project", operation="get_audit_project", answers={200: auditshapes.ProjectShape}, tags=TAG
    )
    def get(self, request: Request, name: str) -> Response:
        project = seen_project(self, name)
        return answer(request, render_project(project), tag_of(project.version))

    @schema.says(
        "Change an audit project",
        operation="change_audit_project",
        body=auditshapes.ProjectFields,
        answers={200: auditshapes.ProjectShape},
        parameters=[schema.IF_MATCH],
        errors=(412, 413, 415, 428),
        tags=TAG,
    )
    def patch(self, request: Request, name: str) -> Response:
        project = seen_project(self, name)
        require_match(request, tag_of(project.version), lambda: render_project(project))
        body = read(auditshapes.ProjectFields, request, partial=True)
        changed = carried_out(
            lambda: projects.change_project(name=name, fields=body, actor=self.actor, now=timezone.now())
        )
        return Response(render_project(changed), headers={"ETag": tag_of(changed.version)})

    @schema.says(
        "Delete an audit project with all its runs",
        operation="delete_audit_project",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, name: str) -> Response:
        project = seen_project(self, name)
        require_match(request, tag_of(project.version), lambda: render_project(project))
        carried_out(lambda: projects.delete_project(name=name, actor=self.actor))
        return Response(status=204)


class ProjectScan(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Scan the project's path with the next job of the platform",
        operation="scan_audit_project",
        answers={202: auditshapes.ProjectShape},
        parameters=[schema.KEY],
        errors=(409, 422),
        tags=TAG,
    )
    def post(self, request: Request, name: str) -> Response:
        def act() -> Response:
            seen_project(self, name, Permission.OPERATE)
            asked = carried_out(
                lambda: projects.ask_for_scan(name=name, actor=self.actor, now=timezone.now())
            )
            return Response(render_project(asked), status=202)

        return self.once(request, act)


class Runs(Endpoint):
    needs = {"GET": None, "POST": None}
    is_list = True
    parser_classes = [BytesParser]

    def known_parameters(self, request: Request) -> frozenset[str]:
        return frozenset({"revision"}) if request.method == "POST" else frozenset({"tool"})

    @schema.says(
        "List runs of a project",
        operation="list_audit_runs",
        answers={200: schema.page_of(auditshapes.RunShape)},
        parameters=[
            *schema.page_parameters(list(RUNS.orders)),
            schema.query("tool", "Only of this tool."),
        ],
        tags=TAG,
    )
    def get(self, request: Request, name: str) -> Response:
        rows: QuerySet[AuditRun] = selectors.runs(None).filter(project=seen_project(self, name))
        tool = request.query_params.get("tool")
        return RUNS.page(request, rows if tool is None else rows.filter(tool=tool))

    @schema.says(
        "Upload a report: JSON of the audit, or SARIF 2.1.0",
        operation="upload_audit_run",
        description="Whole reports only: findings that are left out would be taken for fixed. `passes` is false when a rule "
        "has more findings than in the run before and the project has the ratchet.",
        body=schema.OBJECT,
        answers={201: auditshapes.RunShape},
        parameters=[schema.KEY, REVISION],
        errors=(409, 413, 422),
        tags=TAG,
    )
    def post(self, request: Request, name: str) -> Response:
        def act() -> Response:
            project = seen_project(self, name, Permission.UPLOAD)
            report = carried_out(lambda: parse(parse_json(_content(request))))
            run = take_report(
                project_id=project.pk,
                report=report,
                source=AuditRun.Source.UPLOAD,
                revision=request.query_params.get("revision", ""),
                actor=self.actor,
                now=timezone.now(),
            )
            check_project(project_id=project.pk, now=timezone.now())
            headers = {"Location": reverse("api:audit-run", args=[name, run.number])}
            return Response(render_run(run), status=201, headers=headers)

        return self.once(request, act)


def _content(request: Request) -> bytes:
    content: Any = request.data
    if not isinstance(content, bytes) or not content:
        raise Problem.invalid("", "The report itself is expected as the body.")
    return content


class RunDetail(Endpoint):
    needs = {"GET": None}

    @schema.says("One run", operation="get_audit_run", answers={200: auditshapes.RunShape}, tags=TAG)
    def get(self, request: Request, name: str, number: int) -> Response:
        project = seen_project(self, name)
        return Response(render_run(carried_out(lambda: selectors.run_numbered(project, number))))


class Compare(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"before", "after"})

    @schema.says(
        "Compare two runs: the same or fewer, never more",
        operation="compare_audit_runs",
        description="Without `after`: the newest run; without `before`: the one of the same tool before that.",
        answers={200: auditshapes.DifferenceShape},
        parameters=[schema.query("before", kind=int), schema.query("after", kind=int)],
        tags=TAG,
    )
    def get(self, request: Request, name: str) -> Response:
        project = seen_project(self, name)
        wanted = {
            side: integer(request, side, default=0, least=0, most=2**31 - 1) for side in ("before", "after")
        }
        difference = carried_out(lambda: selectors.compared(project, wanted["before"], wanted["after"]))
        brief = auditshapes.BriefFinding
        return Response(
            {
                "project": project.name,
                "before": difference.before.number,
                "after": difference.after.number,
                "verdict": difference.comparison.verdict,
                "grown": difference.comparison.grown,
                "shrunk": difference.comparison.shrunk,
                "came": brief(difference.came, many=True).data,
                "went": brief(difference.went, many=True).data,
            }
        )


class Tests(Endpoint):
    needs = {"GET": None, "POST": None}
    is_list = True
    parser_classes = [BytesParser]

    def known_parameters(self, request: Request) -> frozenset[str]:
        return frozenset({"revision"}) if request.method == "POST" else frozenset({"outcome"})

    @schema.says(
        "List the newest results of a project's tests",
        operation="list_audit_tests",
        answers={200: schema.page_of(auditshapes.TestShape)},
        parameters=[
            *schema.page_parameters(list(TESTS.orders)),
            schema.query("outcome", enum=AuditTest.Outcome.values),
        ],
        tags=TAG,
    )
    def get(self, request: Request, name: str) -> Response:
        rows = AuditTest.objects.filter(project=seen_project(self, name))
        outcome = choice(request, "outcome", AuditTest.Outcome.values)
        return TESTS.page(request, rows if outcome is None else rows.filter(outcome=outcome))

    @schema.says(
        "Upload results of tests: JUnit XML",
        operation="upload_audit_tests",
        description="A finding that is linked to a test is closed by its passing, and opened again by anything else.",
        body=schema.TEXT,
        answers={200: auditshapes.TestsTaken},
        parameters=[schema.KEY, REVISION],
        errors=(409, 413, 422),
        tags=TAG,
    )
    def post(self, request: Request, name: str) -> Response:
        def act() -> Response:
            project = seen_project(self, name, Permission.UPLOAD)
            results = carried_out(lambda: evidence.parse_junit(_content(request)))
            said = findings.take_tests(
                project_id=project.pk,
                results=results,
                revision=request.query_params.get("revision", ""),
                actor=self.actor,
                now=timezone.now(),
            )
            check_project(project_id=project.pk, now=timezone.now())
            return Response(said)

        return self.once(request, act)


class Measures(Endpoint):
    needs = {"GET": None, "POST": None}
    is_list = True
    parser_classes = [StrictJSONParser, BytesParser]

    def known_parameters(self, request: Request) -> frozenset[str]:
        return frozenset({"revision"}) if request.method == "POST" else frozenset()

    @schema.says(
        "List a project's measures",
        operation="list_audit_measures",
        answers={200: schema.page_of(auditshapes.MeasureShape)},
        parameters=schema.page_parameters(list(MEASURES.orders)),
        tags=TAG,
    )
    def get(self, request: Request, name: str) -> Response:
        return MEASURES.page(request, AuditMeasure.objects.filter(project=seen_project(self, name)))

    @schema.says(
        "Upload a measure: JSON, or Cobertura XML, whose line rate becomes `coverage`",
        operation="upload_audit_measure",
        body=auditshapes.MeasureBody,
        answers={200: auditshapes.MeasureShape},
        parameters=[schema.KEY, REVISION],
        errors=(409, 413, 422),
        tags=TAG,
    )
    def post(self, request: Request, name: str) -> Response:
        def act() -> Response:
            project = seen_project(self, name, Permission.UPLOAD)
            given: Any = request.data
            if isinstance(given, bytes):
                body: dict[str, Any] = {
                    "name": "coverage",
                    "value": carried_out(lambda: evidence.parse_coverage(given)),
                }
            else:
                body = read(auditshapes.MeasureBody, request)
            measure = findings.take_measure(
                project_id=project.pk,
                name=body["name"],
                value=body["value"],
                revision=request.query_params.get("revision", ""),
                actor=self.actor,
                now=timezone.now(),
            )
            check_project(project_id=project.pk, now=timezone.now())
            return Response(render_measure(measure))

        return self.once(request, act)
