"""Writes of what agents measure: each node's minutes, summed up by kind of agent, with a bound of names."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from agents.measures.models import AgentCounter, AgentGauge

MOST_NAMES = 50
"""Of one kind, of counters and of gauges each; the first to come. A counter is one series, a gauge is three: 200 in all."""
MOST_KINDS = 50
"""What agents of further kinds say is left out, and counted for the kind without a name."""
LEFT_OUT = ""
COUNTERS_KEPT = timedelta(days=30)
GAUGES_KEPT = timedelta(hours=1)

Name = tuple[str, str]
"""(kind, name)."""


@dataclass(frozen=True, slots=True)
class AgentMinute:
    """What one agent said of itself in the minute that began `at`: of each name `last`, of a counter also `added`."""

    kind: str
    at: datetime
    sums: Mapping[str, Mapping[str, float]]


class _Bound:
    """Which names are told: those that are known, and new ones as long as their kind has room."""

    def __init__(self, model: type[AgentCounter] | type[AgentGauge]) -> None:
        rows = model._default_manager.exclude(name=LEFT_OUT)
        self._known = set(rows.order_by().values_list("kind", "name").distinct())
        self._names = Counter(kind for kind, _ in self._known)

    def admits(self, kind: str, name: str) -> bool:
        if (kind, name) in self._known:
            return True
        if not self.has_kind(kind) or self._names[kind] >= MOST_NAMES:
            return False
        self._known.add((kind, name))
        self._names[kind] += 1
        return True

    def has_kind(self, kind: str) -> bool:
        """Whether it is one of those that may be told."""
        return kind in self._names or len(self._names) < MOST_KINDS


def note_minutes(*, node_id: str, minutes: Iterable[AgentMinute], now: datetime) -> None:
    """Take in minutes of a node's agents, each of them once: in the transaction that stores them.

    Counters add up what came to them; of gauges the newest minute counts.
    """
    told = list(minutes)
    if not told:
        return
    newest = max(minute.at for minute in told)
    counters, gauges = _Bound(AgentCounter), _Bound(AgentGauge)
    added: Counter[Name] = Counter()
    values: dict[Name, list[float]] = {}
    for minute in told:
        for name, sums in minute.sums.items():
            bound = counters if "added" in sums else gauges
            if not bound.admits(minute.kind, name):
                added[minute.kind if bound.has_kind(minute.kind) else "", LEFT_OUT] += 1
            elif bound is counters:
                added[minute.kind, name] += sums["added"]  # type: ignore[assignment]  # typeshed: whole numbers only
            elif minute.at == newest:
                values.setdefault((minute.kind, name), []).append(sums["last"])
    _add(added, now)
    _put(node_id, values, newest)


_ADD = """
INSERT INTO agents_agentcounter AS known (kind, name, total, changed_at)
SELECT kind, name, total, %(now)s
FROM unnest(%(kinds)s::text[], %(names)s::text[], %(totals)s::float8[]) AS told (kind, name, total)
ORDER BY kind, name
ON CONFLICT (kind, name) DO UPDATE
SET total = known.total + EXCLUDED.total,
    changed_at = EXCLUDED.changed_at"""
"""In the order of their names, so that two nodes that add at once wait for each other and never both."""


def _add(added: Mapping[Name, float], now: datetime) -> None:
    if not added:
        return
    kinds, names = zip(*added, strict=True)
    # Any: of several types
    told: dict[str, Any] = {
        "now": now,
        "kinds": list(kinds),
        "names": list(names),
        "totals": list(added.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ADD, told)


def _put(node_id: str, values: Mapping[Name, list[float]], at: datetime) -> None:
    rows = [
        AgentGauge(
            node_id=node_id,
            kind=kind,
            name=name,
            agents=len(each),
            total=sum(each),
            least=min(each),
            most=max(each),
            at=at,
        )
        for (kind, name), each in values.items()
    ]
    AgentGauge.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["node", "kind", "name"],
        update_fields=["agents", "total", "least", "most", "at"],
    )


def drop_old(*, now: datetime) -> int:
    """Remove what nobody says any more, so that other names may come. How many rows."""
    counters, _ = AgentCounter.objects.filter(changed_at__lt=now - COUNTERS_KEPT).delete()
    gauges, _ = AgentGauge.objects.filter(at__lt=now - GAUGES_KEPT).delete()
    return counters + gauges
