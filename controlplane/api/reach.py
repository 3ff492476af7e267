"""What a command would reach: its keys on each node, and what goes down for it, by the kernel's own rules."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from supervision.journal.models import ObservedChild
from supervision.kernel.blast import Deed, Member, blast_radius
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.exceptions import NotFoundError
from supervision.trees.models import Verb

MAX_KEYS = 1000
MAX_NODES = 50
DEEDS: Mapping[Verb, Deed] = {
    Verb.STOP: Deed.STOP,
    Verb.TERMINATE: Deed.STOP,
    Verb.DELETE_CHILD: Deed.STOP,
    Verb.RESTART: Deed.RESTART,
    Verb.SIGNAL: Deed.EXIT,
}
"""A signal may end a child, and then nobody has asked for that end: its supervisor's strategy applies."""


def reach_of(verb: Verb, key: str, node: str | None) -> dict[str, Any]:
    """Keys of children, no supervisors; nodes; and what goes down. Raises NotFoundError."""
    rows = ObservedChild.objects.filter(removed=False)
    if node is not None:
        rows = rows.filter(node_id=node)
    rows = rows.filter(Q(key=key) | Q(key__startswith=f"{key}/")) if key else rows.exclude(tree=SYSTEM_TREE)
    found = list(rows.order_by("key", "node_id").values_list("key", "node_id", "is_supervisor"))
    if not found and verb is not Verb.END_STRAY:
        raise NotFoundError(f"no node has {key!r}")
    keys = sorted({one for one, _node, is_supervisor in found if not is_supervisor})
    nodes = sorted({node_id for _key, node_id, _is in found})
    deed = DEEDS.get(verb)
    return {
        "verb": str(verb),
        "keys": keys[:MAX_KEYS],
        "count": len(keys),
        "nodes": nodes,
        "takes_down": [] if deed is None else _takes_down(key, deed, nodes[:MAX_NODES]),
    }


def _takes_down(key: str, deed: Deed, nodes: list[str]) -> list[dict[str, str]]:
    rows = ObservedChild.objects.filter(removed=False, tree=key.partition("/")[0], node_id__in=nodes)
    members: dict[str, list[Member]] = {}
    for row in rows.values_list("node_id", "key", "parent", "position", "state", "strategy"):
        members.setdefault(row[0], []).append(Member(*row[1:]))
    return [
        {"node": node, "key": one.key, "why": one.why}
        for node in nodes
        for one in blast_radius(members.get(node, ()), key, deed)
    ][:MAX_KEYS]
