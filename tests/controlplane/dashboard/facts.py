"""Rows in PostgreSQL as a courier would have left them."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from supervision.alerts.kinds import Kind
from supervision.alerts.models import Alert
from supervision.alerts.services import Subject, raise_alert
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, ObservedTree

AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def make_node(node_id: str = "n1", **columns: Any) -> Node:
    defaults: dict[str, Any] = {
        "name": f"host-{node_id}",
        "joined_at": AT,
        "renewed_at": AT,
        "journal_seq": 1,
    }
    return Node.objects.create(id=node_id, **(defaults | columns))


def make_tree(node: Node, name: str, **columns: Any) -> ObservedTree:
    defaults: dict[str, Any] = {"revision": 1, "digest": "d", "state": "running", "seq": 1, "applied_at": AT}
    return ObservedTree.objects.create(node=node, name=name, **(defaults | columns))


def make_child(node: Node, key: str, **columns: Any) -> ObservedChild:
    defaults: dict[str, Any] = {
        "tree": key.partition("/")[0],
        "parent": key.rpartition("/")[0],
        "child_id": key.rpartition("/")[2],
        "state": "running",
        "since": AT,
        "seq": 1,
        "incarnation": 1,
        "pid": 100,
    }
    return ObservedChild.objects.create(node=node, key=key, **(defaults | columns))


def make_supervisor(node: Node, key: str, **columns: Any) -> ObservedChild:
    defaults: dict[str, Any] = {
        "is_supervisor": True,
        "kind": "supervisor",
        "strategy": "one_for_one",
        "intensity": 3,
        "period": 5.0,
        "window_used": 0,
        "pid": None,
    }
    return make_child(node, key, **(defaults | columns))


def make_life(node: Node, key: str, number: int, **columns: Any) -> Incarnation:
    defaults: dict[str, Any] = {"tree": key.partition("/")[0], "started_at": AT, "seq": number, "pid": 100}
    return Incarnation.objects.create(node=node, key=key, number=number, **(defaults | columns))


def make_record(node: Node, seq: int, kind: str, **columns: Any) -> JournalRecord:
    defaults: dict[str, Any] = {"stream_epoch": 1, "at": AT, "boot": 1.0, "body": {}, "received_at": AT}
    return JournalRecord.objects.create(node_id=node.pk, seq=seq, kind=kind, **(defaults | columns))


def make_alert(kind: Kind, subject: str, **more: Any) -> Alert:
    """One that is open."""
    about = Subject(kind, subject, tree=more.pop("tree", ""), node_id=more.pop("node_id", ""))
    alert = raise_alert(about=about, title=f"{subject}: {kind}", body="why", now=timezone.now(), **more)
    assert alert is not None
    return alert
