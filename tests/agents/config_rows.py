"""Agent configs and trees that name them, as rows."""

from datetime import timedelta
from typing import Any

from agents.checkpoints.models import Checkpoint
from agents.configs import services
from agents.configs.services import ConfigApplied
from agents.registry import declaring
from agents.registry import services as registry
from agents.registry.services import Owner
from supervision.auditlog.actor import Actor, ActorKind
from supervision.fleet.models import Node
from supervision.fleet.services import database_now
from supervision.trees import services as trees
from supervision.trees.models import Tree, TreeRevision

ADA = Actor(ActorKind.USER, "1", "ada")


def put(name: str = "crawler", *, namespace: str = "shop", **document: Any) -> ConfigApplied:
    """A revision of the config; `message` and `expected` are the service's."""
    options = {key: document.pop(key) for key in ("message", "expected", "canary") if key in document}
    full = {"entry_point": "shop.agents:Crawler", **document}
    return services.put_config(
        namespace=namespace, name=name, document=full, actor=ADA, **{"message": "", **options}
    )


def tree_document(tree: str = "shop", config: str = "shop/crawler", **agent: Any) -> dict[str, Any]:
    child = {"id": "crawler", "agent": {"config": config, **agent}}
    return {"version": 1, "tree": tree, "supervisor": {"children": [child]}}


def apply(tree: str = "shop", config: str = "shop/crawler", **agent: Any) -> trees.Applied:
    return trees.apply_tree(document=tree_document(tree, config, **agent), message="", actor=ADA)


def head(tree: str = "shop") -> TreeRevision:
    found = Tree.objects.select_related("head").get(name=tree).head
    assert found is not None
    return found


def child(tree: str = "shop") -> dict[str, Any]:
    """The first child as nodes run it."""
    found: dict[str, Any] = head(tree).runs["supervisor"]["children"][0]
    return found


def registrations(node_id: str) -> None:
    """shop/web and bank/web of the node hold a key each, a program outside of trees another one; a service is declared."""
    until = database_now() + timedelta(minutes=5)
    Node.objects.filter(pk=node_id).update(lease_until=until)
    for child, key in (("shop/web", "web"), ("bank/web", "bank")):
        registry.register(namespace="default", key=key, owner=Owner(node_id, child, 1))
    registry.register(namespace="default", key="cron", owner=Owner(holder="cron", lease_s=600.0))
    declaring.put_service(namespace="ours", name="prices", actor=ADA)


def checkpoint(key: str, node_id: str, *, version: int = 1, epoch: int = 1, **more: Any) -> Checkpoint:
    """A state of the child, saved on the node."""
    now = database_now()
    facts = {"incarnation": 1, "schema": 1, "content": "json", "at": now, "data": b"{}", **more}
    return Checkpoint.objects.create(
        key=key,
        tree=key.partition("/")[0],
        node_id=node_id,
        version=version,
        epoch=epoch,
        bytes=2,
        checksum="c",
        received_at=now,
        **facts,
    )
