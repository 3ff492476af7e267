"""What leaks and what is not well, as things that need attention. Pure.

Rows are objects of the topics `leaks` and `health`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from supervision.explain.words import duration
from supervision.leaks.resources import RESOURCES
from supervision.leaks.words import Action, pace
from supervision.runtime.healthstate import Health

Row = Mapping[str, Any]
LEAKING = {Action.RESTART: ("trouble", 78), Action.RECYCLE: ("warning", 62), Action.WATCH: ("warning", 45)}
"""How bad, by what is to be done."""
ILL = {
    Health.UNRESPONSIVE: ("trouble", 77),
    Health.UNHEALTHY: ("trouble", 76),
    Health.DEGRADED: ("warning", 42),
}


def of_leaks(rows: Iterable[Row], now: float) -> Iterable[dict[str, Any]]:
    """Keyword arguments of concerns about what grows now."""
    for row in rows:
        if row["ended_at"] is not None:
            continue
        level, weight = LEAKING[Action(row["action"])]
        words, rate = RESOURCES[row["resource"]].words, pace(row["resource"], row["rate"], short=True)
        limit_at = row["limit_at"]
        left = f", limit in {duration(max(0.0, limit_at - now))}" if limit_at is not None else ""
        yield {
            "key": row["key"], "node": row["node"], "host": row["host"], "kind": "leak", "state": "leaking",
            "level": level, "text": f"{row['key']}: {words} {_grows(row['resource'])} by {rate}{left}",
            "since": row["since"], "weight": weight, "path": f"leaks/{row['id']}",
        }  # fmt: skip


def _grows(resource: str) -> str:
    return "grows" if RESOURCES[resource].is_bytes else "grow"


def of_checks(rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    """Keyword arguments of concerns about checks that fail; the worst of a child stands for it."""
    worst: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row["stale"] or Health(row["state"]) not in ILL:
            continue
        place = row["node"], row["key"]
        if place not in worst or ILL[Health(worst[place]["state"])][1] < ILL[Health(row["state"])][1]:
            worst[place] = row
    for row in worst.values():
        level, weight = ILL[Health(row["state"])]
        detail = f": {row['detail']}" if row["detail"] else ""
        yield {
            "key": row["key"], "node": row["node"], "host": row["host"], "kind": "health", "state": row["state"],
            "level": level, "text": f"{row['key']} is {row['state']}, {row['name']}{detail}",
            "since": row["since"], "weight": weight, "path": "health",
        }  # fmt: skip


def others(found: Sequence[Any], members: frozenset[tuple[str, str]]) -> int:
    """How many children are named only because they leak or are not well."""
    return len({(one.node, one.key) for one in found if one.kind in ("leak", "health")} - members)
