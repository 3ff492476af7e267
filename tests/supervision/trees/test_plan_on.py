"""The plan for a node, from what is stored of it, is the one that the node itself answers."""

from typing import Any

import pytest
from django.utils import timezone

from supervision.fleet.models import Node
from supervision.journal import services
from supervision.journal.exceptions import NoHistoryError
from supervision.journal.replica import Replica
from supervision.trees import selectors
from tests.support.engine import Engine, child, tree

pytestmark = pytest.mark.django_db


def shop(*children: dict[str, Any], **flags: Any) -> dict[str, Any]:
    return tree("shop", *children, **flags)


NEWER = {
    "a child more": shop(child("web"), child("store"), child("more")),
    "a child less": shop(child("store")),
    "a changed one, and one that is stopped": shop(
        child("web", ["/bin/sleep", "60"]), child("store", ["/bin/sleep", "61"])
    ),
    "another strategy": shop(child("web"), child("store"), strategy="one_for_all"),
    "the same": shop(child("web"), child("store")),
    "a tree of its own": tree("other", child("x")),
}


def test_it_is_the_nodes_own() -> None:
    with Engine() as engine:
        engine.apply(shop(child("web"), child("store")))
        engine.wait_state("shop/web", "running")
        engine.call("stop", key="shop/store")
        engine.wait_state("shop/store", "stopped")
        told = {name: engine.call("plan", spec=document)["steps"] for name, document in NEWER.items()}
        records, node_id = engine.records(), engine.node_id()
    node = Node.objects.create(id=node_id, name="web-1", joined_at=timezone.now())
    upto = next(
        (at for at, one in enumerate(records) if one["k"] == "node" and one["what"] == "stopping"),
        len(records),
    )
    services.ingest(node_id=node.id, stream_epoch=1, epoch=1, batch=Replica().fold(records[:upto]))
    for name, document in NEWER.items():
        steps = selectors.plan_on(node_id=node.id, document=document)
        assert [(step.do, step.key) for step in steps] == [
            (step["do"], step["key"]) for step in told[name]
        ], name
    assert not any(step["key"] == "shop/store" and step["do"] == "start" for step in told["a child more"])


def test_of_a_node_that_told_nothing_there_is_none() -> None:
    with pytest.raises(NoHistoryError):
        selectors.plan_on(node_id="n" * 32, document=NEWER["the same"])
