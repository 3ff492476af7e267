"""What a person may do to a finding: say who looks after it, link the test that proves the fix, or say for how long it is
left as it is and why. Nobody closes one by hand."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.auditruns.evidence import TestResult
from supervision.auditruns.exceptions import InvalidFieldError, NoSuchError, NotByHandError
from supervision.auditruns.models import AuditFinding, AuditMeasure, AuditProject, AuditTest

LONGEST_WONT_FIX = dt.timedelta(days=366)
BATCH = 1000
State = AuditFinding.State


@auditlog.audited()
def change_finding(
    *, finding_id: int, fields: Mapping[str, Any], actor: Actor, now: dt.datetime
) -> AuditFinding:
    """`fields`: `owner`, `test` (the name of a test whose passing closes it), or `wont_fix`: `{"reason", "until"}`, None to
    take that back. Raises NoSuchError, InvalidFieldError, NotByHandError."""
    finding = (
        AuditFinding.objects.select_for_update(of=("self",))
        .select_related("project")
        .filter(pk=finding_id)
        .first()
    )
    if finding is None:
        raise NoSuchError(f"there is no finding {finding_id}")
    if "state" in fields:
        raise NotByHandError("a finding is closed by a new scan or by a linked test, never by hand")
    if "owner" in fields:
        finding.owner, finding.is_owner_set = str(fields["owner"])[:200], bool(fields["owner"])
    if "test" in fields:
        _link(finding, str(fields["test"])[:500], now)
    if "wont_fix" in fields:
        _wont_fix(finding, fields["wont_fix"], actor, now)
    finding.version += 1
    finding.save()
    reason = (fields.get("wont_fix") or {}).get("reason", "")
    auditlog.record(
        actor=actor,
        action="audit_finding.change",
        target=f"{finding.project.name} {finding} ({finding.pk})",
        tree=finding.project.tree,
        reason=reason,
        details={name: _plain(value) for name, value in fields.items()},
    )
    return finding


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return value.isoformat() if isinstance(value, dt.date) else value


def _link(finding: AuditFinding, test: str, now: dt.datetime) -> None:
    if finding.state == State.CLOSED and finding.closed_by == f"test {finding.test}" and test != finding.test:
        finding.state, finding.closed_by, finding.closed_at = State.OPEN, "", None
    finding.test = test
    result = AuditTest.objects.filter(project=finding.project_id, name=test).first() if test else None
    if result is not None:
        _by_test(finding, result.outcome, now)


def _wont_fix(finding: AuditFinding, said: Mapping[str, Any] | None, actor: Actor, now: dt.datetime) -> None:
    if finding.state == State.CLOSED:
        raise NotByHandError("the finding is closed")
    if said is None:
        finding.state = State.OPEN
        finding.wont_fix_reason, finding.wont_fix_until, finding.wont_fix_by = "", None, ""
        return
    until, reason = said["until"], str(said["reason"]).strip()
    if not reason:
        raise InvalidFieldError("wont_fix/reason", "say why it is left as it is")
    today = now.astimezone(dt.UTC).date()
    if not today < until <= today + LONGEST_WONT_FIX:
        raise InvalidFieldError("wont_fix/until", "a day after today and within a year")
    finding.state = State.WONT_FIX
    finding.wont_fix_reason, finding.wont_fix_until, finding.wont_fix_by = reason, until, actor.name[:200]


def _by_test(finding: AuditFinding, outcome: str, now: dt.datetime) -> bool:
    """Close or open a finding as its linked test says; whether that changed something."""
    evidence = f"test {finding.test}"[:500]
    if outcome == AuditTest.Outcome.PASSED and finding.state != State.CLOSED:
        finding.state, finding.closed_by, finding.closed_at = State.CLOSED, evidence, now
        return True
    if (
        outcome != AuditTest.Outcome.PASSED
        and finding.state == State.CLOSED
        and finding.closed_by == evidence
    ):
        finding.state, finding.closed_by, finding.closed_at = State.OPEN, "", None
        finding.returned += 1
        return True
    return False


@transaction.atomic
def reopen_expired(*, now: dt.datetime) -> int:
    """Findings whose `wont_fix` has ended are open again; how many."""
    return AuditFinding.objects.filter(
        state=State.WONT_FIX, wont_fix_until__lt=now.astimezone(dt.UTC).date()
    ).update(state=State.OPEN, version=F("version") + 1)


@auditlog.audited()
def take_tests(
    *, project_id: int, results: Iterable[TestResult], revision: str = "", actor: Actor, now: dt.datetime
) -> dict[str, int]:
    """Keep the newest result of each test, and let linked findings follow: passed closes, anything else opens again."""
    project = AuditProject.objects.select_for_update().get(pk=project_id)
    outcomes = {result.name: result for result in results}
    AuditTest.objects.bulk_create(
        [
            AuditTest(
                project=project, name=name, outcome=result.outcome, message=result.message, at=now,
                revision=revision[:100],
            )
            for name, result in sorted(outcomes.items())
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["project", "name"],
        update_fields=["outcome", "message", "at", "revision"],
    )  # fmt: skip
    closed = opened = 0
    linked = AuditFinding.objects.select_for_update().filter(project=project).exclude(test="")
    for finding in linked:
        result = outcomes.get(finding.test)
        if result is not None and _by_test(finding, result.outcome, now):
            finding.version += 1
            finding.save()
            closed += finding.state == State.CLOSED
            opened += finding.state == State.OPEN
    said = {"tests": len(outcomes), "closed": closed, "opened": opened}
    auditlog.record(
        actor=actor, action="audit_tests.take", target=project.name, tree=project.tree, details=said
    )
    return said


@auditlog.audited()
def take_measure(
    *, project_id: int, name: str, value: float, revision: str = "", actor: Actor, now: dt.datetime
) -> AuditMeasure:
    """Keep the newest value of a measure."""
    project = AuditProject.objects.select_for_update().get(pk=project_id)
    measure, _ = AuditMeasure.objects.update_or_create(
        project=project, name=name[:100], defaults={"value": value, "at": now, "revision": revision[:100]}
    )
    auditlog.record(
        actor=actor,
        action="audit_measure.take",
        target=f"{project.name} {name}",
        tree=project.tree,
        details={"value": value},
    )
    return measure
