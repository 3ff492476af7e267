"""Rules and objectives: what is watched, what is beyond its bound now, and what is left of each error budget."""

from typing import Any

from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.rules import selectors
from supervision.rules.budget import BURNS
from supervision.rules.conditions import Shape
from supervision.rules.measures import MEASURES, measure_of, shown
from supervision.rules.models import Crossing, Indicator, MeasureRule, Objective

NAMED = 5
"""Crossings that are listed below their rule."""
HOUR, SIX_HOURS = BURNS[0].long_s, BURNS[1].long_s
TONES = {"critical": "crit", "warning": "warn", "info": "idle"}
INDICATORS = {
    Indicator.AVAILABILITY: "seconds that children should run, and do",
    Indicator.TASK_SUCCESS: "attempts of tasks that succeed",
    Indicator.TASK_LATENCY: "attempts that end within",
}


def select(request: PageRequest) -> Context:
    rules: list[Any] = list(selectors.rules(trees=request.visible))
    named: dict[int, list[Crossing]] = {}
    for crossing in Crossing.objects.filter(rule__in=[rule for rule in rules if rule.crossed]).order_by(
        "since", "pk"
    ):
        named.setdefault(crossing.rule_id, []).append(crossing)
    objectives = selectors.objectives(trees=request.visible, now=timezone.now())
    return {
        "rules": [_rule(request, rule, named.get(rule.pk, [])) for rule in rules],
        "objectives": [_objective(request, objective) for objective in objectives],
        "may_make": request.principal.can_somewhere(Permission.ADMIN),
    }


def in_words(rule: MeasureRule) -> str:
    """What has to hold, such as "resident memory above 1 GiB for 5 minutes"."""
    measure = measure_of(rule.measure)
    bound, side = shown(rule.bound, measure.unit), str(rule.side)
    hold = "" if rule.hold_minutes == 1 else f" for {rule.hold_minutes} min"
    match rule.shape:
        case Shape.RATE:
            return f"{measure.words} changes by {side} {bound} a minute, over {rule.window_minutes} min"
        case Shape.RATIO:
            return f"{measure.words} {side} {rule.bound:g} times the usual of {rule.window_minutes} min{hold}"
        case Shape.TREND:
            within = f"{rule.within_s / 3600:.2g} h"
            return (
                f"{measure.words} reaches {bound} within {within}, by its trend of {rule.window_minutes} min"
            )
        case _:
            return f"{measure.words} {side} {bound}{hold}"


def _rule(request: PageRequest, rule: Any, crossings: list[Crossing]) -> dict[str, Any]:
    if not rule.is_enabled:
        tone, state = "idle", "off"
    elif rule.trouble:
        tone, state = "warn", rule.trouble
    elif rule.crossed:
        tone, state = TONES[rule.severity], f"{rule.crossed} beyond the bound"
    elif rule.looked_at is None:
        tone, state = "idle", "not looked at yet"
    else:
        tone, state = "ok", "calm"
    return {
        "name": rule.name,
        "words": in_words(rule),
        "where": _where(rule.tree, rule.pattern),
        "tone": tone,
        "state": state,
        "severity": rule.severity,
        "looked_at": seconds(rule.looked_at),
        "crossings": [
            {
                "subject": one.subject,
                "words": one.words,
                "since": seconds(one.since),
                "url": reverse("process", args=[one.key]) if one.key else None,
            }
            for one in crossings[:NAMED]
        ],
        "more": max(0, len(crossings) - NAMED),
        "url": reverse("rule", args=[rule.pk])
        if request.principal.can(Permission.ADMIN, rule.tree)
        else None,
    }


def _objective(request: PageRequest, objective: Objective) -> dict[str, Any]:
    state = selectors.state_of(objective)
    left, words = state.standing.left, INDICATORS[Indicator(objective.indicator)]
    hour = state.rates[HOUR]
    return {
        "name": objective.name,
        "words": words + (f" {objective.latency_s:g} s" if objective.latency_s is not None else ""),
        "where": _where(objective.tree, objective.pattern),
        "target": f"{objective.target:g} %",
        "days": objective.days,
        "attained": None if state.standing.attained is None else f"{state.standing.attained:.3f} %",
        "left": None if left is None else f"{left:.0%}" if left > 0 else "used up",
        "left_width": 0 if left is None else round(72 * min(max(left, 0.0), 1.0)),
        "tone": _tone(objective, left, hour),
        "hour": None if hour is None else f"{hour:.1f}",
        "six_hours": None if state.rates[SIX_HOURS] is None else f"{state.rates[SIX_HOURS]:.1f}",
        "is_enabled": objective.is_enabled,
        "url": reverse("objective", args=[objective.pk])
        if request.principal.can(Permission.ADMIN, objective.tree)
        else None,
    }


def _tone(objective: Objective, left: float | None, hour: float | None) -> str:
    if left is None or not objective.is_enabled:
        return "idle"
    if left <= 0 or (hour is not None and hour >= BURNS[0].rate):
        return "crit"
    return "warn" if left < 0.25 or (hour is not None and hour >= BURNS[1].rate) else "ok"


def _where(tree: str, pattern: str) -> str:
    if tree and pattern:
        return f"{tree}: {pattern}"
    return pattern or (f"tree {tree}" if tree else "everywhere")


KNOWN = [
    (measure.name, f"{measure.words} ({measure.unit})" if measure.unit else measure.words)
    for measure in MEASURES.values()
]

PAGE = Page(
    slug="rules",
    title="Rules and objectives",
    path="rules",
    template="dashboard/rules.html",
    select=select,
)
