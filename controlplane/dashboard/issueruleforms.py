"""The form of a rule on issues: what was typed, read into fields, with what is wrong beside each."""

from collections.abc import Mapping

from controlplane.dashboard.ruleforms import whole
from supervision.rules.issues.models import COUNTED, IssueRule
from supervision.rules.issues.services import IssueRuleFields

BLANK = {
    "name": "", "project": "", "environment": "", "trigger": "new", "count": "100", "window_minutes": "60",
    "filter": "", "gather_s": "30", "most_per_hour": "10", "quiet_from": "", "quiet_until": "",
    "quiet_zone": "UTC", "severity": "warning", "runbook_url": "", "is_enabled": "on",
}  # fmt: skip


def of_rule(rule: IssueRule) -> dict[str, str]:
    """A rule as its form shows it."""
    shown = {name: str(getattr(rule, name)) for name in BLANK if name not in ("project", "is_enabled")}
    return shown | {
        "project": rule.project.slug if rule.project is not None else "",
        "is_enabled": "on" if rule.is_enabled else "",
    }


def rule_fields(form: Mapping[str, str]) -> IssueRuleFields:
    """Raises InvalidRuleError with the form's field. What is not counted needs no number."""
    is_counted = form["trigger"] in COUNTED
    return IssueRuleFields(
        name=form["name"],
        trigger=form["trigger"],
        project=form["project"],
        environment=form["environment"],
        count=whole("count", form["count"]) if is_counted else 1,
        window_minutes=whole("window_minutes", form["window_minutes"]) if is_counted else 60,
        filter=form["filter"],
        gather_s=whole("gather_s", form["gather_s"]),
        most_per_hour=whole("most_per_hour", form["most_per_hour"]),
        quiet_from=form["quiet_from"],
        quiet_until=form["quiet_until"],
        quiet_zone=form["quiet_zone"] or "UTC",
        severity=form["severity"],
        runbook_url=form["runbook_url"],
        is_enabled=form["is_enabled"] == "on",
    )
