"""Pools that scale: the document stays, the nodes' one changes, and who did it is on record."""

from typing import Any

import pytest

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.fleet.leading import CONTROLLER, Leader
from supervision.fleet.services import acquire
from supervision.tasks.exceptions import TaskStateError
from supervision.tasks.models import PoolScale
from supervision.tasks.pools import scale_pools, set_workers
from supervision.tasks.workers import Report, take_report
from supervision.trees.models import Tree
from supervision.trees.services import apply_tree
from tests.supervision.tasks.told import NOW, at

pytestmark = pytest.mark.django_db
ANNA = Actor.system("anna")


def document(most: int = 4) -> dict[str, Any]:
    scale = {"min": 1, "max": most, "queue_length": 10, "cooldown": "60s"}
    worker = {"app": "shop.celery:app", "queues": ["mail"], "scale": scale}
    return {
        "version": 1,
        "tree": "shop",
        "supervisor": {"children": [{"id": "mail", "celery_worker": worker}]},
    }


@pytest.fixture
def leader() -> Leader:
    apply_tree(document=document(), message="first", actor=ANNA)
    term = acquire(name=CONTROLLER, holder="me", ttl_s=60)
    assert term is not None
    return Leader(CONTROLLER, "me", term)


def instances() -> int:
    head = Tree.objects.get(name="shop").head
    assert head is not None
    child = head.runs["supervisor"]["children"][0]
    assert "scale" not in child["celery_worker"]
    assert "scale" in head.document["supervisor"]["children"][0]["celery_worker"]
    return int(child["instances"])


def told(length: int, seconds: float) -> None:
    queues = {"mail": {"length": length, "oldest_s": 1.0}}
    take_report(
        report=Report("n1/shop/mail@1/1/9", app="shop", pool="prefork", queues=queues), now=at(seconds)
    )


def test_nodes_are_given_instances_in_the_place_of_scale(leader: Leader) -> None:
    assert instances() == 1


def test_one_more_when_much_waits_and_one_less_when_little_does(leader: Leader) -> None:
    assert scale_pools(leader=leader, now=NOW) == []
    told(50, 61)
    assert scale_pools(leader=leader, now=at(61)) == [
        "shop/mail: 1 to 2 workers, 50 wait, more than 10 for each of 1"
    ]
    assert instances() == 2
    told(50, 100)
    assert scale_pools(leader=leader, now=at(100)) == []  # within the cooldown
    told(0, 130)
    assert len(scale_pools(leader=leader, now=at(130))) == 1
    assert instances() == 1
    entries = AuditEntry.objects.filter(action="pool.scale").order_by("seq")
    assert [entry.details for entry in entries] == [{"from": 1, "to": 2}, {"from": 2, "to": 1}]


def test_what_nobody_told_of_lately_changes_nothing(leader: Leader) -> None:
    scale_pools(leader=leader, now=NOW)
    told(50, 0)
    assert scale_pools(leader=leader, now=at(100)) == []


def test_by_hand_until_it_is_taken_back(leader: Leader) -> None:
    set_workers(tree="shop", path="mail", workers=3, actor=ANNA, reason="sale", now=NOW)
    assert len(scale_pools(leader=leader, now=NOW)) == 1
    assert instances() == 3
    set_workers(tree="shop", path="mail", workers=None, actor=ANNA, reason="", now=NOW)
    told(0, 100)
    assert len(scale_pools(leader=leader, now=at(100))) == 1
    assert instances() == 2
    with pytest.raises(TaskStateError):
        set_workers(tree="shop", path="none", workers=3, actor=ANNA, reason="", now=NOW)


def test_who_applies_the_document_again_keeps_the_number(leader: Leader) -> None:
    set_workers(tree="shop", path="mail", workers=3, actor=ANNA, reason="", now=NOW)
    scale_pools(leader=leader, now=NOW)
    apply_tree(document=document(), message="again", actor=ANNA)
    assert instances() == 3
    apply_tree(document=document(most=2), message="less", actor=ANNA)
    assert instances() == 2
    assert PoolScale.objects.get().by_hand == 3
