"""What /metrics says of health checks and leaks: how many, by what; never a key, a name or a pid."""

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import Metric

from supervision.leaks.resources import RESOURCES
from supervision.leaks.shared import Kind
from supervision.leaks.words import Action
from supervision.leakwatch.models import DeedState
from supervision.runtime.healthfields import KINDS
from supervision.runtime.healthstate import Health

CHECKS = """
SELECT kind,
       state,
       coalesce(checked_at, since) < clock_timestamp() - 2 * greatest(interval_s, timeout_s) * interval '1 second' AS stale,
       count(*)
FROM supervision_healthcheck
GROUP BY 1, 2, 3"""
LEAKS = """
SELECT resource, action, count(*), min(extract(epoch FROM limit_at - clock_timestamp()))
FROM supervision_leakfinding
WHERE ended_at IS NULL
GROUP BY resource, action"""

DEEDS = """
SELECT deed_state, count(*)
FROM supervision_leakfinding
WHERE deed_state <> ''
GROUP BY deed_state"""
SHARED = """
SELECT kind, count(*)
FROM supervision_sharedleak
WHERE found_at IS NOT NULL AND ended_at IS NULL
GROUP BY kind"""

Rows = Callable[..., list[tuple[Any, ...]]]
Gauge = Callable[..., Metric]


def health_metrics(rows: Rows, gauge: Gauge) -> Iterator[Metric]:
    """Four queries, whatever there is."""
    checks: dict[tuple[str, str], int] = {(kind, str(state)): 0 for kind in KINDS for state in Health}
    stale = 0
    for kind, state, is_stale, number in rows(CHECKS):
        if is_stale:
            stale += number
        else:
            checks[kind, state] = checks.get((kind, state), 0) + number
    yield gauge(
        "health_checks", "Health checks by state; without those that nobody looked at.", ["kind", "state"],
        [([kind, state], number) for (kind, state), number in checks.items()],
    )  # fmt: skip
    yield gauge(
        "health_checks_stale", "Health checks that nobody looked at for two intervals.", [], [([], stale)]
    )
    leaks = {(name, str(action)): 0 for name in RESOURCES for action in Action}
    soonest: float | None = None
    for resource, action, number, left_s in rows(LEAKS):
        leaks[resource, action] = number
        if left_s is not None:
            soonest = float(left_s) if soonest is None else min(soonest, float(left_s))
    yield gauge(
        "leaks", "Resources that grow in processes now, by what is to be done.", ["resource", "action"],
        [([name, action], number) for (name, action), number in leaks.items()],
    )  # fmt: skip
    yield gauge(
        "leak_limit_seconds", "Until the first of them hits its limit.", [],
        [] if soonest is None else [([], max(0.0, soonest))],
    )  # fmt: skip
    deeds = {str(state): 0 for state in DeedState.values} | dict(rows(DEEDS))
    yield gauge(
        "leak_recycles", "Findings of the last 30 days whose child was asked to go by itself, by what came of it.",
        ["state"], [([state], number) for state, number in deeds.items()],
    )  # fmt: skip
    shared = {str(kind): 0 for kind in Kind} | dict(rows(SHARED))
    yield gauge(
        "shared_leaks", "What the fleet leaks together now.", ["kind"],
        [([kind], number) for kind, number in shared.items()],
    )  # fmt: skip
