"""Where trees run: pure decisions, looked at again at each tick (docs/fleet.md).

`decide` gets the whole fleet as the database has it, and the database's time, and answers with steps that bring it one step
nearer to what the trees ask for. It remembers nothing: what is under way is in the rows (`draining`, `removing`). So a step
that was lost is decided again, and a controller that was just started goes on where the last one ended.

* Nothing moves without a cause: a node that is lost, drained, or does not fit any more; a number of replicas that changed.
* Nothing is taken over from a node before its lease has been over for TAKE_OVER_AFTER_S, whatever else is known.
* A singleton is removed, and confirmed gone or lost, before it is assigned again; others are assigned first, and removed
  from the old place when the new one is ready.
* Each assignment has an epoch higher than any before it of the same tree.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from supervision.fleet.views import Assign, Change, Forget, NodeView, Row, RowState, Step, TreeView
from supervision.runtime.placementfields import EVERY, REPLICAS


@dataclass(frozen=True, slots=True)
class Decision:
    """Steps, to be done in this order, and for each tree that is not where it should be: why, in words."""

    steps: tuple[Step, ...]
    problems: Mapping[str, str]


def decide(nodes: Iterable[NodeView], trees: Iterable[TreeView], rows: Iterable[Row], now: float) -> Decision:
    """One tick. `now`: seconds of the database's clock."""
    fleet = _Fleet({node.id: node for node in nodes}, now)
    by_tree: dict[str, list[Row]] = {}
    listed = sorted(trees, key=lambda tree: tree.name)
    weights = {tree.name: tree.weight for tree in listed}
    for row in sorted(rows, key=lambda row: (row.tree, row.replica, row.epoch)):
        by_tree.setdefault(row.tree, []).append(row)
        if row.is_active:
            fleet.add_load(row.node, weights.get(row.tree, 1))
    steps: list[Step] = []
    problems: dict[str, str] = {}
    for tree in listed:
        one = _Tree(fleet, tree, by_tree.get(tree.name, []))
        one.decide()
        steps += one.steps
        if one.problem:
            problems[tree.name] = one.problem
    return Decision(tuple(steps), problems)


def compares(nodes: Mapping[str, NodeView], tree: TreeView, rows: Sequence[Row]) -> bool:
    """Whether it counts for `decide` which of the tree's rows are ready: somebody has to go, or waits to."""
    active = [row for row in rows if row.is_active]
    want = tree.wish.replicas if tree.wish.mode == REPLICAS else 1
    if tree.deleted or tree.wish.mode == EVERY:
        return False
    if len(active) > want or any(row.state is RowState.DRAINING for row in active):
        return True
    known = [nodes[row.node] for row in active if row.node in nodes]
    return any(node.draining or not fits(node, tree) for node in known)


class _Fleet:
    """The nodes, their load counted on while assignments are decided."""

    def __init__(self, nodes: dict[str, NodeView], now: float) -> None:
        self.nodes = nodes
        self.now = now
        self._load: dict[str, int] = {}

    def add_load(self, node: str, weight: int) -> None:
        self._load[node] = self._load.get(node, 0) + max(1, weight)

    def is_lost(self, node: str) -> bool:
        """A node without a row was forgotten by an operator: it is lost for good."""
        known = self.nodes.get(node)
        return known is None or known.is_lost(self.now)

    def called(self, node: str) -> str:
        known = self.nodes.get(node)
        return node if known is None else known.called

    def candidates(self, tree: TreeView, without: set[str]) -> list[str]:
        """Nodes that may take it now, the least loaded first."""
        found = [
            node.id
            for node in self.nodes.values()
            if node.id not in without and node.takes_new(self.now) and fits(node, tree)
        ]
        return sorted(found, key=lambda node: (self._load.get(node, 0), _shuffle(tree.name, node), node))


def _shuffle(tree: str, node: str) -> int:
    """Of nodes with the same load not always the first one, and always the same one for the same tree."""
    return zlib.crc32(f"{tree}\0{node}".encode())


def fits(node: NodeView, tree: TreeView) -> bool:
    """Whether the node has the labels the tree asks for and can run its kinds of children."""
    labels = all(node.labels.get(name) == value for name, value in tree.wish.labels.items())
    return labels and (node.kinds is None or tree.kinds <= node.kinds)


def _going_first(row: Row) -> tuple[bool, bool]:
    return row.state is not RowState.DRAINING, row.ready


class _Tree:
    """The decisions about one tree."""

    def __init__(self, fleet: _Fleet, tree: TreeView, rows: Sequence[Row]) -> None:
        self.fleet, self.tree, self.rows = fleet, tree, rows
        self.steps: list[Step] = []
        self.problem = ""
        self._epoch = max([tree.epoch, *(row.epoch for row in rows)])
        self._taken = {row.node for row in rows if not row.gone}
        self._carry: list[str] = []
        """Nodes whose confirmed removals wait for the assignment that takes their carry along."""

    def decide(self) -> None:
        active = [row for row in self.rows if row.is_active]
        removed = [row for row in self.rows if row.gone and not row.is_active]
        self._carry = [row.node for row in removed]
        if self.tree.deleted:
            self._remove(active, "the tree was deleted")
        elif self.tree.wish.mode == EVERY:
            self._every(active)
        else:
            want = self.tree.wish.replicas if self.tree.wish.mode == REPLICAS else 1
            if self.tree.wish.singleton:
                self._singleton(active)
            else:
                self._counted(active, want)
        # A row that was confirmed gone lends its carry to the assignment that comes; until then it stays.
        waiting = set(self._carry) if self.problem and not self.tree.deleted else set()
        waiting -= {step.node for step in self._assigned()}
        forgotten = [Forget(row.tree, row.node) for row in removed if row.node not in waiting]
        self.steps = [*forgotten, *self.steps]

    # -- what each row is ---------------------------------------------------------------------------------------------

    def _cause(self, row: Row) -> str:
        """Why the row's node should not have it any more, though it lives; empty when it should."""
        node = self.fleet.nodes.get(row.node)
        if node is None:
            return ""
        if not fits(node, self.tree):
            return f"{node.called} does not fit any more: {self._misfit(node)}"
        return f"{node.called} is drained" if node.draining else ""

    def _misfit(self, node: NodeView) -> str:
        for name, value in self.tree.wish.labels.items():
            if node.labels.get(name) != value:
                return f"its label {name} is {node.labels.get(name, 'not set')}, not {value}"
        kinds = self.tree.kinds - (node.kinds or frozenset())
        return f"it cannot run {', '.join(sorted(kinds))}"

    # -- modes ----------------------------------------------------------------------------------------------------------

    def _every(self, active: list[Row]) -> None:
        for row in active:
            lost, cause = self.fleet.is_lost(row.node), self._cause(row)
            if cause:
                self._remove([row], cause)
            elif not lost and row.state is RowState.DRAINING:
                self._change(row, RowState.ASSIGNED, "it stays")
        for node in self.fleet.candidates(self.tree, self._taken):
            self._assign(node, self._free_replica(), None, "it fits")
        if not any(self._is_placed(row) for row in active) and not self._assigned():
            self.problem = self._nowhere()

    def _is_placed(self, row: Row) -> bool:
        return not self._cause(row)

    def _singleton(self, active: list[Row]) -> None:
        good, leaving, lost = self._sorted(active)
        if good:
            self._keep(good[0])
            self._remove(good[1:], "a singleton runs in one place")
            self._remove([*leaving, *lost], f"it runs on {self.fleet.called(good[0].node)}")
            return
        stopping = [row for row in self.rows if not row.is_active and not row.gone]
        stopping = [row for row in stopping if not self.fleet.is_lost(row.node)]
        candidates = self.fleet.candidates(self.tree, self._taken)
        if not candidates:
            self.problem = self._nowhere(leaving or lost)
        elif leaving:
            for row in leaving:
                self._remove([row], self._cause(row))  # it starts elsewhere once that is confirmed
            self._remove(lost, "its node is lost")
        elif stopping:
            self._remove(lost, "its node is lost")
            self.problem = f"it is being stopped on {self.fleet.called(stopping[0].node)}"
        else:
            self._remove(lost, self._lost_words(lost))
            carry = lost[-1].node if lost else None
            self._assign(candidates[0], 0, carry, self._lost_words(lost) if lost else "it has no place yet")

    def _counted(self, active: list[Row], want: int) -> None:
        good, leaving, lost = self._sorted(active)
        for row in good:
            self._keep(row)
        self._remove(good[want:], f"{want} are wanted")
        good = good[:want]
        there = self._replace(good, leaving, lost, want)
        self._let_go(good, leaving, lost, want, there)

    def _replace(self, good: list[Row], leaving: list[Row], lost: list[Row], want: int) -> int:
        """Assign what is missing, of lost nodes first; how many there are then, ready or not."""
        there = len(good)
        from_rows: list[Row | None] = [*lost, *leaving]
        while there < want:
            candidates = self.fleet.candidates(self.tree, self._taken)
            if not candidates:
                self.problem = self._nowhere(leaving or lost, there, want)
                break
            old = from_rows.pop(0) if from_rows else None
            why = "it has no place yet" if old is None else self._cause(old) or self._lost_words([old])
            replica = self._free_replica() if old is None else old.replica
            self._assign(candidates[0], replica, None if old is None else old.node, why)
            there += 1
        return there

    def _let_go(self, good: list[Row], leaving: list[Row], lost: list[Row], want: int, there: int) -> None:
        """Of lost nodes what is replaced; of others what is replaced and ready, so that `want` of them are at any time."""
        replaced = lost if there >= want else lost[: there - len(good)]
        self._remove(replaced, self._lost_words(replaced))
        excess = max(0, there + len(leaving) - want)
        ready = sum(row.ready for row in good)
        free = max(0, len(leaving) - max(0, want - ready))
        for number, row in enumerate(sorted(leaving, key=_going_first)):
            if number < min(free, excess):
                self._remove([row], self._cause(row))
            elif number < excess:
                why = f"{self._cause(row)}; it stays until its replacement is ready"
                self._change(row, RowState.DRAINING, why)

    def _sorted(self, active: list[Row]) -> tuple[list[Row], list[Row], list[Row]]:
        """Rows that are right, the best first; rows on living nodes that must go; rows of lost nodes."""
        lost = [row for row in active if self.fleet.is_lost(row.node)]
        living = [row for row in active if row not in lost]
        leaving = [row for row in living if self._cause(row)]
        good = [row for row in living if row not in leaving]
        return sorted(good, key=lambda row: (not row.ready, row.epoch)), leaving, lost

    # -- steps ----------------------------------------------------------------------------------------------------------

    def _assign(self, node: str, replica: int, carry_from: str | None, why: str) -> None:
        if carry_from is None and self._carry:
            carry_from = node if node in self._carry else self._carry[0]
            self._carry.remove(carry_from)
        self._epoch += 1
        self._taken.add(node)
        self.fleet.add_load(node, self.tree.weight)
        self.steps.append(Assign(self.tree.name, node, replica, self._epoch, carry_from, why))

    def _assigned(self) -> list[Assign]:
        return [step for step in self.steps if isinstance(step, Assign)]

    def _free_replica(self) -> int:
        used = {row.replica for row in self.rows if row.is_active} | {
            step.replica for step in self._assigned()
        }
        return next(number for number in range(len(used) + 1) if number not in used)

    def _remove(self, rows: Iterable[Row], why: str) -> None:
        for row in rows:
            self._change(row, RowState.REMOVING, why)

    def _keep(self, row: Row) -> None:
        self._change(row, RowState.ASSIGNED, "it stays")

    def _change(self, row: Row, state: RowState, why: str) -> None:
        if row.state is not state:
            self.steps.append(Change(row.tree, row.node, state, why))

    # -- words ----------------------------------------------------------------------------------------------------------

    def _lost_words(self, rows: list[Row]) -> str:
        return f"{self.fleet.called(rows[0].node)} is lost" if rows else "it has no place yet"

    def _nowhere(self, stays: list[Row] | None = None, there: int = 0, want: int = 1) -> str:
        """Why there is no node for it."""
        counted = f"{there} of {want} have a place: " if want > 1 else ""
        where = f"; it stays on {self.fleet.called(stays[0].node)}" if stays else ""
        return f"{counted}{self._why_none()}{where}"

    def _why_none(self) -> str:
        nodes = list(self.fleet.nodes.values())
        if not nodes:
            return "no node has joined"
        labels = replace(self.tree, kinds=frozenset())
        matching = [node for node in nodes if fits(node, labels)]
        asked = ", ".join(f"{name}={value}" for name, value in sorted(self.tree.wish.labels.items()))
        if not matching:
            return f"no node has the labels {asked}"
        able = [node for node in matching if fits(node, self.tree)]
        among = f" with {asked}" if asked else ""
        if not able:
            return f"no node{among} can run {', '.join(sorted(self.tree.kinds))}"
        free = [node for node in able if node.takes_new(self.fleet.now)]
        if free:
            return f"every node{among} has it already, or is still removing it"
        draining = [node.called for node in able if node.draining]
        if len(draining) == len(able):
            return f"every node{among} is drained: {', '.join(sorted(draining))}"
        away = sorted(node.called for node in able if not node.draining)
        return f"no node{among} is up: {', '.join(away)}"
