"""Placement in the rows: reads the fleet, asks `supervision.fleet.placement`, does the steps, in one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.leading import Leader, led
from supervision.fleet.leases import Standing
from supervision.fleet.models import Node, NodeState
from supervision.fleet.placement import Decision, compares, decide
from supervision.fleet.services import database_now
from supervision.fleet.views import Assign, Change, Forget, NodeView, Row, RowState, Step, TreeView, Wish
from supervision.runtime.treewalk import declared
from supervision.trees.carry import carry_of
from supervision.trees.models import Placement, PlacementState, Tree, TreeRevision
from supervision.trees.notices import notify_desired
from supervision.trees.readiness import Place, readiness_of

_STANDINGS = {NodeState.SUSPECT: Standing.SUSPECT, NodeState.DOWN: Standing.DOWN}
CONTROLLER = Actor.system("controller")
MOST_STEPS = 50
"""In one transaction: it must end well within the deadline of a tick, also on a slow machine."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What placement needs of a revision's document."""

    wish: Wish
    kinds: frozenset[str]
    weight: int


class _Documents:
    """What each head revision asks for; a revision never changes, so each is read once."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}

    def of(self, revisions: Iterable[int]) -> dict[int, _Asked]:
        wanted = set(revisions)
        missing = wanted - set(self._asked)
        self._asked = {pk: asked for pk, asked in self._asked.items() if pk in wanted}
        for pk, document in TreeRevision.objects.filter(pk__in=missing).values_list("pk", "document"):
            self._asked[pk] = _asked(document)
        return self._asked


def _asked(document: dict[str, Any]) -> _Asked:
    workers = [each for each in declared(document) if not each.is_supervisor]
    weight = sum(int(each.child.get("instances", 1)) for each in workers)
    return _Asked(Wish.from_document(document), frozenset(each.kind for each in workers), max(1, weight))


class Placing:
    """Decides and writes; holds nothing but a memory of documents."""

    def __init__(self) -> None:
        self._documents = _Documents()

    def tick(self, leader: Leader) -> Decision:
        """One step nearer to what the trees ask for; what was done. Raises NotLeadingError."""
        with led(leader):
            decision = self._decide()
            names = _first_trees(decision.steps)
            changed = self._changed_problems(decision)
            if names or changed:
                # Under the trees' locks everything is looked at again: an apply may have come in between.
                list(Tree.objects.select_for_update().filter(name__in=names | set(changed)).order_by("name"))
                decision = self._decide()
                done = tuple(step for step in decision.steps if step.tree in names)
                decision = Decision(done, decision.problems)
                self._do(done)
                self._note_problems(decision)
            self._mark_drained()
        return decision

    # -- reading ------------------------------------------------------------------------------------------------------

    def _decide(self) -> Decision:
        trees = list(Tree.objects.filter(head__isnull=False).order_by("name"))
        asked = self._documents.of(tree.head_id for tree in trees if tree.head_id is not None)
        placements = list(
            Placement.objects.select_related("tree", "revision").defer(
                "revision__document", "revision__resolved"
            )
        )
        placed = {placement.tree_id for placement in placements}
        views = [
            TreeView(tree.name, one.wish, tree.deleted_at is not None, tree.epoch, one.kinds, one.weight)
            for tree in trees
            if (one := asked.get(tree.head_id or 0)) is not None
            and (tree.deleted_at is None or tree.pk in placed)
        ]
        nodes = [_node_view(node) for node in Node.objects.all()]
        return decide(nodes, views, _rows(placements, nodes, views), database_now().timestamp())

    def _changed_problems(self, decision: Decision) -> dict[str, str]:
        told = dict(Tree.objects.exclude(problem="").values_list("name", "problem"))
        names = set(told) | set(decision.problems)
        return {
            name: words for name in names if (words := decision.problems.get(name, "")) != told.get(name, "")
        }

    # -- writing --------------------------------------------------------------------------------------------------------

    def _do(self, steps: tuple[Step, ...]) -> None:
        if not steps:
            return
        trees = {tree.name: tree for tree in Tree.objects.filter(name__in={step.tree for step in steps})}
        placements = Placement.objects.select_related("tree").filter(tree__in=trees.values())
        rows = {(placement.tree.name, placement.node_id): placement for placement in placements}
        called = dict(Node.objects.values_list("pk", "name"))
        carries = {
            (step.tree, step.carry_from): _carry(rows.get((step.tree, step.carry_from)))
            for step in steps
            if isinstance(step, Assign) and step.carry_from is not None
        }
        now = database_now()
        for step in steps:
            where = f"{step.tree} on {called.get(step.node, step.node)}"
            if isinstance(step, Forget):
                rows[step.tree, step.node].delete()
            elif isinstance(step, Change):
                _change(rows[step.tree, step.node], step, where)
            else:
                _assign(
                    trees[step.tree], step, carries.get((step.tree, step.carry_from or ""), {}), now, where
                )
        notify_desired()

    def _note_problems(self, decision: Decision) -> None:
        for name, words in self._changed_problems(decision).items():
            Tree.objects.filter(name=name).update(problem=words)

    def _mark_drained(self) -> None:
        """A node that is drained has nothing left; one that has, is on the way there."""
        left = Placement.objects.filter(node=OuterRef("pk"), removed_at=None)
        Node.objects.filter(~Exists(left), draining=True, state=NodeState.UP).update(state=NodeState.DRAINED)


def _node_view(node: Node) -> NodeView:
    kinds = node.data.get("kinds") if isinstance(node.data, dict) else None
    return NodeView(
        id=node.id,
        name=node.name,
        labels={str(name): str(value) for name, value in node.labels.items()},
        standing=_STANDINGS.get(NodeState(node.state), Standing.UP),
        draining=node.draining,
        lease_until=None if node.lease_until is None else node.lease_until.timestamp(),
        kinds=frozenset(str(kind) for kind in kinds) if isinstance(kinds, list) else None,
    )


def _first_trees(steps: Iterable[Step]) -> set[str]:
    """Whole trees, until about MOST_STEPS are together: what is written tells this controller that there is more to do."""
    names: set[str] = set()
    for number, step in enumerate(steps):
        if number >= MOST_STEPS and step.tree not in names:
            break
        names.add(step.tree)
    return names


def _rows(placements: list[Placement], nodes: list[NodeView], trees: list[TreeView]) -> list[Row]:
    """Readiness is looked up only where it decides something."""
    rows: dict[str, list[Row]] = {}
    digests: dict[Place, str] = {}
    for placement in placements:
        rows.setdefault(placement.tree.name, []).append(_row(placement))
        digests[placement.node_id, placement.tree.name] = placement.revision.digest
    by_id = {node.id: node for node in nodes}
    asked = {tree.name for tree in trees if compares(by_id, tree, rows.get(tree.name, ()))}
    found = readiness_of({place: digest for place, digest in digests.items() if place[1] in asked})
    return [
        replace(row, ready=found[row.node, name].is_ready) if name in asked else row
        for name, listed in rows.items()
        for row in listed
    ]


def _row(placement: Placement) -> Row:
    return Row(
        tree=placement.tree.name,
        node=placement.node_id,
        replica=placement.replica,
        epoch=placement.epoch,
        state=RowState(placement.state),
        gone=placement.removed_at is not None,
    )


def _carry(placement: Placement | None) -> dict[str, Any]:
    if placement is None:
        return {}
    removed = placement.state == PlacementState.REMOVING
    return dict(placement.carry) if removed else carry_of(placement)


def _change(placement: Placement, step: Change, where: str) -> None:
    placement.state = step.state.value
    fields = ["state"]
    if step.state is RowState.REMOVING:
        placement.carry = carry_of(placement)  # the node will report nothing of it any more
        placement.removed_at = None
        fields += ["carry", "removed_at"]
        _audit("placement.remove", step.tree, where, step.why, node=step.node)
    placement.save(update_fields=fields)


def _assign(tree: Tree, step: Assign, carry: dict[str, Any], now: datetime, where: str) -> None:
    if tree.head_id is None:
        return
    Placement.objects.create(
        tree=tree, node_id=step.node, replica=step.replica, epoch=step.epoch, revision_id=tree.head_id, carry=carry,
        assigned_at=now,
    )  # fmt: skip
    Tree.objects.filter(pk=tree.pk, epoch__lt=step.epoch).update(epoch=step.epoch)
    details = {"node": step.node, "epoch": step.epoch, "carry_from": step.carry_from}
    _audit("placement.assign", step.tree, where, step.why, **details)


def _audit(action: str, tree: str, where: str, why: str, **details: object) -> None:
    auditlog.record(actor=CONTROLLER, action=action, target=where, tree=tree, reason=why, details=details)
