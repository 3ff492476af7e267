"""What a command would reach: its keys on each node, and what goes along with them."""

from typing import Any

from django.db.models import Q

from supervision.journal.models import ObservedChild
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.exceptions import NotFoundError
from supervision.trees.models import Verb

MAX_KEYS = 1000


def reach_of(verb: Verb, key: str, node: str | None) -> dict[str, Any]:
    """Keys of children, no supervisors, and nodes. An operator's request concerns its key and all below it; no strategy
    applies, because nothing has failed. Raises NotFoundError."""
    rows = ObservedChild.objects.filter(removed=False)
    if node is not None:
        rows = rows.filter(node_id=node)
    rows = rows.filter(Q(key=key) | Q(key__startswith=f"{key}/")) if key else rows.exclude(tree=SYSTEM_TREE)
    found = list(rows.order_by("key", "node_id").values_list("key", "node_id", "is_supervisor"))
    if not found and verb is not Verb.END_STRAY:
        raise NotFoundError(f"no node has {key!r}")
    keys = sorted({one for one, _node, is_supervisor in found if not is_supervisor})
    return {
        "verb": str(verb),
        "keys": keys[:MAX_KEYS],
        "count": len(keys),
        "nodes": sorted({node_id for _key, node_id, _is in found}),
    }
