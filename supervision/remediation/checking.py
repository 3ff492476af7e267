"""The one place that says whether a criterion is met: it reads the rows, judges, and lets phases and plans follow."""

import datetime as dt

from django.db import transaction

from supervision.auditruns import coverage
from supervision.auditruns.models import AuditFinding, AuditProject
from supervision.remediation.criteria import Facts, Judged, judge, words
from supervision.remediation.exceptions import NoSuchPlanError
from supervision.remediation.models import (
    RemediationCriterion,
    RemediationPhase,
    RemediationPlan,
    RemediationStep,
)

BY = "evidence"
DAY = dt.timedelta(days=1)
State = RemediationPhase.State


def facts_of(project: AuditProject, *, now: dt.datetime) -> Facts:
    """What the rows say of a project now."""
    open_findings = project.findings.filter(state=AuditFinding.State.OPEN)
    seen = coverage.supervision_coverage(project, now=now)
    return Facts(
        rules=tuple(open_findings.values_list("rule", "path")) if project.last_number else None,
        states=dict(project.findings.values_list("pk", "state")),
        tests=dict(project.tests.values_list("name", "outcome")),
        measures=dict(project.measures.values_list("name", "value")),
        supervision=seen.share,
        runtime={"restarts": coverage.restarts(project, since=now - DAY), "strays": seen.strays},
    )


@transaction.atomic
def check_plan(*, plan_id: int, now: dt.datetime) -> RemediationPlan:
    """Judge every criterion of an open or done plan. What changed is a step of its phase. Raises NoSuchPlanError."""
    plan = (
        RemediationPlan.objects.select_for_update(of=("self",))
        .select_related("project")
        .filter(pk=plan_id)
        .first()
    )
    if plan is None:
        raise NoSuchPlanError(f"there is no plan {plan_id}")
    if plan.state == RemediationPlan.State.ABANDONED:
        return plan
    facts = facts_of(plan.project, now=now)
    phases = list(plan.phases.prefetch_related("criteria").order_by("position"))
    changed = False
    for phase in phases:
        judged = [(row, judge(row.kind, row.params, facts)) for row in phase.criteria.all()]
        for row, found in judged:
            changed |= _note(phase, row, found, now)
        changed |= _follow(phase, met=all(found.is_met for _, found in judged), now=now)
    is_done = all(phase.state in (State.DONE, State.ROLLED_BACK) for phase in phases) and any(
        phase.state == State.DONE for phase in phases
    )
    state = RemediationPlan.State.DONE if is_done else RemediationPlan.State.OPEN
    if state != plan.state:
        plan.state, plan.ended_at = state, now if is_done else None
        changed = True
    plan.checked_at = now
    plan.version += changed
    plan.save(update_fields=["state", "ended_at", "checked_at", "version"])
    return plan


def _note(phase: RemediationPhase, row: RemediationCriterion, found: Judged, now: dt.datetime) -> bool:
    """Write down what was found; whether that is new. Of phases that nobody has begun only the row says so."""
    turned = row.is_met != found.is_met
    changed = turned or row.value != found.value
    row.is_met, row.value, row.checked_at = found.is_met, found.value[:300], now
    row.changed_at = now if turned or row.changed_at is None else row.changed_at
    row.save(update_fields=["is_met", "value", "checked_at", "changed_at"])
    if turned and phase.state in (State.ACTIVE, State.DONE):
        kind = RemediationStep.Kind.MET if found.is_met else RemediationStep.Kind.UNMET
        text = f"{words(row.kind, row.params)}: {found.value}"
        RemediationStep.objects.create(phase=phase, at=now, kind=kind, by=BY, text=text)
    return changed


def _follow(phase: RemediationPhase, *, met: bool, now: dt.datetime) -> bool:
    """A phase that has begun is done while all of its criteria are met; whether that changed."""
    if phase.state == State.ACTIVE and met:
        phase.state, phase.done_at, kind = State.DONE, now, RemediationStep.Kind.DONE
    elif phase.state == State.DONE and not met:
        phase.state, phase.done_at, kind = State.ACTIVE, None, RemediationStep.Kind.REOPENED
    else:
        return False
    phase.save(update_fields=["state", "done_at"])
    RemediationStep.objects.create(phase=phase, at=now, kind=kind, by=BY, text="")
    return True


def check_all(*, now: dt.datetime) -> int:
    """Every plan that is not abandoned, those first that were looked at longest ago; how many. For the schedule."""
    numbers = (
        RemediationPlan.objects.exclude(state=RemediationPlan.State.ABANDONED)
        .order_by("checked_at")
        .values_list("pk", flat=True)[:200]
    )
    for number in list(numbers):
        check_plan(plan_id=number, now=now)
    return len(numbers)


def check_project(*, project_id: int, now: dt.datetime) -> int:
    """The plans of a project, after new evidence; how many."""
    numbers = (
        RemediationPlan.objects.filter(project=project_id)
        .exclude(state=RemediationPlan.State.ABANDONED)
        .values_list("pk", flat=True)
    )
    for number in list(numbers):
        check_plan(plan_id=number, now=now)
    return len(numbers)
