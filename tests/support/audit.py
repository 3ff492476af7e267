"""What the journal promises, checked record by record: no gap, nothing doubled, nothing missing, in order for each child."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime.recovery import Recovered, recover

STARTS, STARTED, FAILED, EXITED = "start", "started", "start_failed", "exited"


@dataclass(slots=True)
class Lives:
    """Where the record of one child stands."""

    incarnation: int = 0
    at: str = EXITED


@dataclass
class Audit:
    """Feed it the journal in order, in parts if need be; `faults` is empty while every promise holds."""

    seq: int = 0
    children: dict[str, Lives] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    faults: list[str] = field(default_factory=list)

    def feed(self, records: Iterable[Mapping[str, Any]]) -> "Audit":
        for record in records:
            if record["seq"] != self.seq + 1:
                self.faults.append(f"record {record['seq']} follows {self.seq}")
            self.seq = record["seq"]
            if record["k"] == "step":
                event = record["event"]
                if event[0] in (STARTED, FAILED, EXITED):
                    self._event(self.seq, *event[:3])
                if event[0] in (FAILED, EXITED):
                    self.reasons[str(event[3])] += 1
                for action in record["actions"]:
                    if action[0] == STARTS:
                        self._decided(self.seq, action[1], action[2])
        return self

    def _decided(self, seq: int, key: str, incarnation: int) -> None:
        child = self.children.setdefault(key, Lives())
        if child.at not in (EXITED, FAILED) or incarnation != child.incarnation + 1:
            self.faults.append(
                f"{seq}: {key}#{incarnation} is started, but #{child.incarnation} is {child.at}"
            )
        self.restarts += incarnation > 1
        child.incarnation, child.at = incarnation, STARTS

    def _event(self, seq: int, what: str, key: str, incarnation: int) -> None:
        child = self.children.setdefault(key, Lives())
        before = STARTED if what == EXITED else STARTS
        if child.at != before or incarnation != child.incarnation:
            self.faults.append(f"{seq}: {key}#{incarnation} {what}, but #{child.incarnation} is {child.at}")
        child.incarnation, child.at = incarnation, what

    @property
    def running(self) -> dict[str, int]:
        """Incarnation of each child that runs, as the journal has it."""
        return {key: child.incarnation for key, child in self.children.items() if child.at == STARTED}


def replayed(records: Iterable[Mapping[str, Any]]) -> Recovered:
    """What a new node would know: the newest snapshot, and the records after it."""
    snapshot: Mapping[str, Any] | None = None
    later: list[Mapping[str, Any]] = []
    for record in records:
        if record["k"] == "snapshot":
            snapshot, later = record, []
        else:
            later.append(record)
    recovered = recover(snapshot, later)
    assert recovered.problems == []
    return recovered


def differences(recovered: Recovered, views: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the replayed kernels and the tree that the node shows are not the same."""
    found = []
    seen = {view.key: view for tree in recovered.trees.values() for view in tree.kernel.children()}
    if seen.keys() != views.keys():
        found.append(f"children differ: {sorted(seen.keys() ^ views.keys())}")
    for key in seen.keys() & views.keys():
        ours, shown = seen[key], views[key]
        facts = {
            "state": str(ours.state),
            "incarnation": ours.incarnation,
            "restarts": ours.restarts,
            "wanted": "up" if ours.wanted else "down",
        }
        found += [
            f"{key}: {name} is {shown[name]}, replayed {fact}"
            for name, fact in facts.items()
            if shown[name] != fact
        ]
        process = recovered.processes.get(key)
        if "pid" in shown and shown["pid"] != (process.pid if process is not None else None):
            found.append(f"{key}: pid is {shown['pid']}, replayed {process}")
    return found
