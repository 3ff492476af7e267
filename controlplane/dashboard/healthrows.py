"""Health as pages show it: checks in words, and how it rolls up the tree. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from supervision.runtime.healthstate import ORDER, Health, worst

OF_STATE = {
    "running": Health.HEALTHY,
    "completed": Health.HEALTHY,
    "backoff": Health.DEGRADED,
    "failed": Health.UNHEALTHY,
    "lost": Health.UNHEALTHY,
}
"""What a child's own state says of its health; of any other state nothing is known."""
SHOWN_STALE = "stale"
SICK = (Health.UNHEALTHY, Health.UNRESPONSIVE)
CONSEQUENCE = {"none": "", "restart": "restarts it", "escalate": "its supervisor fails"}

Row = Mapping[str, Any]


def check_row(row: Row, now: float) -> dict[str, Any]:
    """One of the topic `health`. What nobody looked at for two intervals is shown as stale, not as it was."""
    return {
        **row,
        "shown": SHOWN_STALE if row["stale"] else row["state"],
        "age_s": None if row["checked_at"] is None else max(0.0, now - row["checked_at"]),
        "consequence": CONSEQUENCE[row["on_unhealthy"]],
    }


def urgency(row: Row) -> tuple[int, str, str]:
    """The worst first; what is stale stands behind what is known to be ill."""
    rank = ORDER.index(Health(row["state"]))
    if row["stale"]:
        rank = ORDER.index(Health.DEGRADED)
    return -rank, row["key"], row["name"]


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """Checks by what is shown of them."""
    found = dict.fromkeys([*map(str, reversed(ORDER)), SHOWN_STALE], 0)
    for row in rows:
        found[SHOWN_STALE if row["stale"] else row["state"]] += 1
    return found


def by_node(rows: Sequence[Row], nodes: Sequence[Row]) -> list[dict[str, Any]]:
    """For each node: its checks by state, and since when its monitor is silent, if all that it was to check is stale."""
    found = []
    for node in nodes:
        own = [row for row in rows if row["node"] == node["node"]]
        silent = bool(own) and all(row["stale"] for row in own)
        found.append(
            {
                "node": node["node"],
                "host": node["host"],
                "state": node["state"],
                "total": len(own),
                "counts": {name: number for name, number in counts(own).items() if number},
                "silent": silent,
                "since": max((row["checked_at"] or row["since"] for row in own), default=None)
                if silent
                else None,
            }
        )
    return found


def rolled_up(members: Sequence[Row], checks: Sequence[Row]) -> list[dict[str, Any]]:
    """Supervisors in the order of their keys, each with the worst below it and how many children are how well.

    A child is as well as the worst of its state and its checks; `members` are rows of the topic `tree`.
    """
    found: dict[tuple[str, str], list[Health]] = {}
    for row in checks:
        if not row["stale"]:
            found.setdefault((row["node"], row["key"]), []).append(Health(row["state"]))
    supervisors = {
        (row["node"], row["key"]): {
            "key": row["key"],
            "node": row["node"],
            "host": row["host"],
            "depth": row["key"].count("/"),
            "counts": {},
            "states": [],
        }
        for row in members
        if row["is_supervisor"]
    }
    for row in members:
        if row["is_supervisor"]:
            continue
        own = worst([OF_STATE.get(row["state"], Health.UNKNOWN), *found.get((row["node"], row["key"]), ())])
        if row["state"] in ("stopped", "held") and own is Health.UNKNOWN:
            continue  # nobody expects anything of it
        above = row["key"].rpartition("/")[0]
        while above:
            holder = supervisors.get((row["node"], above))
            if holder is not None:
                holder["counts"][str(own)] = holder["counts"].get(str(own), 0) + 1
                holder["states"].append(own)
            above = above.rpartition("/")[0]
    rows = sorted(supervisors.values(), key=lambda one: (one["key"], one["host"]))
    return [{**row, "state": str(worst(row.pop("states")))} for row in rows if row["counts"]]
