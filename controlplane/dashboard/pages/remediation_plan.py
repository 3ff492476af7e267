"""One plan: its phases, what has to hold for each and whether it does, and everything that happened."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.pages.remediation import TONES
from supervision.remediation import selectors, services
from supervision.remediation.checking import check_plan
from supervision.remediation.criteria import words
from supervision.remediation.exceptions import NoSuchPlanError, RemediationError
from supervision.remediation.models import RemediationPhase, RemediationPlan

State = RemediationPhase.State
PHASE_TONES = {State.PENDING: "idle", State.ACTIVE: "busy", State.DONE: "ok", State.ROLLED_BACK: "held"}
STEP_TONES = {
    "started": "busy", "met": "ok", "unmet": "warn", "done": "ok", "reopened": "warn", "rolled_back": "held"
}  # fmt: skip


def select(request: PageRequest) -> Context:
    plan = _plan(request, Permission.VIEW)
    is_open = plan.state != RemediationPlan.State.ABANDONED
    may = is_open and request.principal.can(Permission.OPERATE, plan.project.tree or EVERY_TREE)
    phases = list(plan.phases.all())
    return {
        "plan": {
            "title": plan.title,
            "summary": plan.summary,
            "project": plan.project.name,
            "owner": plan.owner,
            "risk": plan.risk,
            "state": plan.state,
            "tone": TONES[plan.state],
            "created_at": seconds(plan.created_at),
            "created_by": plan.created_by,
            "checked_at": seconds(plan.checked_at),
            "days": sum(phase.estimate_days for phase in phases),
        },
        "phases": [_phase(phase, plan, may=may) for phase in phases],
        "project_url": reverse("audit-project", args=[plan.project.name]),
        "report_url": reverse("api:remediation-report", args=[plan.pk]),
        "may_change": may,
        "may_abandon": may and plan.state == RemediationPlan.State.OPEN,
    }


def _phase(phase: RemediationPhase, plan: RemediationPlan, *, may: bool) -> dict[str, Any]:
    return {
        "position": phase.position,
        "title": phase.title,
        "owner": phase.owner or plan.owner,
        "days": phase.estimate_days,
        "risk": phase.risk,
        "rollback": phase.rollback,
        "state": phase.state.replace("_", " "),
        "tone": PHASE_TONES[State(phase.state)],
        "may_start": may and phase.state in (State.PENDING, State.ROLLED_BACK),
        "may_roll_back": may and phase.state in (State.ACTIVE, State.DONE),
        "criteria": [
            {"words": words(row.kind, row.params), "is_met": row.is_met, "value": row.value}
            for row in phase.criteria.all()
        ],
        "steps": [
            {
                "at": seconds(step.at),
                "kind": step.kind.replace("_", " "),
                "tone": STEP_TONES[step.kind],
                "by": step.by,
                "text": step.text,
            }
            for step in reversed(phase.steps.all())
        ][:50],
    }


def act(request: PageRequest) -> HttpResponse:
    plan = _plan(request, Permission.OPERATE)
    post, now, actor = request.http.POST, timezone.now(), actor_of(request.http)
    text = post.get("position", "")
    position = int(text) if text.isdecimal() and len(text) < 6 else 0
    reason = post.get("reason", "")
    try:
        match post.get("do"):
            case "start":
                services.start_phase(plan_id=plan.pk, position=position, actor=actor, now=now)
            case "roll_back":
                services.roll_back_phase(
                    plan_id=plan.pk, position=position, reason=reason, actor=actor, now=now
                )
            case "abandon":
                services.abandon_plan(plan_id=plan.pk, reason=reason, actor=actor, now=now)
            case "check":
                check_plan(plan_id=plan.pk, now=now)
            case _:
                raise Http404("There is no such form.")
    except RemediationError as error:
        messages.error(request.http, f"{error}.")
    return HttpResponseRedirect(reverse("remediation-plan", args=[plan.pk]), status=303)


def _plan(request: PageRequest, permission: Permission) -> RemediationPlan:
    try:
        plan = selectors.whole(request.params["id"])
    except NoSuchPlanError as error:
        raise Http404(f"{error}.") from None
    request.require(permission, plan.project.tree or EVERY_TREE)
    return plan


PAGE = Page(
    slug="remediation-plan",
    title="Plan",
    path="remediation/<int:id>",
    template="dashboard/remediation_plan.html",
    select=select,
    act=act,
)
