"""Writes of rules on issues: made, changed and removed, each with an entry of the audit log."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.services import resolve_subject
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.errors.store import selectors
from supervision.errors.store.models import ErrorProject
from supervision.rules.exceptions import InvalidRuleError, NotFoundError
from supervision.rules.issues.models import COUNTED, MAX_FILTER, IssueRule, Trigger
from supervision.rules.issues.quiet import InvalidQuietError, quiet_of

MOST_RULES = 500
MOST_COUNT = 1_000_000
MOST_WINDOW = 24 * 60
"""Minutes; they are kept for a day."""
MOST_GATHER_S = 3600
MOST_MESSAGES = 3600

Accepts = Callable[[str], Q]
"""What a filter says of issues, as a condition; ValueError with the reason. Of who knows the lists' grammar."""


@dataclass(frozen=True, slots=True)
class IssueRuleFields:
    """A rule as it was asked for; see IssueRule for what each means. `project`: its slug, empty for all."""

    name: str
    trigger: str
    project: str = ""
    environment: str = ""
    count: int = 1
    window_minutes: int = 60
    filter: str = ""
    gather_s: int = 30
    most_per_hour: int = 10
    quiet_from: str = ""
    quiet_until: str = ""
    quiet_zone: str = "UTC"
    severity: str = Severity.WARNING.value
    runbook_url: str = ""
    is_enabled: bool = True


@auditlog.audited()
def save_rule(
    *, rule: IssueRule | None, fields: IssueRuleFields, accepts: Accepts, actor: Actor, now: datetime
) -> IssueRule:
    """Make or change a rule; what it found before is over. Raises InvalidRuleError, NotFoundError."""
    check_rule(fields, accepts)
    if rule is None and IssueRule.objects.count() >= MOST_RULES:
        raise InvalidRuleError("name", f"there are {MOST_RULES} rules already")
    made = IssueRule(created_by=actor.name) if rule is None else _locked(rule.pk)
    if rule is not None:
        forget(made, by="the rule was changed", now=now)
        made.version += 1
    for name in IssueRuleFields.__slots__:
        if name != "project":
            setattr(made, name, getattr(fields, name))
    made.project, made.trouble = project_called(fields.project), ""
    _save(made)
    auditlog.record(
        actor=actor, action="issue_rule.create" if rule is None else "issue_rule.change", target=made.name,
        tree=made.tree, details={name: getattr(fields, name) for name in ("trigger", "environment", "filter", "is_enabled")},
    )  # fmt: skip
    return made


@auditlog.audited()
def set_enabled(*, rule: IssueRule, is_enabled: bool, actor: Actor, now: datetime) -> IssueRule:
    """Look at it, or not any more; what it found is over then. Raises NotFoundError."""
    locked = _locked(rule.pk)
    if locked.is_enabled != is_enabled:
        if not is_enabled:
            forget(locked, by="the rule was switched off", now=now)
        locked.is_enabled = is_enabled
        locked.version += 1
        locked.save(update_fields=["is_enabled", "version"])
        auditlog.record(
            actor=actor,
            action="issue_rule.enable" if is_enabled else "issue_rule.disable",
            target=locked.name,
            tree=locked.tree,
        )
    return locked


@auditlog.audited()
def delete_rule(*, rule: IssueRule, actor: Actor, now: datetime) -> None:
    """What it found is over. Raises NotFoundError."""
    locked = _locked(rule.pk)
    forget(locked, by="the rule was removed", now=now)
    auditlog.record(actor=actor, action="issue_rule.delete", target=locked.name, tree=locked.tree)
    locked.delete()


def forget(rule: IssueRule, *, by: str, now: datetime) -> None:
    """Its alerts are over, and what it found is gone."""
    subjects = rule.firings.exclude(alert=None).filter(alert__resolved_at=None)
    for subject in set(subjects.values_list("alert__subject", flat=True)):
        resolve_subject(kind=Kind.ISSUE_FOUND, subject=subject, by=by, now=now)
    rule.firings.all().delete()


def check_rule(fields: IssueRuleFields, accepts: Accepts) -> None:
    """Raises InvalidRuleError, which names the first field that cannot be meant."""
    if not fields.name.strip() or not fields.name.isprintable() or len(fields.name) > 63:
        raise InvalidRuleError("name", "1 to 63 printable characters")
    if fields.trigger not in Trigger.values:
        raise InvalidRuleError("trigger", f"one of {', '.join(Trigger.values)}")
    if fields.severity not in [str(one) for one in Severity]:
        raise InvalidRuleError("severity", f"one of {', '.join(str(one) for one in Severity)}")
    project_called(fields.project)
    if len(fields.environment) > 64 or not fields.environment.isprintable():
        raise InvalidRuleError("environment", "at most 64 printable characters")
    if fields.runbook_url and (
        not fields.runbook_url.startswith(("https://", "http://")) or len(fields.runbook_url) > 500
    ):
        raise InvalidRuleError("runbook_url", "a web address, https://…")
    _between("count", fields.count, 1, MOST_COUNT)
    if fields.count != 1 and fields.trigger not in COUNTED:
        raise InvalidRuleError("count", "only events, users and workers are counted")
    if fields.trigger == Trigger.WORKERS and fields.count > 100:
        raise InvalidRuleError("count", "percent of the workers: 1 to 100")
    _between("window_minutes", fields.window_minutes, 1, MOST_WINDOW)
    _between("gather_s", fields.gather_s, 0, MOST_GATHER_S)
    _between("most_per_hour", fields.most_per_hour, 1, MOST_MESSAGES)
    try:
        quiet_of(fields.quiet_from, fields.quiet_until, fields.quiet_zone)
    except InvalidQuietError as error:
        raise InvalidRuleError(error.field, str(error)) from None
    if len(fields.filter) > MAX_FILTER:
        raise InvalidRuleError("filter", f"at most {MAX_FILTER} characters")
    try:
        accepted(fields.filter, accepts, among=[0])
    except ValueError as error:
        raise InvalidRuleError("filter", str(error)) from None


def accepted(text: str, accepts: Accepts, *, among: Collection[int]) -> list[int]:
    """The issues among these that a filter accepts. ValueError for one that cannot be understood, or not be answered."""
    try:
        with transaction.atomic():
            rows = selectors.issues(trees=None).filter(accepts(text), pk__in=list(among))
            return list(rows.order_by("pk").values_list("pk", flat=True))
    except (DataError, OverflowError):
        raise ValueError("a number in it is too large") from None


def project_called(slug: str) -> ErrorProject | None:
    """None for no name. Raises InvalidRuleError."""
    if not slug:
        return None
    found = ErrorProject.objects.filter(slug=slug).first()
    if found is None:
        raise InvalidRuleError("project", "there is no such project")
    return found


def _save(row: IssueRule) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise InvalidRuleError("name", f"there is one with the name {row.name} already") from None


def _between(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidRuleError(field, f"between {least} and {most}")


def _locked(pk: int) -> IssueRule:
    row = IssueRule.objects.select_for_update(of=("self",)).select_related("project").filter(pk=pk).first()
    if row is None:
        raise NotFoundError("there is no such rule")
    return row
