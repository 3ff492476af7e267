"""Reads of the desired state: what a node should have, and how two documents differ."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from supervision.journal import history
from supervision.kernel import Kernel, PlanStep
from supervision.kernel.actions import Start
from supervision.kernel.events import Begin, Event, Ready, Started
from supervision.runtime.treedoc import TreeDocument
from supervision.trees.documents import read_document, stored
from supervision.trees.exceptions import NotFoundError
from supervision.trees.models import Placement, Tree, TreeRevision
from supervision.trees.treefile import export_yaml


@dataclass(frozen=True, slots=True)
class DesiredPlacement:
    """One tree that a node should have, whole."""

    tree: str
    revision: int
    digest: str
    message: str
    document: dict[str, Any]
    epoch: int
    state: str
    carry: dict[str, Any]
    problem: str = ""

    @property
    def is_fenced(self) -> bool:
        """Whether the node ends it when it cannot renew its lease (docs/fleet.md): singletons by default."""
        placement = self.document.get("placement") or {}
        fence = placement.get("fence")
        return bool(placement.get("singleton", False)) if fence is None else bool(fence)


def desired_for(node_id: str, *, without: Iterable[tuple[str, int]] = ()) -> list[DesiredPlacement]:
    """What is placed on the node. `without`: (tree, revision) pairs whose documents the caller has: they come empty."""
    known = set(without)
    placements = (
        Placement.objects.filter(node_id=node_id, removed_at=None)
        .select_related("tree", "revision")
        .defer("revision__document", "revision__resolved")
        .order_by("tree__name")
    )
    found = list(placements)
    wanted = [one.revision_id for one in found if (one.tree.name, one.revision.number) not in known]
    documents = {one.pk: one.runs for one in TreeRevision.objects.filter(pk__in=wanted)}
    return [
        DesiredPlacement(
            tree=one.tree.name,
            revision=one.revision.number,
            digest=one.revision.digest,
            message=one.revision.message,
            document=documents.get(one.revision_id, {}),
            epoch=one.epoch,
            state=one.state,
            carry=one.carry,
            problem=one.problem,
        )
        for one in found
    ]


def trees() -> QuerySet[Tree]:
    """Trees that are, by name, each with its head."""
    return Tree.objects.filter(deleted_at=None, head__isnull=False).select_related("head").order_by("name")


def tree_by_name(name: str) -> Tree:
    """Raises NotFoundError."""
    tree = trees().filter(name=name).first()
    if tree is None:
        raise NotFoundError(f"there is no tree {name!r}")
    return tree


def revision(name: str, number: int) -> TreeRevision:
    """Raises NotFoundError. Also of a deleted tree: its history stays."""
    found = TreeRevision.objects.filter(tree__name=name, number=number).select_related("tree").first()
    if found is None:
        raise NotFoundError(f"{name} has no revision {number}")
    return found


def yaml_of(document: dict[str, Any]) -> str:
    """A tree file that parses to the same tree; the same text each time."""
    return export_yaml(stored(document))


def diff(older: dict[str, Any] | None, newer: dict[str, Any] | None) -> str:
    """A unified diff of two documents as tree files; empty when they say the same."""
    before = yaml_of(older).splitlines() if older is not None else []
    after = yaml_of(newer).splitlines() if newer is not None else []
    return "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm="", n=4))


def plan_between(older: dict[str, Any] | None, newer: object) -> list[PlanStep]:
    """What applying `newer` will do to a tree that runs as `older` says, by the kernel itself.

    `newer` is JSON or a TreeDocument. Raises InvalidDocumentError. What a node's own state adds (a child that is stopped
    now) and its preflight, the node's own `plan` knows.
    """
    tree = newer if isinstance(newer, TreeDocument) else read_document(newer)
    if older is None:
        views = Kernel(tree.name, tree.spec).children()
        return [PlanStep("start", view.key, "added") for view in views]
    return running(stored(older)).plan(tree.spec)


def plan_on(*, node_id: str, document: object) -> list[PlanStep]:
    """What applying `document` will do on a node as its journal has it so far: what is stopped or held there stays so.

    By the kernel as it is on that node; also of a node that does not answer now. Raises InvalidDocumentError, and
    NoHistoryError when nothing of the node is stored.
    """
    tree = document if isinstance(document, TreeDocument) else read_document(document)
    there = history.latest(node_id=node_id).state.trees.get(tree.name)
    return plan_between(None, tree) if there is None else there.kernel.plan(tree.spec)


def running(tree: TreeDocument) -> Kernel:
    """A kernel of the tree in which every child runs and is ready: the state that a plan or a what-if starts from."""
    kernel = Kernel(tree.name, tree.spec)
    events: list[Event] = [Begin()]
    while events:
        actions, _ = kernel.handle(events.pop(0), now=0.0)
        for action in actions:
            if isinstance(action, Start):
                events += [
                    Started(action.key, action.incarnation),
                    Ready(action.key, action.incarnation),
                ]
    return kernel
