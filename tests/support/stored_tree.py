"""A tree that a node lives through in memory, and its journal in PostgreSQL as a courier would have left it."""

from typing import Any

from supervision.fleet.models import Node
from supervision.journal import services
from supervision.journal.replica import Replica
from supervision.runtime.clock import ManualClock, SystemClock
from supervision.runtime.treedoc import parse_tree
from tests.support.told_tree import ToldTree


def told_tree(document: dict[str, Any]) -> ToldTree:
    """One that has begun, now."""
    clock = ManualClock(wall=SystemClock().wall(), boot=SystemClock().boot())
    told = ToldTree(document["tree"], parse_tree(document).spec, clock=clock)
    told.append("tree", what="applied", tree=told.name, revision=1, digest="d", message="", document=document)
    told.begin()
    return told


def store(node: Node, told: ToldTree, *, stream_epoch: int = 1) -> None:
    """All of its journal so far, and the rows that follow from it. Once for each node."""
    services.ingest(
        node_id=node.id, stream_epoch=stream_epoch, epoch=node.epoch, batch=Replica().fold(told.records)
    )
