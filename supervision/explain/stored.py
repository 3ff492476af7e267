"""`explain` from what the control plane stored, of any node: the same words as the node's own command line.

The latest RECORDS records that concern the tree or the node as a whole are read; a life that is older than those is told
without its cause.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from supervision.explain.explanation import Explanation, explain
from supervision.journal.columns import record_of
from supervision.journal.models import JournalRecord, ObservedChild, ObservedTree
from supervision.journal.selectors import member
from supervision.runtime.observed import Observed

RECORDS = 4000
NODE_KINDS = ("node", "command")


def explain_stored(key: str, *, now: datetime, node_id: str | None = None) -> Explanation | None:
    """None when no node has, or reported of, `key`. Four queries. `node_id`: of which node, where several have it."""
    if node_id is None:
        found = member(key)
        node_id = found.node_id if found is not None else _last_node(key)
    if node_id is None:
        return None
    tree = key.partition("/")[0]
    return explain(key, observed_of(node_id, tree), records_of(node_id, tree), now=now.timestamp())


def _last_node(key: str) -> str | None:
    row = JournalRecord.objects.filter(key=key).order_by("-id").values_list("node_id", flat=True).first()
    return None if row is None else str(row)


def records_of(node_id: str, tree: str) -> list[dict[str, Any]]:
    """Records of the tree and of the node as a whole, oldest first, in the journal's own form."""
    rows = (
        JournalRecord.objects.filter(node_id=node_id)
        .filter(Q(tree=tree) | Q(tree="", kind__in=NODE_KINDS))
        .exclude(kind="snapshot")
        .order_by("-id")[:RECORDS]
    )
    return [record_of(row) for row in reversed(rows)]


def observed_of(node_id: str, tree: str) -> Observed | None:
    """The tree as that node has it; None where it has none."""
    found = ObservedTree.objects.filter(node_id=node_id, name=tree).select_related("node").first()
    if found is None:
        return None
    views: dict[str, dict[str, Any]] = {}
    for row in ObservedChild.objects.filter(node_id=node_id, tree=tree, removed=False).order_by("position"):
        views[row.key] = view_of(row)
        if row.parent in views:
            views[row.parent]["children"].append(views[row.key])
    body = {
        "name": tree,
        "revision": found.revision,
        "digest": found.digest,
        "message": found.message,
        "applied_at": _seconds(found.applied_at),
        "ended": found.ended or None,
        "root": views.get(tree),
    }
    node: Mapping[str, Any] = {
        "node_id": node_id,
        "pid": found.node.pid,
        "journal_seq": found.node.journal_seq,
    }
    return Observed.from_json({"node": node, "trees": [body]})


def view_of(row: ObservedChild) -> dict[str, Any]:
    """A row in the form in which the node's control socket shows a member."""
    last = None
    if row.last_exit_at is not None:
        last = {
            "reason": row.last_exit_reason,
            "at": _seconds(row.last_exit_at),
            "incarnation": row.last_exit_incarnation,
        }
    view: dict[str, Any] = {
        "key": row.key,
        "id": row.child_id,
        "kind": row.kind,
        "state": row.state,
        "incarnation": row.incarnation,
        "since": _seconds(row.since),
        "restarts": row.restarts,
        "restart": row.restart,
        "last_exit": last,
        "wanted": row.wanted,
        "held": row.held,
        "held_until": _seconds(row.held_until),
        "backoff_until": _seconds(row.backoff_until),
        "waiting_for": row.waiting_for,
    }
    if row.is_supervisor:
        return view | {
            "strategy": row.strategy,
            "intensity": row.intensity,
            "period": row.period,
            "window_used": row.window_used,
            "stop": row.stop,
            "children": [],
        }
    return view | {
        "pid": row.pid,
        "stage": row.stage,
        "status": row.status,
        "command": row.command,
        "ready": row.ready,
        "dynamic": row.dynamic,
    }


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
