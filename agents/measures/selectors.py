"""Reads of what agents measure, as a monitoring system is told it: bounded, whatever stands in the rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Min, Sum

from agents.measures.models import AgentCounter, AgentGauge
from agents.measures.services import LEFT_OUT, MOST_KINDS, MOST_NAMES

MOST = MOST_NAMES * MOST_KINDS
FRESH = timedelta(minutes=3)
"""A gauge that was said longer ago is not current: it is left out, never zero."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """Over all agents of a kind, on all nodes."""

    kind: str
    name: str
    total: float
    least: float
    most: float


def counters() -> tuple[list[tuple[str, str, float]], list[tuple[str, float]]]:
    """(kind, name, total) of what is told, and (kind, how many) of values that are not, for lack of room."""
    rows = list(AgentCounter.objects.order_by("kind", "id").values_list("kind", "name", "total"))
    told = [(kind, name, total) for kind, name, total in rows if name != LEFT_OUT]
    return told[:MOST], [(kind, total) for kind, name, total in rows if name == LEFT_OUT]


def gauges(*, now: datetime) -> list[Gauge]:
    """Those that are current."""
    rows = (
        AgentGauge.objects.filter(at__gte=now - FRESH)
        .order_by("kind", "name")
        .values_list("kind", "name")
        .annotate(sum=Sum("total"), min=Min("least"), max=Max("most"))
    )
    return [Gauge(*row) for row in rows[:MOST]]
