"""A fleet in the rows: nodes with leases, what they observed of their trees, and a leader."""

from datetime import timedelta
from typing import Any

from supervision.auditlog.actor import Actor, ActorKind
from supervision.fleet import services as fleet
from supervision.fleet.leading import CONTROLLER, Leader
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild, ObservedTree
from supervision.trees import services
from supervision.trees.models import Placement

ADA = Actor(ActorKind.USER, "1", "ada")


def leader(holder: str = "one", ttl_s: float = 60.0) -> Leader:
    term = fleet.acquire(name=CONTROLLER, holder=holder, ttl_s=ttl_s)
    assert term is not None
    return Leader(CONTROLLER, holder, term)


def node(name: str, **labels: str) -> Node:
    facts = {"version": "1", "boot_id": "b", "pid": 1}
    return fleet.register_node(node_id=name.ljust(32, "0"), name=name, labels=labels, facts=facts)


def silence(name: str, seconds: float) -> None:
    """The lease of the node ended so long ago."""
    over = fleet.database_now() - timedelta(seconds=seconds)
    Node.objects.filter(name=name).update(lease_until=over)


def document(command: str = "one", **more: Any) -> dict[str, Any]:
    child = {"id": "web", "process": {"command": ["/bin/echo", command]}}
    return {"version": 1, "tree": "shop", "supervisor": {"children": [child]}, **more}


def apply(command: str = "one", **more: Any) -> services.Applied:
    return services.apply_tree(document=document(command, **more), message=command, actor=ADA)


def placed(tree: str = "shop") -> list[tuple[str, str]]:
    rows = Placement.objects.filter(tree__name=tree).order_by("node__name")
    return [(row.node.name, row.state) for row in rows.select_related("node")]


def observe(
    name: str, *, tree: str = "shop", state: str = "running", root: str = "running", **child: Any
) -> None:
    """The node reports the revision that is placed on it, its child in `state`, its root in `root`."""
    placement = Placement.objects.select_related("revision").get(node__name=name, tree__name=tree)
    ObservedTree.objects.update_or_create(
        node_id=placement.node_id,
        name=tree,
        defaults={
            "revision": placement.revision.number,
            "digest": placement.revision.digest,
            "state": root,
            "seq": 1,
        },
    )
    rows: tuple[tuple[str, bool, str, dict[str, Any]], ...] = (
        (tree, True, root, {}),
        (f"{tree}/web", False, state, child),
    )
    for position, (key, is_supervisor, is_in, more) in enumerate(rows):
        ObservedChild.objects.update_or_create(
            node_id=placement.node_id,
            key=key,
            defaults={
                "tree": tree, "child_id": key, "position": position, "is_supervisor": is_supervisor, "state": is_in,
                "seq": 1, **more,
            },
        )  # fmt: skip


def unobserve(name: str, tree: str = "shop") -> None:
    """The node reports that the tree is gone."""
    ObservedTree.objects.filter(node__name=name, name=tree).delete()
    ObservedChild.objects.filter(node__name=name, tree=tree).update(removed=True)
