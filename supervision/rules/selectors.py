"""Reads of the rules room."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Count,
    DateTimeField,
    ExpressionWrapper,
    F,
    Max,
    Q,
    QuerySet,
    Sum,
    Value,
)

from supervision.rules.budget import BURNS, Standing, Tally, burn_rate, standing
from supervision.rules.exceptions import NotFoundError
from supervision.rules.models import Crossing, MeasureRule, Objective


def rules(*, trees: Collection[str] | None) -> QuerySet[MeasureRule]:
    """By name, with `crossed`: how many subjects are beyond the bound. A rule over every tree needs all of them."""
    found = MeasureRule.objects.order_by("name").annotate(
        crossed=Count("crossings"), crossed_at=Max("crossings__since")
    )
    return found if trees is None else found.filter(tree__in=sorted(trees)).exclude(tree="")


def get_rule(pk: int, *, trees: Collection[str] | None) -> MeasureRule:
    """Raises NotFoundError, also for one that is not the caller's business."""
    found = rules(trees=trees).filter(pk=pk).first()
    if found is None:
        raise NotFoundError("there is no such rule")
    return found


def crossings(rule: MeasureRule) -> QuerySet[Crossing]:
    """Longest first."""
    return rule.crossings.order_by("since", "subject")


WINDOWS = tuple(sorted({window for burn in BURNS for window in (burn.long_s, burn.short_s)}))
"""Seconds."""


def objectives(*, trees: Collection[str] | None, now: datetime) -> QuerySet[Objective]:
    """By name, with what `state_of` needs, in one query however many there are."""
    begin: dict[str, Any] = {f"{window}": now - timedelta(seconds=window) for window in WINDOWS}
    begin["whole"] = ExpressionWrapper(
        Value(now) - F("days") * Value(timedelta(days=1)), output_field=DateTimeField()
    )
    sums = {
        f"{what}_{name}": Sum(f"minutes__{what}", filter=Q(minutes__at__gte=since))
        for name, since in begin.items()
        for what in ("good", "total")
    }
    found = Objective.objects.order_by("name").annotate(**sums)
    return found if trees is None else found.filter(tree__in=sorted(trees)).exclude(tree="")


def get_objective(pk: int, *, trees: Collection[str] | None, now: datetime) -> Objective:
    """As `objectives`. Raises NotFoundError, also for one that is not the caller's business."""
    found = objectives(trees=trees, now=now).filter(pk=pk).first()
    if found is None:
        raise NotFoundError("there is no such objective")
    return found


@dataclass(frozen=True, slots=True)
class State:
    """How an objective stands: over its span, and the burn rates by window in seconds (None: nothing counted)."""

    standing: Standing
    rates: dict[int, float | None]


def state_of(objective: Objective) -> State:
    """Of a row of `objectives`."""
    rates = {window: burn_rate(_tally(objective, str(window)), objective.target) for window in WINDOWS}
    return State(standing(_tally(objective, "whole"), objective.target), rates)


def _tally(objective: Objective, name: str) -> Tally:
    return Tally(getattr(objective, f"good_{name}") or 0.0, getattr(objective, f"total_{name}") or 0.0)
