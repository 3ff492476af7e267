"""Writes of the rules room: rules and objectives made, changed and removed, each with an entry of the audit log."""

import math
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.services import resolve_subject
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.rules.conditions import Shape, Side
from supervision.rules.exceptions import InvalidRuleError, NotFoundError
from supervision.rules.measures import measure_of
from supervision.rules.models import Group, Indicator, MeasureRule, Objective
from supervision.rules.watching import forget

MOST_HOLD, MOST_WINDOW = 24 * 60, 36 * 60
"""Minutes. Of samples there are two days."""
MOST_WITHIN_S = 30 * 86400
MOST_DAYS = 90
MOST_RULES = 500


@dataclass(frozen=True, slots=True)
class RuleFields:
    """A rule as it was asked for; see MeasureRule for what each means."""

    name: str
    measure: str
    shape: str
    bound: float
    tree: str = ""
    pattern: str = ""
    side: str = Side.ABOVE.value
    recovery: float | None = None
    hold_minutes: int = 1
    window_minutes: int = 30
    within_s: float = 0.0
    severity: str = Severity.WARNING.value
    group: str = Group.SUBJECT.value
    runbook_url: str = ""
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class ObjectiveFields:
    """An objective as it was asked for; see Objective for what each means."""

    name: str
    indicator: str
    target: float
    tree: str = ""
    pattern: str = ""
    latency_s: float | None = None
    days: int = 28
    runbook_url: str = ""
    is_enabled: bool = True


@auditlog.audited()
def save_rule(*, rule: MeasureRule | None, fields: RuleFields, actor: Actor, now: datetime) -> MeasureRule:
    """Make or change a rule. What it said before is over: it is looked at anew. Raises InvalidRuleError."""
    check_rule(fields)
    if rule is None and MeasureRule.objects.count() >= MOST_RULES:
        raise InvalidRuleError("name", f"there are {MOST_RULES} rules already")
    made = MeasureRule(created_by=actor.name) if rule is None else _locked_rule(rule.pk)
    if rule is not None:
        forget(made, by="the rule was changed", now=now)
        made.version += 1
    for name in RuleFields.__slots__:
        setattr(made, name, getattr(fields, name))
    _save(made)
    auditlog.record(
        actor=actor, action="rule.create" if rule is None else "rule.change", target=made.name, tree=made.tree,
        details={name: getattr(fields, name) for name in ("measure", "shape", "side", "bound", "is_enabled")},
    )  # fmt: skip
    return made


@auditlog.audited()
def delete_rule(*, rule: MeasureRule, actor: Actor, now: datetime) -> None:
    """What it said is over. Raises NotFoundError."""
    locked = _locked_rule(rule.pk)
    forget(locked, by="the rule was removed", now=now)
    auditlog.record(actor=actor, action="rule.delete", target=locked.name, tree=locked.tree)
    locked.delete()


@auditlog.audited()
def save_objective(
    *, objective: Objective | None, fields: ObjectiveFields, actor: Actor, now: datetime
) -> Objective:
    """Make or change an objective. One that counts something else begins anew. Raises InvalidRuleError."""
    check_objective(fields)
    made = Objective(created_by=actor.name) if objective is None else _locked_objective(objective.pk)
    if objective is not None:
        resolve_subject(kind=Kind.BUDGET_BURNS, subject=made.name, by="the objective was changed", now=now)
        if any(
            getattr(made, name) != getattr(fields, name)
            for name in ("indicator", "tree", "pattern", "latency_s")
        ):
            made.minutes.all().delete()
        made.version += 1
    for name in ObjectiveFields.__slots__:
        setattr(made, name, getattr(fields, name))
    _save(made)
    auditlog.record(
        actor=actor, action="objective.create" if objective is None else "objective.change", target=made.name,
        tree=made.tree, details={name: getattr(fields, name) for name in ("indicator", "target", "days", "is_enabled")},
    )  # fmt: skip
    return made


@auditlog.audited()
def delete_objective(*, objective: Objective, actor: Actor, now: datetime) -> None:
    """With what was counted for it. Raises NotFoundError."""
    locked = _locked_objective(objective.pk)
    resolve_subject(kind=Kind.BUDGET_BURNS, subject=locked.name, by="the objective was removed", now=now)
    auditlog.record(actor=actor, action="objective.delete", target=locked.name, tree=locked.tree)
    locked.delete()


def check_rule(fields: RuleFields) -> None:
    """Raises InvalidRuleError, which names the first field that cannot be meant."""
    _check_common(fields.name, fields.pattern, fields.runbook_url)
    measure_of(fields.measure)
    _one_of("shape", fields.shape, Shape)
    _one_of("side", fields.side, Side)
    _one_of("severity", fields.severity, Severity)
    _one_of("group", fields.group, Group.values)
    _finite("bound", fields.bound)
    _between("hold_minutes", fields.hold_minutes, 1, MOST_HOLD)
    _between("window_minutes", fields.window_minutes, 2, MOST_WINDOW)
    if fields.recovery is not None:
        _finite("recovery", fields.recovery)
        inside = (
            fields.recovery <= fields.bound if fields.side == Side.ABOVE else fields.recovery >= fields.bound
        )
        if not inside:
            raise InvalidRuleError(
                "recovery", f"it lies beyond the bound {fields.bound:g}, so it would never be over"
            )
    if fields.shape == Shape.RATIO and fields.bound <= 0:
        raise InvalidRuleError("bound", "times the usual: a number above 0")
    if fields.shape == Shape.TREND:
        _finite("within_s", fields.within_s)
        _between("within_s", fields.within_s, 60, MOST_WITHIN_S)
    elif fields.within_s:
        raise InvalidRuleError("within_s", "only a trend has a time to its bound")


def check_objective(fields: ObjectiveFields) -> None:
    """Raises InvalidRuleError, which names the first field that cannot be meant."""
    _check_common(fields.name, fields.pattern, fields.runbook_url)
    _one_of("indicator", fields.indicator, Indicator.values)
    _finite("target", fields.target)
    if not 0 < fields.target < 100:
        raise InvalidRuleError("target", "percent, above 0 and below 100: at 100 there is no budget to watch")
    _between("days", fields.days, 1, MOST_DAYS)
    if fields.indicator == Indicator.TASK_LATENCY:
        if fields.latency_s is None:
            raise InvalidRuleError(
                "latency_s", "task latency needs the run time that is still good, in seconds"
            )
        _finite("latency_s", fields.latency_s)
        if fields.latency_s <= 0:
            raise InvalidRuleError("latency_s", "seconds, above 0")
    elif fields.latency_s is not None:
        raise InvalidRuleError("latency_s", "only task latency has one")


def _check_common(name: str, pattern: str, runbook_url: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > 63:
        raise InvalidRuleError("name", "1 to 63 printable characters")
    if len(pattern) > 400 or not pattern.isprintable():
        raise InvalidRuleError("pattern", "at most 400 printable characters, with * for anything")
    if runbook_url and not runbook_url.startswith(("https://", "http://")):
        raise InvalidRuleError("runbook_url", "a web address, https://…")


def _one_of(field: str, value: str, known: "type[Shape] | type[Side] | type[Severity] | list[str]") -> None:
    names = [str(one) for one in known]
    if value not in names:
        raise InvalidRuleError(field, f"one of {', '.join(names)}")


def _finite(field: str, value: float) -> None:
    if not math.isfinite(value) or abs(value) > 1e18:
        raise InvalidRuleError(field, "a finite number")


def _between(field: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidRuleError(field, f"between {least} and {most}")


def _save(row: MeasureRule | Objective) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise InvalidRuleError("name", f"there is one with the name {row.name} already") from None


def _locked_rule(pk: int) -> MeasureRule:
    row = MeasureRule.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFoundError("there is no such rule")
    return row


def _locked_objective(pk: int) -> Objective:
    row = Objective.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFoundError("there is no such objective")
    return row
