"""Events, lives and restarts as rows of topics. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from controlplane.dashboard.live.fleet_state import FleetState, Place
from controlplane.dashboard.live.records import Facts, Record, row_id, seconds
from controlplane.dashboard.live.topics import ALERTS, EVENTS, HEALTH, LEAKS, PROCS, SHARED_LEAKS
from supervision.explain.narration import ROUTINE, narrate
from supervision.health.models import stale_after_s

Minutes = dict[str, tuple[int, Sequence[int], Sequence[int]]]


def history(rows: Iterable[Record]) -> tuple[dict[Place, int], Minutes]:
    """Ends of the last hour, by child, and by tree and minute."""
    restarts: dict[Place, int] = {}
    by_tree: dict[str, dict[int, tuple[int, int]]] = {}
    for row in rows:
        place = (row["node_id"], row["key"])
        restarts[place] = restarts.get(place, 0) + row["ends"]
        minutes = by_tree.setdefault(row["tree"], {})
        ends, failures = minutes.get(row["minute"], (0, 0))
        minutes[row["minute"]] = (ends + row["ends"], failures + row["failures"])
    return restarts, {tree: _series(minutes) for tree, minutes in by_tree.items()}


def _series(minutes: Mapping[int, tuple[int, int]]) -> tuple[int, Sequence[int], Sequence[int]]:
    first, last = min(minutes), max(minutes)
    found = [minutes.get(minute, (0, 0)) for minute in range(first, last + 1)]
    return first, [ends for ends, _failures in found], [failures for _ends, failures in found]


def is_worth_reading(record: Record) -> bool:
    """Not the journal's own bookkeeping."""
    return record["kind"] not in ROUTINE


def whole_record(record: Record) -> dict[str, Any]:
    """A row of the journal as the node wrote it."""
    body = record["body"] if isinstance(record["body"], dict) else {}
    return {
        **body,
        "seq": record["seq"],
        "t": seconds(record["at"]),
        "b": record["boot"],
        "k": record["kind"],
    }


def event_facts(record: Record, nodes: Mapping[str, Facts]) -> Facts:
    """A journal record in words."""
    line = narrate(whole_record(record), who=lambda uid: f"uid {uid}")
    known = nodes.get(record["node_id"])
    subject = line.subject if line.subject not in ("?", "node") else ""
    return {
        "at": seconds(record["at"]),
        "node": record["node_id"],
        "host": known["host"] if known else record["node_id"][:8],
        "tree": record["tree"],
        "key": record["key"] or subject,
        "kind": record["kind"],
        "severity": line.severity,
        "text": line.text,
    }


def event_rows(records: Iterable[Record], nodes: Mapping[str, Facts]) -> Iterator[tuple[str, list[Any]]]:
    for record in records:
        facts = event_facts(record, nodes)
        yield str(record["id"]), [facts[name] for name in EVENTS]


MOMENTS = ("since", "found_at", "seen_at", "ended_at", "limit_at", "deed_at")


def leak_rows(records: Iterable[Record]) -> dict[str, list[Any]]:
    """Findings of the leak detector, as rows of `leaks`."""
    return {
        str(record["id"]): [seconds(record[name]) if name in MOMENTS else record[name] for name in LEAKS]
        for record in records
    }


def shared_leak_rows(records: Iterable[Record]) -> dict[str, list[Any]]:
    """Findings in what the fleet shares, as rows of `shared_leaks`."""
    return {
        str(record["id"]): [
            seconds(record[name]) if name in MOMENTS else record[name] for name in SHARED_LEAKS
        ]
        for record in records
    }


def alert_rows(records: Iterable[Record]) -> dict[str, list[Any]]:
    """Alerts, as rows of `alerts`."""
    moments = ("raised_at", "last_at", "resolved_at")
    return {
        str(record["id"]): [seconds(record[name]) if name in moments else record[name] for name in ALERTS]
        for record in records
    }


def health_rows(records: Iterable[Record], *, now: float) -> dict[str, list[Any]]:
    """Health checks, as rows of `health`. now: Unix seconds."""
    rows = {}
    for record in records:
        since, checked = seconds(record["since"]), seconds(record["checked_at"])
        limit_s = stale_after_s(record["interval_s"], record["timeout_s"])
        stale = now - (checked if checked is not None else since or 0.0) > limit_s
        facts = {**record, "since": since, "checked_at": checked, "stale": stale}
        rows[str(record["id"])] = [facts[name] for name in HEALTH]
    return rows


def child_rows(
    key: str, fleet: FleetState, lives: Iterable[Record], events: Iterable[Record]
) -> dict[str, list[Any]]:
    """The rows of `child:KEY`: what runs now on each node, its lives, its events."""
    rows: dict[str, list[Any]] = {}
    for node in fleet.node_facts:
        member = fleet.members.get((node, key))
        if member is not None:
            data = {name: member.get(name) for name in PROCS} | {"id": row_id(node, key)}
            rows[f"now:{node}"] = ["now", member["since"], data]
    for life in lives:
        data = life_facts(life, fleet.node_facts)
        rows[f"life:{life['node_id']}:{life['number']}"] = ["life", data["started_at"], data]
    for record in events:
        if is_worth_reading(record):
            facts = event_facts(record, fleet.node_facts)
            data = {name: facts[name] for name in ("node", "host", "severity", "text")}
            rows[f"event:{record['id']}"] = ["event", facts["at"], data]
    return rows


def life_facts(life: Record, nodes: Mapping[str, Facts]) -> Facts:
    known = nodes.get(life["node_id"])
    return {
        "node": life["node_id"],
        "host": known["host"] if known else life["node_id"][:8],
        "number": life["number"],
        "pid": life["pid"],
        "started_at": seconds(life["started_at"]),
        "ready_at": seconds(life["ready_at"]),
        "ended_at": seconds(life["ended_at"]),
        "reason": life["reason"] or None,
        "stderr_tail": life["stderr_tail"] or [],
        "cause": life["cause"] or {},
    }
