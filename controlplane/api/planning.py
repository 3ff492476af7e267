"""What applying a document would do, on each node that has the tree or would get it first."""

from typing import Any

from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from supervision.journal.exceptions import NoHistoryError
from supervision.kernel import PlanStep
from supervision.runtime.treedoc import TreeDocument
from supervision.trees import selectors
from supervision.trees.models import Placement, Tree
from supervision.trees.resolving import resolve

PREFLIGHT_S = 3.0


def plan_document(document: TreeDocument, *, as_it_ran: bool = False) -> dict[str, Any]:
    """The plan of what `document` resolves to now; `as_it_ran`: it is what nodes ran already, of an earlier revision.

    Each node says its own, with its preflight; for one that cannot be asked, the plan between the revision it has and the
    document, and why there is no preflight. Raises InvalidDocumentError for a document that names what is not there.
    """
    if not as_it_ran:
        document = resolve(document).tree
    tree = Tree.objects.select_related("head").filter(name=document.name, deleted_at=None).first()
    head = tree.head if tree is not None else None
    rows = Placement.objects.select_related("node", "revision").filter(tree=tree) if tree is not None else ()
    nodes = [_on_node(placement, document) for placement in rows]
    if not nodes:
        steps = selectors.plan_between(head.runs if head is not None else None, document)
        nodes = [_without_node(steps, head.number if head is not None else None)]
    return {
        "tree": document.name,
        "digest": document.digest,
        "revision": head.number if head is not None else None,
        "version": tree.version if tree is not None else None,
        "changes": max(node["changes"] for node in nodes),
        "nodes": nodes,
    }


def _on_node(placement: Placement, document: TreeDocument) -> dict[str, Any]:
    common = {"node": placement.node_id, "node_name": placement.node.name}
    try:
        answer = ask_node(placement.node_id, "plan", {"spec": document.document}, timeout_s=PREFLIGHT_S)
    except (NodeSilentError, NodeRefusedError) as error:
        steps = _from_what_is_stored(placement, document)
        return {**_without_node(steps, placement.revision.number), **common, "preflight": str(error)}
    return {
        **common,
        "from_revision": answer.get("from_revision"),
        "changes": answer.get("changes", 0),
        "steps": answer.get("steps", []),
        "findings": answer.get("findings", []),
        "preflight": "done",
    }


def _from_what_is_stored(placement: Placement, document: TreeDocument) -> list[PlanStep]:
    """By what the node's journal says so far; of one that told nothing yet, by the revision it should have."""
    try:
        return selectors.plan_on(node_id=placement.node_id, document=document)
    except NoHistoryError:
        return selectors.plan_between(placement.revision.runs, document)


def _without_node(steps: list[PlanStep], number: int | None) -> dict[str, Any]:
    return {
        "node": None,
        "node_name": "",
        "from_revision": number,
        "changes": sum(step.do != "keep" for step in steps),
        "steps": [{"do": step.do, "key": step.key, "why": step.why} for step in steps],
        "findings": [],
        "preflight": "not placed on a node yet",
    }
