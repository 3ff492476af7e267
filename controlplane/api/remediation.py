"""Plans of remediation, and supervision coverage."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import remediationshapes as shapes
from controlplane.api import schema
from controlplane.api.audits import seen_project
from controlplane.api.bodies import StrictJSONRenderer
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.formats import HTMLRenderer, MarkdownRenderer
from controlplane.api.pages import Listing, choice
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of
from controlplane.filters.keyset import Order
from supervision.auditruns import coverage
from supervision.remediation import report, selectors, services
from supervision.remediation.checking import check_plan
from supervision.remediation.documents import read as read_plan
from supervision.remediation.exceptions import IllegalStepError, InvalidPlanError, NoSuchPlanError
from supervision.remediation.models import RemediationPlan

TAG = ["remediation"]
STATES = RemediationPlan.State.values
Result = TypeVar("Result")


def carried_out(act: Callable[[], Result]) -> Result:
    """What the room refuses, as the API says it."""
    try:
        return act()
    except NoSuchPlanError as error:
        raise Problem("not-found", f"{error}.") from None
    except InvalidPlanError as error:
        raise Problem.invalid(error.pointer, f"{error}.") from None
    except IllegalStepError as error:
        raise Problem("conflict", f"{error}.") from None


def render_plan(plan: RemediationPlan) -> dict[str, Any]:
    return _rendered(selectors.whole(plan.pk))


def _rendered(plan: RemediationPlan) -> dict[str, Any]:
    """A plan whose parts have been fetched."""
    return dict(shapes.PlanShape(plan).data)


def seen_plan(endpoint: Endpoint, number: int, permission: Permission) -> RemediationPlan:
    """The plan, for whoever may do that with its project."""
    plan = RemediationPlan.objects.select_related("project").filter(pk=number).first()
    if plan is None:
        raise Problem("not-found", f"There is no plan {number}.")
    require(endpoint.principal, permission, plan.project.tree or EVERY_TREE)
    return plan


PLANS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, _rendered)


class Plans(Endpoint):
    needs = {"GET": None, "POST": None}
    parameters = frozenset({"project", "state"})
    is_list = True

    @schema.says(
        "List plans of remediation",
        operation="list_remediation_plans",
        answers={200: schema.page_of(shapes.PlanShape)},
        parameters=[
            *schema.page_parameters(list(PLANS.orders)),
            schema.query("project"),
            schema.query("state", enum=STATES),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.plans(visible_trees(self.principal))
        project, state = request.query_params.get("project"), choice(request, "state", STATES)
        if project is not None:
            rows = rows.filter(project__name=project)
        return PLANS.page(request, rows if state is None else rows.filter(state=state))

    @schema.says(
        "Write a plan",
        operation="create_remediation_plan",
        description="Criteria are of the kinds rule_count, findings, test, measure, coverage and runtime: docs/audit.md.",
        body=shapes.PlanBody,
        answers={201: shapes.PlanShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(shapes.PlanBody, request)
            project = seen_project(self, body.pop("project"), Permission.OPERATE)
            plan = carried_out(
                lambda: services.create_plan(
                    project=project, written=read_plan(body), actor=self.actor, now=timezone.now()
                )
            )
            headers = {
                "ETag": tag_of(plan.version),
                "Location": reverse("api:remediation-plan", args=[plan.pk]),
            }
            return Response(render_plan(plan), status=201, headers=headers)

        return self.once(request, act)


class PlanDetail(Endpoint):
    needs = {"GET": None, "PUT": None}

    @schema.says("One plan", operation="get_remediation_plan", answers={200: shapes.PlanShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        plan = seen_plan(self, id, Permission.VIEW)
        return answer(request, render_plan(plan), tag_of(plan.version))

    @schema.says(
        "Replace a plan of which no phase has begun",
        operation="replace_remediation_plan",
        body=shapes.PlanBody,
        answers={200: shapes.PlanShape},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 413, 415, 428),
        tags=TAG,
    )
    def put(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        plan = seen_plan(self, id, Permission.OPERATE)
        require_match(request, tag_of(plan.version), lambda: render_plan(plan))
        body = read(shapes.PlanBody, request)
        if body.pop("project") != plan.project.name:
            raise Problem.invalid("/project", "A plan stays with its project.")
        changed = carried_out(
            lambda: services.replace_plan(
                plan_id=id, written=read_plan(body), actor=self.actor, now=timezone.now()
            )
        )
        return Response(render_plan(changed), headers={"ETag": tag_of(changed.version)})


class _PlanAction(Endpoint):
    needs = {"POST": None}

    def carry_out(self, request: Request, number: int, deed: Callable[[], RemediationPlan]) -> Response:
        def act() -> Response:
            seen_plan(self, number, Permission.OPERATE)
            plan = carried_out(deed)
            return Response(render_plan(plan), headers={"ETag": tag_of(plan.version)})

        return self.once(request, act)


class PlanCheck(_PlanAction):
    @schema.says(
        "Look at a plan's criteria now",
        operation="check_remediation_plan",
        answers={200: shapes.PlanShape},
        parameters=[schema.KEY],
        errors=(409, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        return self.carry_out(request, id, lambda: check_plan(plan_id=id, now=timezone.now()))


class PlanAbandon(_PlanAction):
    @schema.says(
        "Give a plan up",
        operation="abandon_remediation_plan",
        body=shapes.ReasonBody,
        answers={200: shapes.PlanShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        return self.carry_out(
            request,
            id,
            lambda: services.abandon_plan(
                plan_id=id,
                reason=read(shapes.ReasonBody, request)["reason"],
                actor=self.actor,
                now=timezone.now(),
            ),
        )


class PhaseStart(_PlanAction):
    @schema.says(
        "Begin a phase",
        operation="start_remediation_phase",
        answers={200: shapes.PlanShape},
        parameters=[schema.KEY],
        errors=(409, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int, position: int) -> Response:  # noqa: A002 the URL's name
        return self.carry_out(
            request,
            id,
            lambda: services.start_phase(plan_id=id, position=position, actor=self.actor, now=timezone.now()),
        )


class PhaseRollback(_PlanAction):
    @schema.says(
        "Write down that a phase was taken back",
        operation="roll_back_remediation_phase",
        body=shapes.ReasonBody,
        answers={200: shapes.PlanShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int, position: int) -> Response:  # noqa: A002 the URL's name
        return self.carry_out(
            request,
            id,
            lambda: services.roll_back_phase(
                plan_id=id,
                position=position,
                reason=read(shapes.ReasonBody, request)["reason"],
                actor=self.actor,
                now=timezone.now(),
            ),
        )


class PlanReport(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"as"})
    renderer_classes = [MarkdownRenderer, HTMLRenderer, StrictJSONRenderer]

    @schema.says(
        "A plan as a report",
        operation="export_remediation_plan",
        answers={(200, "text/markdown"): schema.TEXT, (200, "text/html"): schema.TEXT},
        parameters=[schema.query("as", "Default: markdown.", enum=["markdown", "html"])],
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> HttpResponse:  # noqa: A002 the URL's name
        plan = seen_plan(self, id, Permission.VIEW)
        form = choice(request, "as", ("markdown", "html")) or "markdown"
        write = report.as_html if form == "html" else report.as_markdown
        text = write(selectors.whole(plan.pk), now=timezone.now())
        ending = "html" if form == "html" else "md"
        headers = {"Content-Disposition": f'attachment; filename="plan-{plan.pk}.{ending}"'}
        return HttpResponse(text, content_type=f"text/{form}; charset=utf-8", headers=headers)


class SupervisionCoverage(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "Supervision coverage: what the code can start, against what runs and what the tree declares",
        operation="get_supervision_coverage",
        answers={200: shapes.CoverageShape},
        tags=["audits"],
    )
    def get(self, request: Request, name: str) -> Response:
        project = seen_project(self, name)
        found = coverage.supervision_coverage(project, now=timezone.now())
        return Response(dict(shapes.CoverageShape(coverage.as_body(found)).data))
