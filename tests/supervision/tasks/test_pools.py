"""Pools that scale: the document stays, the nodes' one changes, and who did it is on record."""

from typing import Any

import pytest

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.fleet.leading import CONTROLLER, Leader
from supervision.fleet.services import acquire
from supervision.tasks import pools, poolviews
from supervision.tasks.exceptions import NoSuchPoolError, TaskStateError
from supervision.tasks.models import PoolScale
from supervision.tasks.ordering import drain_pool, restart_pool, resume_pool, set_workers
from supervision.tasks.pools import scale_pools
from supervision.tasks.workers import Report, take_report
from supervision.trees.exceptions import NotFoundError
from supervision.trees.models import Tree
from supervision.trees.services import apply_tree, follow
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
    with pytest.raises(NoSuchPoolError):
        set_workers(tree="shop", path="none", workers=3, actor=ANNA, reason="", now=NOW)
    with pytest.raises(TaskStateError, match="from 1 to 4 workers, not 9"):
        set_workers(tree="shop", path="mail", workers=9, actor=ANNA, reason="", now=NOW)


def test_who_applies_the_document_again_keeps_the_number(leader: Leader) -> None:
    set_workers(tree="shop", path="mail", workers=3, actor=ANNA, reason="", now=NOW)
    scale_pools(leader=leader, now=NOW)
    apply_tree(document=document(), message="again", actor=ANNA)
    assert instances() == 3
    apply_tree(document=document(most=2), message="less", actor=ANNA)
    assert instances() == 2
    assert PoolScale.objects.get().by_hand == 3


def plain(**child: Any) -> dict[str, Any]:
    worker = {"app": "shop.celery:app", "queues": ["mail"]}
    return {
        "version": 1,
        "tree": "plain",
        "supervisor": {"children": [{"id": "mail", "celery_worker": worker, **child}]},
    }


def runs(tree: str = "plain") -> dict[str, Any]:
    head = Tree.objects.get(name=tree).head
    assert head is not None
    found: dict[str, Any] = head.runs["supervisor"]["children"][0]
    return found


def test_a_pool_with_instances_has_as_many_as_an_operator_says_until_that_is_taken_back(
    leader: Leader,
) -> None:
    apply_tree(document=plain(instances=2), message="first", actor=ANNA)
    assert scale_pools(leader=leader, now=NOW) == []
    set_workers(tree="plain", path="mail", workers=5, actor=ANNA, reason="sale", now=NOW)
    assert scale_pools(leader=leader, now=NOW) == ["plain/mail: 2 to 5 workers, by hand"]
    assert runs()["instances"] == 5
    set_workers(tree="plain", path="mail", workers=None, actor=ANNA, reason="", now=NOW)
    scale_pools(leader=leader, now=NOW)
    assert runs()["instances"] == 2
    apply_tree(document=plain(), message="one", actor=ANNA)
    with pytest.raises(TaskStateError, match="write `instances` or `scale`"):
        set_workers(tree="plain", path="mail", workers=5, actor=ANNA, reason="", now=NOW)


def test_a_drained_pool_has_no_worker_until_it_is_resumed(leader: Leader) -> None:
    apply_tree(document=plain(), message="first", actor=ANNA)
    for tree in ("plain", "shop"):
        drain_pool(tree=tree, path="mail", actor=ANNA, reason="broker moves", now=NOW)
    assert len(scale_pools(leader=leader, now=NOW)) == 2
    assert runs("plain")["instances"] == 0
    assert runs("shop")["instances"] == 0
    with pytest.raises(TaskStateError, match="drained"):
        restart_pool(tree="shop", path="mail", actor=ANNA, reason="", now=NOW)
    for tree in ("plain", "shop"):
        resume_pool(tree=tree, path="mail", actor=ANNA, reason="", now=NOW)
    assert len(scale_pools(leader=leader, now=NOW)) == 2
    assert "instances" not in runs("plain")
    assert runs("shop")["instances"] == 1
    actions = AuditEntry.objects.filter(actor_name="anna", action__startswith="pool.").order_by("seq")
    assert [entry.action for entry in actions] == ["pool.drain"] * 2 + ["pool.resume"] * 2


def test_a_tree_that_cannot_be_resolved_does_not_stop_the_others(
    leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_tree(document=plain(instances=2), message="first", actor=ANNA)
    set_workers(tree="plain", path="mail", workers=5, actor=ANNA, reason="", now=NOW)
    set_workers(tree="shop", path="mail", workers=3, actor=ANNA, reason="", now=NOW)

    def refused(**given: Any) -> Any:
        if given["tree"].name == "plain":
            raise NotFoundError("a config is gone")
        return follow(**given)

    monkeypatch.setattr(pools, "follow", refused)
    assert scale_pools(leader=leader, now=NOW) == [
        "plain: a config is gone",
        "shop/mail: 1 to 3 workers, by hand",
    ]
    assert PoolScale.objects.get(tree="plain").workers == 2


@pytest.fixture
def idle() -> Leader:
    """A pool that may have no worker at all, and has none."""
    scale = {"min": 0, "max": 4, "queue_length": 10, "cooldown": "60s"}
    worker = {"app": "shop.celery:app", "queues": ["mail"], "concurrency": 4, "scale": scale}
    child = {"id": "mail", "celery_worker": worker}
    apply_tree(
        document={"version": 1, "tree": "shop", "supervisor": {"children": [child]}},
        message="first",
        actor=ANNA,
    )
    term = acquire(name=CONTROLLER, holder="me", ttl_s=60)
    assert term is not None
    return Leader(CONTROLLER, "me", term)


def looks() -> tuple[int, bool]:
    """How many processes the nodes are given, and whether these only look."""
    head = Tree.objects.get(name="shop").head
    assert head is not None
    child = head.runs["supervisor"]["children"][0]
    return child["instances"], bool(child["celery_worker"].get("looks_only"))


def looked(length: int, seconds: float) -> None:
    queues = {"mail": {"length": length, "oldest_s": 1.0}}
    told = Report("n1/shop/mail@1/1/9", app="shop", queues=queues, looks_only=True)
    take_report(report=told, now=at(seconds))


def test_a_pool_without_a_worker_is_looked_at_from_outside_and_wakes_when_something_waits(
    idle: Leader,
) -> None:
    assert looks() == (1, True)
    looked(0, 1)
    assert scale_pools(leader=idle, now=at(1)) == []
    [pool] = poolviews.pools(trees=None, now=at(1))
    assert (pool.workers, pool.wanted) == (0, 0), "what looks is no worker"
    looked(3, 2)
    assert poolviews.pools(trees=None, now=at(2))[0].waiting == 3
    assert scale_pools(leader=idle, now=at(2)) == ["shop/mail: 0 to 1 workers, 3 wait, and nobody works"]
    assert looks() == (1, False)


def test_a_pool_goes_back_to_none_after_its_cooldown_and_is_looked_at_again(idle: Leader) -> None:
    looked(3, 2)
    scale_pools(leader=idle, now=at(2))
    told(0, 30)
    assert scale_pools(leader=idle, now=at(30)) == []
    told(0, 63)
    assert scale_pools(leader=idle, now=at(63)) == ["shop/mail: 1 to 0 workers, 0 wait, one less is enough"]
    assert looks() == (1, True)


def test_a_drained_pool_is_not_looked_at_and_a_resumed_one_is(idle: Leader) -> None:
    drain_pool(tree="shop", path="mail", actor=ANNA, reason="broker moves", now=NOW)
    assert scale_pools(leader=idle, now=NOW) == ["shop/mail: 0 to 0 workers, who looks at its queues"]
    assert looks() == (0, False)
    resume_pool(tree="shop", path="mail", actor=ANNA, reason="it moved", now=NOW)
    assert len(scale_pools(leader=idle, now=NOW)) == 1
    assert looks() == (1, True)
    assert scale_pools(leader=idle, now=NOW) == []
