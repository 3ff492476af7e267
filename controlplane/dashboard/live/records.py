"""What the reader brings, as the tables want it. Pure.

A record is a row of the database as a mapping by column name, moments as aware datetimes; what leaves here has Unix seconds.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from controlplane.dashboard.live.topics import SAMPLE

Record = Mapping[str, Any]
Facts = dict[str, Any]


def seconds(moment: datetime | float | None) -> float | None:
    """Unix seconds, to the millisecond."""
    if isinstance(moment, datetime):
        return round(moment.timestamp(), 3)
    return None if moment is None else round(float(moment), 3)


def row_id(node: str, key: str) -> str:
    return f"{node}:{key}"


def node_facts(record: Record) -> Facts:
    labels = record["labels"] or {}
    return {
        "node": record["id"],
        "host": record["name"] or record["id"][:8],
        "state": record["state"],
        "draining": record["draining"],
        "labels": [f"{name}={value}" for name, value in sorted(labels.items())],
        "version": record["version"],
        "pid": record["pid"],
        "guardian_pid": record["guardian_pid"],
        "started_at": seconds(record["started_at"]),
        "joined_at": seconds(record["joined_at"]),
        "renewed_at": seconds(record["renewed_at"]),
        "lease_until": seconds(record["lease_until"]),
        "epoch": record["epoch"],
        "journal_seq": record["journal_seq"],
        "helpers": record["helpers"] or [],
    }


def member_facts(record: Record, host: str) -> Facts:
    """A child's or supervisor's columns of `procs` and `tree`, samples and roll-ups apart."""
    key = record["key"]
    return {
        "key": key,
        "name": record["child_id"] or key.rpartition("/")[2],
        "tree": record["tree"],
        "parent": record["parent"],
        "node": record["node_id"],
        "host": host,
        "position": record["position"],
        "is_supervisor": record["is_supervisor"],
        "kind": "supervisor" if record["is_supervisor"] else record["kind"],
        "state": record["state"],
        "wanted": record["wanted"],
        "incarnation": record["incarnation"],
        "pid": record["pid"],
        "since": seconds(record["since"]),
        "restarts": record["restarts"],
        "restart": record["restart"],
        "exit": record["last_exit_reason"] or None,
        "exit_at": seconds(record["last_exit_at"]),
        "exit_incarnation": record["last_exit_incarnation"],
        "held": record["held"],
        "held_until": seconds(record["held_until"]),
        "backoff_until": seconds(record["backoff_until"]),
        "waiting_for": record["waiting_for"] or [],
        "status": record["status"],
        "stage": record["stage"],
        "command": record["command"] or [],
        "ready": record["ready"],
        "dynamic": record["dynamic"],
        "strategy": record["strategy"] or None,
        "intensity": record["intensity"],
        "period": record["period"],
        "window_used": record["window_used"],
        "removed": record["removed"],
    }


def sample_rows(payload: Mapping[str, Any]) -> tuple[float | None, dict[str, tuple[Any, ...]]]:
    """When they were taken, and by key the values in the order of SAMPLE; lists in columns, as the sampler sends them.

    A column that is missing or short is not known. Raises ValueError for what is no such message.
    """
    keys = payload.get("key")
    if not isinstance(keys, list):
        raise ValueError("samples without keys")
    at = payload.get("at")
    if isinstance(at, list):
        at = max((one for one in at if isinstance(one, int | float)), default=None)
    columns = [_column(payload.get(name), len(keys)) for name in SAMPLE]
    rows = dict(zip(map(str, keys), zip(*columns, strict=True), strict=True))
    return (float(at) if isinstance(at, int | float) else None), rows


def _column(values: object, length: int) -> list[Any]:
    if not isinstance(values, list) or len(values) != length:
        return [None] * length
    return [value if isinstance(value, int | float) else None for value in values]


def count_states(members: Iterable[Facts], states: Iterable[str]) -> dict[str, int]:
    counts = dict.fromkeys(states, 0)
    for member in members:
        counts[member["state"]] = counts.get(member["state"], 0) + 1
    return counts
