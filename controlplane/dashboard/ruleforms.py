"""The forms of rules and objectives: what was typed, read into fields, with what is wrong beside each."""

from collections.abc import Mapping
from typing import Any

from supervision.rules.exceptions import InvalidRuleError
from supervision.rules.models import MeasureRule, Objective
from supervision.rules.services import ObjectiveFields, RuleFields

RULE_BLANK = {
    "name": "", "measure": "rss", "gauge": "", "shape": "threshold", "side": "above", "bound": "", "recovery": "",
    "hold_minutes": "5", "window_minutes": "30", "within_h": "", "tree": "", "pattern": "", "severity": "warning",
    "group": "subject", "runbook_url": "", "is_enabled": "on",
}  # fmt: skip
OBJECTIVE_BLANK = {
    "name": "", "indicator": "availability", "target": "99.9", "days": "28", "latency_s": "", "tree": "",
    "pattern": "", "runbook_url": "", "is_enabled": "on",
}  # fmt: skip
UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
}
GAUGE = "gauge"


def typed(post: Mapping[str, str], blank: Mapping[str, str]) -> dict[str, str]:
    """What was sent, to be shown again whatever became of it."""
    return {name: post.get(name, "").strip()[:500] for name in blank}


def of_rule(rule: MeasureRule) -> dict[str, str]:
    """A rule as its form shows it."""
    own = rule.measure.startswith("gauge:")
    return {
        name: _text(getattr(rule, name))
        for name in RULE_BLANK
        if name not in ("gauge", "within_h", "measure", "is_enabled")
    } | {
        "measure": GAUGE if own else rule.measure,
        "gauge": rule.measure.removeprefix("gauge:") if own else "",
        "within_h": f"{rule.within_s / 3600:g}" if rule.within_s else "",
        "is_enabled": "on" if rule.is_enabled else "",
    }


def of_objective(objective: Objective) -> dict[str, str]:
    """An objective as its form shows it."""
    return {name: _text(getattr(objective, name)) for name in OBJECTIVE_BLANK if name != "is_enabled"} | {
        "is_enabled": "on" if objective.is_enabled else ""
    }


def rule_fields(form: Mapping[str, str]) -> RuleFields:
    """Raises InvalidRuleError with the form's field."""
    own = form["measure"] == GAUGE
    is_trend = form["shape"] == "trend"
    return RuleFields(
        name=form["name"],
        measure=f"gauge:{form['gauge']}" if own else form["measure"],
        shape=form["shape"],
        side=form["side"],
        bound=_number("bound", form["bound"]),
        recovery=_number("recovery", form["recovery"]) if form["recovery"] else None,
        hold_minutes=whole("hold_minutes", form["hold_minutes"]),
        window_minutes=whole("window_minutes", form["window_minutes"]),
        within_s=_number("within_h", form["within_h"]) * 3600 if is_trend and form["within_h"] else 0.0,
        tree=form["tree"],
        pattern=form["pattern"],
        severity=form["severity"],
        group=form["group"],
        runbook_url=form["runbook_url"],
        is_enabled=form["is_enabled"] == "on",
    )


def objective_fields(form: Mapping[str, str]) -> ObjectiveFields:
    """Raises InvalidRuleError with the form's field."""
    return ObjectiveFields(
        name=form["name"],
        indicator=form["indicator"],
        target=_number("target", form["target"]),
        days=whole("days", form["days"]),
        latency_s=_number("latency_s", form["latency_s"]) if form["latency_s"] else None,
        tree=form["tree"],
        pattern=form["pattern"],
        runbook_url=form["runbook_url"],
        is_enabled=form["is_enabled"] == "on",
    )


def field_of(error: InvalidRuleError) -> str:
    """The form's name of the field that is wrong."""
    return {"within_s": "within_h"}.get(error.field, error.field)


def _number(field: str, text: str) -> float:
    """A number, also with a unit of size: 512 MiB. Raises InvalidRuleError."""
    words = text.replace(",", ".").split()
    number = words[0] if words else ""
    digits = number.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = (number[len(digits) :] + "".join(words[1:])).lower()
    try:
        return float(digits) * UNITS[unit]
    except (ValueError, KeyError):
        raise InvalidRuleError(field, "a number, such as 0.5 or 512 MiB") from None


def whole(field: str, text: str) -> int:
    """Raises InvalidRuleError."""
    if not text.isdecimal() or len(text) > 9:
        raise InvalidRuleError(field, "a whole number")
    return int(text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value)
