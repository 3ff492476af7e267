"""Rollouts in the rows of a real PostgreSQL."""

from datetime import timedelta

import pytest

from supervision.auditlog.models import AuditEntry
from supervision.fleet.leading import CONTROLLER, Leader
from supervision.fleet.models import Leadership, Node
from supervision.journal.models import ObservedChild
from supervision.trees.models import Placement, Rollout, Tree, TreeRevision
from supervision.trees.placements import report_problem
from supervision.trees.placing import Placing
from supervision.trees.rollouts import advance_rollout, failures, running_rollouts
from tests.supervision.trees.fleet_rows import apply, leader, node, observe

pytestmark = pytest.mark.django_db
NODES = ("a", "b", "c")
EVERYWHERE = {"mode": "every"}


def spread(**rollout: object) -> None:
    """Revision 1 runs on three nodes; revision 2 is applied."""
    for name in NODES:
        node(name)
    apply("one", placement=EVERYWHERE, rollout=rollout)
    Placing().tick(leader())
    for name in NODES:
        observe(name)
    apply("two", placement=EVERYWHERE, rollout=rollout)


def numbers() -> list[int]:
    rows = Placement.objects.order_by("replica").values_list("revision__number", flat=True)
    return list(rows)


def again() -> list[Rollout]:
    row = Leadership.objects.get()
    leads = Leader(CONTROLLER, row.holder, row.term)
    steps = [advance_rollout(leads, pk) for pk in running_rollouts()]
    return [rollout for rollout in steps if rollout is not None]


def by_replica() -> list[str]:
    return [row.node.name for row in Placement.objects.select_related("node").order_by("replica")]


def test_goes_from_place_to_place_as_each_is_ready() -> None:
    spread()
    first, second, third = by_replica()
    assert numbers() == [2, 1, 1]
    assert again() == []
    assert numbers() == [2, 1, 1]
    observe(first, state="starting")
    again()
    assert numbers() == [2, 1, 1]
    observe(first)
    again()
    assert numbers() == [2, 2, 1]
    observe(second)
    again()
    observe(third)
    [done] = again()
    assert numbers() == [2, 2, 2]
    assert (done.state, done.finished_at is not None) == ("done", True)


def test_takes_several_at_a_time_when_that_is_allowed() -> None:
    spread(max_unavailable=2)
    assert numbers() == [2, 2, 1]


def test_stays_where_it_failed_when_no_way_back_was_asked_for() -> None:
    spread(ready_deadline="30s")
    observe(by_replica()[0], state="backoff")
    again()
    Rollout.objects.update(started_at=Rollout.objects.get().started_at - timedelta(seconds=31), progress={})
    [ended] = again()
    assert ended.state == "failed"
    assert ended.reason == f"on {by_replica()[0]} not ready after 30 s: shop/web is backoff"
    assert numbers() == [2, 1, 1]
    assert again() == []


def test_goes_back_by_itself_when_the_deadline_passes() -> None:
    spread(ready_deadline="30s", auto_rollback=True)
    observe(by_replica()[0], state="starting")
    again()
    Rollout.objects.update(progress={}, started_at=Rollout.objects.get().started_at - timedelta(seconds=31))
    [ended] = again()
    assert ended.state == "rolled_back"
    assert numbers() == [3, 3, 3]
    head = Tree.objects.get().head
    assert head is not None
    assert head.digest == TreeRevision.objects.get(number=1).digest
    assert head.message.startswith("roll back to revision 1: revision 2 failed on ")
    failed = AuditEntry.objects.get(action="rollout.failed")
    assert (failed.outcome, failed.details["rolled_back_to"]) == ("failed", 1)


def test_a_way_back_that_cannot_be_gone_is_tried_once_and_told() -> None:
    spread(ready_deadline="30s", auto_rollback=True)
    TreeRevision.objects.filter(number=1).update(document={"version": 99})
    Rollout.objects.update(progress={}, started_at=Rollout.objects.get().started_at - timedelta(seconds=31))
    [ended] = again()
    assert ended.state == "failed"
    assert "; going back to revision 1 failed: " in ended.reason
    assert numbers() == [2, 1, 1], "places keep what they have"
    assert again() == []
    assert list(failures(since=ended.started_at)) == [ended], "somebody is told, once"
    outcomes = AuditEntry.objects.filter(outcome="failed").order_by("seq").values_list("action", flat=True)
    assert list(outcomes) == ["rollout.failed", "tree.rollback"]


def test_goes_back_at_once_when_the_root_supervisor_gave_up() -> None:
    spread(auto_rollback=True)
    observe(by_replica()[0], state="failed", root="backoff")
    [ended] = again()
    assert ended.state == "rolled_back"
    assert "the root supervisor gave up" in ended.reason


def test_goes_back_when_a_supervisor_was_started_again_meanwhile() -> None:
    spread(auto_rollback=True)
    first = by_replica()[0]
    observe(first, state="starting")
    assert again() == []
    ObservedChild.objects.filter(node__name=first, key="shop").update(restarts=1)
    [ended] = again()
    assert ended.state == "rolled_back"


def test_goes_back_when_the_node_refuses_the_revision() -> None:
    spread(auto_rollback=True)
    row = Placement.objects.select_related("node").order_by("replica")[0]
    problem = "/bin/x is not allowed here"
    assert report_problem(node_id=row.node_id, tree="shop", epoch=row.epoch, revision=2, problem=problem)
    [ended] = again()
    assert ended.reason == f"on {row.node.name}: refused: /bin/x is not allowed here"
    assert numbers() == [3, 3, 3]


def test_the_way_back_is_a_rollout_that_does_not_go_back_again() -> None:
    spread(auto_rollback=True)
    observe(by_replica()[0], state="failed", root="failed")
    again()
    back = Rollout.objects.get(state="running")
    assert (back.auto_rollback, back.to_revision.number) == (False, 3)
    for name in NODES:
        observe(name)
    [ended] = again()
    assert ended.state == "done"
    assert numbers() == [3, 3, 3]


def test_a_single_node_goes_back_too() -> None:
    node("a")
    apply("one", rollout={"auto_rollback": True})
    Placing().tick(leader())
    observe("a")
    apply("two", rollout={"auto_rollback": True})
    observe("a", state="failed", root="failed")
    [ended] = again()
    assert ended.state == "rolled_back"
    assert numbers() == [3]


def test_a_node_that_is_down_is_not_waited_for() -> None:
    spread(max_unavailable=3)
    first, *others = by_replica()
    Node.objects.filter(name=first).update(state="down")
    for name in others:
        observe(name)
    [ended] = again()
    assert ended.state == "done"


def test_a_revision_that_comes_in_between_goes_back_to_what_last_was_whole() -> None:
    spread(auto_rollback=True)
    apply("three", placement=EVERYWHERE, rollout={"auto_rollback": True})
    assert Rollout.objects.get(state="running").from_revision == TreeRevision.objects.get(number=1)
    observe(by_replica()[0], state="failed", root="failed")
    again()
    head = Tree.objects.get().head
    assert head is not None
    assert head.digest == TreeRevision.objects.get(number=1).digest


def test_what_was_superseded_or_deleted_is_no_failure_to_hear_of() -> None:
    spread()
    apply("three", placement=EVERYWHERE)
    began = Rollout.objects.earliest("pk").started_at - timedelta(minutes=1)
    assert Rollout.objects.earliest("pk").reason == "superseded by revision 3"
    assert list(failures(since=began)) == []
    observe(by_replica()[0], state="failed", root="failed")
    [ended] = again()
    assert list(failures(since=began)) == [ended]
    assert list(failures(since=began + timedelta(hours=1))) == []
