"""Remediation: plans to get rid of findings, how far they are, and what still does not hold."""

from typing import Any

import yaml
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.live.records import seconds
from supervision.auditruns import selectors as audits
from supervision.auditruns.models import AuditProject
from supervision.remediation import selectors, services
from supervision.remediation.documents import read
from supervision.remediation.exceptions import InvalidPlanError
from supervision.remediation.models import RemediationPhase, RemediationPlan

MOST = 200
MOST_TEXT = 200_000
TONES = {"open": "busy", "done": "ok", "abandoned": "idle"}
EXAMPLE = """title: No thread is left behind
owner: {owner}
risk: medium
summary: Threads whose handle nobody keeps die unnoticed.
phases:
- title: Keep every handle
  estimate_days: 3
  risk: low
  rollback: revert the merge request; the workers start as before
  criteria:
  - {{kind: rule_count, rule: SUP101, at_most: 0}}
  - {{kind: coverage, of: supervision, at_least: 0.9}}
"""


def select(request: PageRequest) -> Context:
    return {
        "plans": [_row(plan) for plan in selectors.plans(request.visible)[:MOST]],
        "projects": [
            project.name
            for project in audits.projects(request.visible)
            if request.principal.can(Permission.OPERATE, project.tree or EVERY_TREE)
        ],
        "project": "",
        "document": EXAMPLE.format(owner=request.principal.name),
        "errors": [],
    }


def _row(plan: RemediationPlan) -> dict[str, Any]:
    phases = list(plan.phases.all())
    criteria = [row for phase in phases for row in phase.criteria.all()]
    done = sum(phase.state == RemediationPhase.State.DONE for phase in phases)
    return {
        "url": reverse("remediation-plan", args=[plan.pk]),
        "title": plan.title,
        "project": plan.project.name,
        "owner": plan.owner,
        "risk": plan.risk,
        "state": plan.state,
        "tone": TONES[plan.state],
        "done": done,
        "phases": len(phases),
        "met": sum(row.is_met for row in criteria),
        "criteria": len(criteria),
        "days": sum(phase.estimate_days for phase in phases),
        "checked_at": seconds(plan.checked_at),
    }


def act(request: PageRequest) -> HttpResponse:
    post = request.http.POST
    name, document = post.get("project", ""), post.get("document", "")
    project = AuditProject.objects.filter(name=name).first()
    request.require(Permission.OPERATE, (project.tree if project else "") or EVERY_TREE)
    try:
        if project is None:
            raise InvalidPlanError("/project", "choose a project")
        plan = services.create_plan(
            project=project, written=read(_loaded(document)), actor=actor_of(request.http), now=timezone.now()
        )
    except InvalidPlanError as error:
        said = {
            "errors": [f"{error.pointer or 'The document'}: {error}"],
            "project": name,
            "document": document,
        }
        return show(PAGE, request, select(request) | said, status=400)
    return HttpResponseRedirect(reverse("remediation-plan", args=[plan.pk]), status=303)


def _loaded(text: str) -> Any:
    """Any: what the YAML says. Raises InvalidPlanError."""
    if len(text) > MOST_TEXT:
        raise InvalidPlanError("", f"it has more than {MOST_TEXT} characters")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidPlanError("", f"no YAML: {error}") from None


PAGE = Page(
    slug="remediation",
    title="Remediation",
    path="remediation",
    template="dashboard/remediation.html",
    select=select,
    act=act,
    g_key="r",
    order=56,
)
