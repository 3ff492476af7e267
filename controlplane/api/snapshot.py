"""Observed rows as a node's own answer to `tree`: what the command line reads, from one node or from all together."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild, ObservedTree, Stray

FOR_ALL = ("node_id", "name", "version", "started", "state", "age_s")
"""Facts of a node that who sees only some trees may see too."""


def observed_answer(
    *, node: str | None, tree: str | None, visible: frozenset[str] | None, now: datetime
) -> dict[str, Any] | None:
    """`{"node", "trees"}`; None when there is no such node. `visible`: names of the trees to show, None for all."""
    nodes = list(Node.objects.filter(Q(id=node) | Q(name=node)) if node is not None else Node.objects.all())
    if node is not None and not nodes:
        return None
    trees, children = (
        ObservedTree.objects.filter(node__in=nodes),
        ObservedChild.objects.filter(node__in=nodes),
    )
    if visible is not None:
        trees, children = trees.filter(name__in=visible), children.filter(tree__in=visible)
    if tree is not None:
        trees, children = trees.filter(name=tree), children.filter(tree=tree)
    members: dict[tuple[str, str], list[ObservedChild]] = {}
    for child in children.filter(removed=False).order_by("position", "key"):
        members.setdefault((child.node_id, child.tree), []).append(child)
    shown = [
        _tree(row, members[row.node_id, row.name])
        for row in trees.order_by("name", "node_id")
        if (row.node_id, row.name) in members
    ]
    facts = _nodes(nodes, now)
    if visible is not None:
        facts = {name: facts[name] for name in FOR_ALL if name in facts}
    return {"node": facts, "trees": shown}


def _nodes(nodes: Sequence[Node], now: datetime) -> dict[str, Any]:
    if len(nodes) == 1:
        return _node(nodes[0], now)
    ages = [_age_s(node, now) for node in nodes]
    known = [age for age in ages if age is not None]
    return {
        "node_id": f"{len(nodes)} nodes",
        "pid": 0,
        "guardian_pid": None,
        "version": ", ".join(sorted({node.version for node in nodes})),
        "started": min((_unix(node.started_at) or 0 for node in nodes), default=0),
        "journal_seq": sum(node.journal_seq for node in nodes),
        "strays": Stray.objects.filter(state=Stray.State.FOUND).count(),
        "helpers": [],
        "age_s": max(known, default=None),
        "state": _worst(nodes),
    }


def _node(node: Node, now: datetime) -> dict[str, Any]:
    counted = ObservedChild.objects.filter(node=node, removed=False).aggregate(
        children=Count("id", filter=Q(is_supervisor=False)), trees=Count("tree", distinct=True)
    )
    return {
        "node_id": node.id,
        "name": node.name,
        "pid": node.pid or 0,
        "guardian_pid": node.guardian_pid,
        "version": node.version,
        "started": _unix(node.started_at) or 0,
        "journal_seq": node.journal_seq,
        "trees": counted["trees"],
        "children": counted["children"],
        "strays": Stray.objects.filter(node=node, state=Stray.State.FOUND).count(),
        "helpers": node.helpers,
        "state": node.state,
        "age_s": _age_s(node, now),
    }


def _worst(nodes: Iterable[Node]) -> str:
    order = ("up", "drained", "suspect", "down")
    return max((node.state for node in nodes), key=order.index, default="down")


def _age_s(node: Node, now: datetime) -> float | None:
    return None if node.renewed_at is None else max(0.0, round((now - node.renewed_at).total_seconds(), 3))


def _tree(row: ObservedTree, members: Sequence[ObservedChild]) -> dict[str, Any]:
    made = {child.key: _member(child) for child in members}
    root = made.get(row.name) or {"key": row.name, "kind": "supervisor", "state": row.state, "children": []}
    for child in members:
        above = made.get(child.parent)
        if above is not None and "children" in above:
            above["children"].append(made[child.key])
    return {
        "name": row.name,
        "node": row.node_id,
        "revision": row.revision,
        "message": row.message,
        "digest": row.digest,
        "applied_at": _unix(row.applied_at) or 0,
        "ended": row.ended or None,
        "root": root,
    }


def _member(child: ObservedChild) -> dict[str, Any]:
    common = {
        "key": child.key,
        "id": child.child_id,
        "kind": "supervisor" if child.is_supervisor else child.kind,
        "state": child.state,
        "wanted": child.wanted,
        "incarnation": child.incarnation,
        "since": _unix(child.since) or 0,
        "restarts": child.restarts,
        "restart": child.restart,
        "last_exit": _last_exit(child),
        "held": child.held,
        "held_until": _unix(child.held_until),
        "backoff_until": _unix(child.backoff_until),
        "waiting_for": child.waiting_for,
    }
    if child.is_supervisor:
        return {
            **common,
            "strategy": child.strategy,
            "intensity": child.intensity or 0,
            "period": child.period or 0,
            "window_used": child.window_used or 0,
            "stop": child.stop,
            "children": [],
        }
    return {
        **common,
        "pid": child.pid,
        "stage": child.stage,
        "status": child.status,
        "ready": child.ready,
        "command": child.command,
        "dynamic": child.dynamic,
    }


def _last_exit(child: ObservedChild) -> dict[str, Any] | None:
    if not child.last_exit_reason:
        return None
    return {
        "reason": child.last_exit_reason,
        "at": _unix(child.last_exit_at) or 0,
        "incarnation": child.last_exit_incarnation or 0,
    }


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
