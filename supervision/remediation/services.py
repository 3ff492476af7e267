"""Writes of plans by people: make, replace before it began, start a phase, roll one back, abandon."""

import datetime as dt

from django.db.models import F

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.auditruns.models import AuditFinding, AuditProject
from supervision.remediation.checking import check_plan
from supervision.remediation.documents import WrittenPlan
from supervision.remediation.exceptions import IllegalStepError, InvalidPlanError, NoSuchPlanError
from supervision.remediation.models import (
    RemediationCriterion,
    RemediationPhase,
    RemediationPlan,
    RemediationStep,
)

State = RemediationPhase.State


@auditlog.audited()
def create_plan(
    *, project: AuditProject, written: WrittenPlan, actor: Actor, now: dt.datetime
) -> RemediationPlan:
    """A plan whose phases all wait. Raises InvalidPlanError for findings of another project."""
    plan = RemediationPlan.objects.create(
        project=project, title=written.title, summary=written.summary, owner=written.owner, risk=written.risk,
        created_at=now, created_by=actor.name[:200],
    )  # fmt: skip
    _write_phases(plan, written)
    _record(actor, "remediation.create", plan)
    return check_plan(plan_id=plan.pk, now=now)


@auditlog.audited()
def replace_plan(*, plan_id: int, written: WrittenPlan, actor: Actor, now: dt.datetime) -> RemediationPlan:
    """Another text for a plan of which no phase has begun. Raises NoSuchPlanError, IllegalStepError, InvalidPlanError."""
    plan = _locked(plan_id)
    if plan.state != RemediationPlan.State.OPEN or plan.phases.exclude(state=State.PENDING).exists():
        raise IllegalStepError("a phase has begun: abandon the plan and write another one")
    plan.title, plan.summary, plan.owner, plan.risk = (
        written.title,
        written.summary,
        written.owner,
        written.risk,
    )
    plan.version += 1
    plan.save()
    plan.phases.all().delete()
    _write_phases(plan, written)
    _record(actor, "remediation.replace", plan)
    return check_plan(plan_id=plan.pk, now=now)


def _write_phases(plan: RemediationPlan, written: WrittenPlan) -> None:
    for position, phase in enumerate(written.phases, start=1):
        for index, criterion in enumerate(phase.criteria):
            _refuse_others(plan, criterion.params.get("ids"), f"/phases/{position - 1}/criteria/{index}/ids")
        row = RemediationPhase.objects.create(
            plan=plan, position=position, title=phase.title, owner=phase.owner,
            estimate_days=phase.estimate_days, risk=phase.risk, rollback=phase.rollback,
        )  # fmt: skip
        RemediationCriterion.objects.bulk_create(
            [
                RemediationCriterion(phase=row, kind=one.kind, params=dict(one.params))
                for one in phase.criteria
            ]
        )


def _refuse_others(plan: RemediationPlan, ids: list[int] | None, pointer: str) -> None:
    if ids is None:
        return
    known = set(AuditFinding.objects.filter(project=plan.project_id, pk__in=ids).values_list("pk", flat=True))
    if other := sorted(set(ids) - known):
        raise InvalidPlanError(pointer, f"{plan.project.name} has no finding {other[0]}")


@auditlog.audited()
def start_phase(*, plan_id: int, position: int, actor: Actor, now: dt.datetime) -> RemediationPlan:
    """Begin a phase, or begin again one that was rolled back. Earlier ones have to be done or rolled back first."""
    plan, phase = _phase(plan_id, position)
    if phase.state not in (State.PENDING, State.ROLLED_BACK):
        raise IllegalStepError(f"the phase is {phase.state}")
    before = (
        plan.phases.filter(position__lt=position).exclude(state__in=(State.DONE, State.ROLLED_BACK)).first()
    )
    if before is not None:
        raise IllegalStepError(f"phase {before.position} is {before.state}: it comes first")
    phase.state, phase.started_at, phase.done_at = State.ACTIVE, now, None
    phase.save(update_fields=["state", "started_at", "done_at"])
    _step(phase, RemediationStep.Kind.STARTED, actor.name, "", now)
    _bump(plan)
    _record(actor, "remediation.start", plan, phase=position)
    return check_plan(plan_id=plan.pk, now=now)


@auditlog.audited()
def roll_back_phase(
    *, plan_id: int, position: int, reason: str, actor: Actor, now: dt.datetime
) -> RemediationPlan:
    """It was taken back: written down as a step, with why. Later phases that began have to be rolled back first."""
    plan, phase = _phase(plan_id, position)
    if not reason.strip():
        raise InvalidPlanError("/reason", "say why it was taken back")
    if phase.state not in (State.ACTIVE, State.DONE):
        raise IllegalStepError(f"the phase is {phase.state}")
    later = plan.phases.filter(position__gt=position, state__in=(State.ACTIVE, State.DONE)).last()
    if later is not None:
        raise IllegalStepError(f"phase {later.position} is {later.state}: it is taken back first")
    phase.state, phase.done_at = State.ROLLED_BACK, None
    phase.save(update_fields=["state", "done_at"])
    _step(phase, RemediationStep.Kind.ROLLED_BACK, actor.name, reason.strip(), now)
    _bump(plan)
    _record(actor, "remediation.roll_back", plan, reason=reason, phase=position)
    return check_plan(plan_id=plan.pk, now=now)


@auditlog.audited()
def abandon_plan(*, plan_id: int, reason: str, actor: Actor, now: dt.datetime) -> RemediationPlan:
    """Nobody works on it any more. Its criteria are no longer looked at."""
    plan = _locked(plan_id)
    if not reason.strip():
        raise InvalidPlanError("/reason", "say why it is given up")
    if plan.state != RemediationPlan.State.OPEN:
        raise IllegalStepError(f"the plan is {plan.state}")
    plan.state, plan.ended_at = RemediationPlan.State.ABANDONED, now
    plan.version += 1
    plan.save()
    _record(actor, "remediation.abandon", plan, reason=reason)
    return plan


def _locked(plan_id: int) -> RemediationPlan:
    plan = (
        RemediationPlan.objects.select_for_update(of=("self",))
        .select_related("project")
        .filter(pk=plan_id)
        .first()
    )
    if plan is None:
        raise NoSuchPlanError(f"there is no plan {plan_id}")
    return plan


def _phase(plan_id: int, position: int) -> tuple[RemediationPlan, RemediationPhase]:
    """The plan, locked, and its phase; of a plan that is open, or done and taken back."""
    plan = _locked(plan_id)
    if plan.state == RemediationPlan.State.ABANDONED:
        raise IllegalStepError("the plan is abandoned")
    phase = plan.phases.filter(position=position).first()
    if phase is None:
        raise NoSuchPlanError(f"plan {plan_id} has no phase {position}")
    return plan, phase


def _bump(plan: RemediationPlan) -> None:
    RemediationPlan.objects.filter(pk=plan.pk).update(version=F("version") + 1)


def _step(phase: RemediationPhase, kind: str, by: str, text: str, now: dt.datetime) -> None:
    RemediationStep.objects.create(phase=phase, at=now, kind=kind, by=by[:200], text=text)


def _record(
    actor: Actor, action: str, plan: RemediationPlan, *, reason: str = "", phase: int | None = None
) -> None:
    auditlog.record(
        actor=actor,
        action=action,
        target=f"{plan.project.name} plan {plan.pk}",
        tree=plan.project.tree,
        reason=reason,
        details={"title": plan.title} | ({} if phase is None else {"phase": phase}),
    )
