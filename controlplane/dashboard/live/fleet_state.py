"""What the reader knows of the fleet, and the tables made of it: members, nodes, trees, samples, roll-ups.

Everything here is a pure step from records to tables; who reads them, and when, is reader.py's business.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from controlplane.dashboard.live.counting import Counting
from controlplane.dashboard.live.outline import roll_ups
from controlplane.dashboard.live.records import (
    Facts,
    Record,
    count_states,
    member_facts,
    node_facts,
    row_id,
    seconds,
)
from controlplane.dashboard.live.sparks import Sparks
from controlplane.dashboard.live.summary import Fleet, summarise
from controlplane.dashboard.live.table import Table
from controlplane.dashboard.live.topics import NODES, PROCS, SAMPLE, TREE
from supervision.runtime.observed import STATES

SAMPLE_AT = PROCS.index(SAMPLE[0])
"""Samples stand side by side in `procs`."""
CPU, RSS = SAMPLE.index("cpu"), SAMPLE.index("rss")
UNKNOWN_SAMPLE: tuple[None, ...] = (None,) * len(SAMPLE)
ROLLED = tuple(TREE.index(name) for name in ("counts", "rss", "restarts_1h"))

Place = tuple[str, str]
"""Node and key."""


class FleetState:
    """Writes to `procs`, `tree` and `nodes`; the caller opens and closes their batches by `Table.close_batch`."""

    def __init__(self, procs: Table, tree: Table, nodes: Table) -> None:
        self.procs, self.tree, self.nodes = procs, tree, nodes
        self.members: dict[Place, Facts] = {}
        self.seqs: dict[str, tuple[int, int]] = {}
        """Node: stream epoch, and the highest journal number that was read."""
        self.node_facts: dict[str, Facts] = {}
        self.trees: dict[Place, Facts] = {}
        self.strays: dict[str, int] = {}
        self.unplaced: list[Record] = []
        self.parked: Sequence[Record] = ()
        self.restarts: dict[Place, int] = {}
        self.minutes: dict[str, tuple[int, Sequence[int], Sequence[int]]] = {}
        """Tree: first minute, restarts and failures of each minute of the last hour."""
        self.marks: list[Facts] = []
        self.leaks: list[Facts] = []
        self.checks: list[Facts] = []
        """Rows of `leaks` and `health`."""
        self.samples: dict[str, dict[str, tuple[Any, ...]]] = {}
        self.sparks = Sparks()
        self.counting = Counting()
        self._trees: dict[Place, dict[str, Facts]] = {}
        """(node, tree): its members by key. What one child does must not cost more with more children elsewhere."""
        self._unrolled: set[Place] = set()
        """(node, tree) whose supervisors' sums have to be made again."""
        self._uncounted: set[str] = set()
        """Nodes whose members changed since they were written."""

    # -- nodes -------------------------------------------------------------------------------------------------------

    def set_nodes(self, records: Iterable[Record], *, now: float) -> None:
        found = {record["id"]: record for record in records}
        for gone in [node for node in self.node_facts if node not in found]:
            self.forget_node(gone, now=now)
        for node, record in found.items():
            facts = node_facts(record)
            renamed = node in self.node_facts and self.node_facts[node]["host"] != facts["host"]
            self.node_facts[node] = facts
            if renamed:
                self._rename(node, facts["host"])

    def _rename(self, node: str, host: str) -> None:
        for place, member in self.members.items():
            if place[0] == node:
                member["host"] = host
                self._write(member)

    def write_nodes(self, *, every: bool = True) -> None:
        """Nodes with the counts of what runs there; not `every`: those of which a member changed."""
        names = self.node_facts.keys() if every else self._uncounted & self.node_facts.keys()
        processes: dict[str, list[Facts]] = {name: [] for name in names}
        for (node, _tree), members in self._trees.items():
            if node in processes:
                processes[node] += [member for member in members.values() if not member["is_supervisor"]]
        for node, here in processes.items():
            sampled = self.procs.sampled.get(node)
            states = {state: number for state, number in count_states(here, STATES).items() if number}
            more = {
                "children": len(here),
                "states": states,
                "strays": self.strays.get(node, 0),
                "sampled_at": None if sampled is None else round(sampled[0], 1),
            }
            self.nodes.put(node, [(self.node_facts[node] | more)[name] for name in NODES])
        self._uncounted = set()

    def forget_node(self, node: str, *, now: float) -> None:
        self.node_facts.pop(node, None)
        self.seqs.pop(node, None)
        self.samples.pop(node, None)
        self.nodes.drop(node, now=now)
        for place in [place for place in self.members if place[0] == node]:
            self._remove(place, now=now)
        self.trees = {place: facts for place, facts in self.trees.items() if place[0] != node}

    # -- members -----------------------------------------------------------------------------------------------------

    def set_members(self, records: Iterable[Record], *, now: float) -> set[str]:
        """Records that were read because their number is new; the keys among them."""
        keys = set()
        for record in records:
            node = record["node_id"]
            self.set_member(record, now=now)
            keys.add(record["key"])
            epoch, seq = self.seqs.get(node, (0, -1))
            self.seqs[node] = (epoch, max(seq, record["seq"]))
        return keys

    def set_member(self, record: Record, *, now: float) -> None:
        node, place = record["node_id"], (record["node_id"], record["key"])
        if record["removed"]:
            self._remove(place, now=now)
            return
        known = self.node_facts.get(node)
        member = member_facts(record, known["host"] if known else node[:8])
        member["restarts_1h"] = self.restarts.get(place)
        sample = self.samples.get(node, {}).get(record["key"], UNKNOWN_SAMPLE)
        before = self.members.get(place)
        if member["pid"] is None or (before is not None and before["incarnation"] != member["incarnation"]):
            sample = UNKNOWN_SAMPLE  # what was measured was another life
        member.update(zip(SAMPLE, sample, strict=True))
        self.members[place] = member
        self._trees.setdefault((node, member["tree"]), {})[member["key"]] = member
        self._write(member)
        self._touch(member)

    def replace_members(self, node: str, records: Sequence[Record], *, now: float) -> None:
        """All of a node, as read whole: what is not among them is gone."""
        found = {(node, record["key"]) for record in records if not record["removed"]}
        for place in [place for place in self.members if place[0] == node and place not in found]:
            self._remove(place, now=now)
        self.set_members(records, now=now)

    def _write(self, member: Facts) -> None:
        name = row_id(member["node"], member["key"])
        old = self.tree.rows.get(name)
        rolled = [old.values[at] for at in ROLLED] if old is not None else [None, None, None]
        shown = member | {"counts": rolled[0], "rss": rolled[1], "restarts_1h": rolled[2]}
        self.tree.put(name, [shown[column] for column in TREE])
        if not member["is_supervisor"]:
            self.procs.put(name, [member[column] for column in PROCS])

    def _remove(self, place: Place, *, now: float) -> None:
        member = self.members.pop(place, None)
        name = row_id(*place)
        self.procs.drop(name, now=now)
        self.tree.drop(name, now=now)
        self.sparks.forget(name)
        if member is not None:
            tree = (place[0], member["tree"])
            self._trees[tree].pop(member["key"], None)
            if not self._trees[tree]:
                del self._trees[tree]
            self._touch(member)

    def _touch(self, member: Facts) -> None:
        self._unrolled.add((member["node"], member["tree"]))
        self._uncounted.add(member["node"])

    def set_lines(self, node: str, lines: Mapping[str, str]) -> None:
        """Status lines, which have no number and so are not read again with their row."""
        for key, text in lines.items():
            member = self.members.get((node, key))
            if member is not None and member["status"] != text:
                member["status"] = text
                self._write(member)

    # -- samples -----------------------------------------------------------------------------------------------------

    def set_samples(self, node: str, at: float, rows: Mapping[str, tuple[Any, ...]]) -> None:
        """One second of a node. A child that is not among them was not measured: not known any more."""
        before = self.samples.get(node, {})
        self.samples[node] = dict(rows)
        second = int(at)
        for key, sample in rows.items():
            member = self.members.get((node, key))
            if member is None or member["is_supervisor"]:
                continue
            name = row_id(node, key)
            self.sparks.add(name, second, sample[CPU], sample[RSS])
            if before.get(key) != sample or member["cpu"] is None:
                self._measure(member, name, sample)
        for key in before.keys() - rows.keys():
            member = self.members.get((node, key))
            if member is not None:
                self._measure(member, row_id(node, key), UNKNOWN_SAMPLE)
        self.procs.sample(node, at)

    def _measure(self, member: Facts, name: str, sample: tuple[Any, ...]) -> None:
        member.update(zip(SAMPLE, sample, strict=True))
        self.procs.patch_span(name, SAMPLE_AT, sample)

    def unroll(self, node: str) -> None:
        """Have all sums of a node made again: at the pace of its samples."""
        self._unrolled |= {place for place in self._trees if place[0] == node}

    def roll_up(self) -> None:
        """Make the sums of supervisors again, of the trees where something changed."""
        unrolled, self._unrolled = self._unrolled, set()
        for node, tree in unrolled:
            members = list(self._trees.get((node, tree), {}).values())
            sums = roll_ups(members)
            for member in members:
                name = row_id(node, member["key"])
                rolled = sums.get(member["key"])
                values = (
                    (None, member["rss"], member["restarts_1h"])
                    if rolled is None
                    else (rolled.counts, rolled.rss, rolled.restarts)
                )
                self.tree.patch(name, dict(zip(ROLLED, values, strict=True)))

    # -- trees, strays, history --------------------------------------------------------------------------------------

    def set_trees(self, records: Iterable[Record]) -> None:
        self.trees = {
            (record["node_id"], record["name"]): {
                "tree": record["name"],
                "node": record["node_id"],
                "state": record["state"],
                "revision": record["revision"],
                "applied_at": seconds(record["applied_at"]),
                "message": record["message"],
            }
            for record in records
        }

    def set_history(
        self, restarts: Mapping[Place, int], minutes: Mapping[str, tuple[int, Sequence[int], Sequence[int]]]
    ) -> None:
        """Restarts of each child, and by tree and minute, in the last hour."""
        changed = {
            place for place in {*restarts, *self.restarts} if restarts.get(place) != self.restarts.get(place)
        }
        self.restarts = dict(restarts)
        self.minutes = dict(minutes)
        for place in changed:
            member = self.members.get(place)
            if member is not None:
                member["restarts_1h"] = restarts.get(place)
                self._unrolled.add((place[0], member["tree"]))

    # -- counts ------------------------------------------------------------------------------------------------------

    def count(self, at: float) -> None:
        """Processes by state, each ten seconds. at: Unix seconds."""
        self.counting.look(at, self.members.values())

    def counts(self, visible: frozenset[str] | None) -> dict[str, Any]:
        """The rows of `counts`: how many are in which state now, and were in the last hour."""
        here = [
            member
            for member in self.members.values()
            if not member["is_supervisor"] and (visible is None or member["tree"] in visible)
        ]
        return {
            "now": {"states": count_states(here, STATES), "total": len(here)},
            "history": self.counting.history(visible),
        }

    # -- the summary -------------------------------------------------------------------------------------------------

    def summary(
        self, visible: frozenset[str] | None, *, now: float, link: Callable[[str], str]
    ) -> dict[str, Any]:
        """The rows of `summary` for who may see `visible`. now: Unix seconds."""

        def seen(tree: str) -> bool:
            return visible is None or tree in visible

        minute = int(now // 60)
        restarts, failures = [0] * 60, [0] * 60
        for tree, (first, some, others) in self.minutes.items():
            if seen(tree):
                for at, (one, other) in enumerate(zip(some, others, strict=True)):
                    slot = first + at - (minute - 59)
                    if 0 <= slot < 60:
                        restarts[slot] += one
                        failures[slot] += other
        fleet = Fleet(
            members=[member for member in self.members.values() if seen(member["tree"])],
            nodes=list(self.node_facts.values()) if visible is None else [],
            trees=[facts for facts in self.trees.values() if seen(facts["tree"])],
            strays=self.strays if visible is None else {},
            unplaced=[dict(record) for record in self.unplaced if seen(record["tree"])],
            parked=[dict(record) for record in self.parked if seen(record["tree"])],
            sees_nodes=visible is None,
            leaks=[row for row in self.leaks if seen(row["tree"])],
            checks=[row for row in self.checks if seen(row["tree"])],
            since_minute=minute - 59,
            restarts=restarts,
            failures=failures,
            marks=[mark for mark in self.marks if visible is None or seen(mark.get("tree", ""))],
        )
        return summarise(fleet, now=now, link=link)
