"""Reads of plans."""

from django.db.models import QuerySet

from supervision.remediation.exceptions import NoSuchPlanError
from supervision.remediation.models import RemediationPlan


def plans(trees: frozenset[str] | None) -> QuerySet[RemediationPlan]:
    """Of projects that may be seen: of these trees; None: all."""
    rows = RemediationPlan.objects.select_related("project").prefetch_related(
        "phases__criteria", "phases__steps"
    )
    return rows if trees is None else rows.filter(project__tree__in=trees).exclude(project__tree="")


def whole(plan_id: int) -> RemediationPlan:
    """A plan with everything that belongs to it. Raises NoSuchPlanError."""
    rows = RemediationPlan.objects.select_related("project")
    plan = rows.prefetch_related("phases__criteria", "phases__steps").filter(pk=plan_id).first()
    if plan is None:
        raise NoSuchPlanError(f"there is no plan {plan_id}")
    return plan
