"""What a placement takes along when it moves: what was stopped, held and added to the tree where it ran."""

from typing import Any

from supervision.journal.models import ObservedChild, ObservedTree
from supervision.trees.models import Placement


def carry_of(placement: Placement) -> dict[str, Any]:
    """As its node last reported it: `stopped` keys, `held` keys each until a Unix time or for ever (null), `dynamic`
    children. A tree that was never observed there keeps what it was to bring along itself."""
    tree, node_id = placement.tree.name, placement.node_id
    observed = ObservedTree.objects.filter(node_id=node_id, name=tree).first()
    if observed is None:
        return dict(placement.carry)
    children = ObservedChild.objects.filter(node_id=node_id, tree=tree, removed=False).order_by("position")
    held = children.filter(held=True).values_list("key", "held_until")
    return {
        "stopped": list(children.filter(wanted="down").values_list("key", flat=True)),
        "held": {key: None if until is None else until.timestamp() for key, until in held},
        "dynamic": observed.dynamic,
    }
