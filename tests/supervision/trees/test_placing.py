"""Placement in the rows of a real PostgreSQL: what the pure decisions say is what is written, by the leader alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from supervision.auditlog.models import AuditEntry
from supervision.fleet import services as fleet
from supervision.fleet.leading import NotLeadingError
from supervision.fleet.models import Leadership, Node
from supervision.fleet.silence import mark_silent_nodes
from supervision.journal.models import ObservedChild, ObservedTree
from supervision.trees.models import Placement, Tree
from supervision.trees.placements import end_placement
from supervision.trees.placing import MOST_STEPS, Placing
from supervision.trees.selectors import desired_for
from supervision.trees.services import apply_tree, delete_tree
from tests.supervision.trees.fleet_rows import (
    ADA,
    apply,
    document,
    leader,
    node,
    observe,
    placed,
    silence,
    unobserve,
)

pytestmark = pytest.mark.django_db
SINGLETON: dict[str, Any] = {"placement": {"singleton": True}}


def gone(name: str) -> bool:
    row = Placement.objects.get(node__name=name)
    unobserve(name)
    return end_placement(node_id=row.node_id, tree="shop", epoch=row.epoch)


def test_a_tree_goes_to_the_node_with_its_labels() -> None:
    node("a", zone="a")
    node("b", zone="b")
    apply(placement={"labels": {"zone": "b"}})
    Placing().tick(leader())
    assert placed() == [("b", "assigned")]
    entry = AuditEntry.objects.order_by("-seq").first()
    assert entry is not None
    assert (entry.action, entry.actor_kind, entry.target) == ("placement.assign", "system", "shop on b")


def test_a_tree_without_a_place_says_why_on_its_row_until_it_has_one() -> None:
    apply(placement={"labels": {"zone": "b"}})
    placing, leads = Placing(), leader()
    placing.tick(leads)
    assert Tree.objects.get().problem == "no node has joined"
    node("a", zone="a")
    placing.tick(leads)
    assert Tree.objects.get().problem == "no node has the labels zone=b"
    node("b", zone="b")
    placing.tick(leads)
    assert Tree.objects.get().problem == ""
    assert placed() == [("b", "assigned")]


def test_a_quiet_tick_writes_nothing_and_asks_little() -> None:
    node("a")
    for number in range(5):
        apply_named(f"t{number}")
    placing, leads = Placing(), leader()
    placing.tick(leads)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert placing.tick(leads).steps == ()
    written = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "DELETE"))]
    assert not written
    assert len(queries) <= 12


def apply_named(name: str) -> None:
    apply_tree(document={**document(), "tree": name}, message="", actor=ADA)


def test_a_lost_node_is_taken_over_from_with_what_was_stopped_and_held_there() -> None:
    node("a")
    apply(**SINGLETON)
    placing, leads = Placing(), leader()
    placing.tick(leads)
    until = fleet.database_now() + timedelta(minutes=5)
    observe("a", state="stopped", wanted="down", held=True, held_until=until)
    ObservedTree.objects.update(dynamic=[["start_child", "shop/workers"]])
    node("b")
    silence("a", 1.0)
    mark_silent_nodes()
    placing.tick(leads)
    assert placed() == [("a", "assigned")]
    silence("a", 2.5)
    mark_silent_nodes()
    placing.tick(leads)
    assert placed() == [("a", "removing"), ("b", "assigned")]
    new = Placement.objects.get(node__name="b")
    assert new.carry == {
        "stopped": ["shop/web"],
        "held": {"shop/web": pytest.approx(until.timestamp())},
        "dynamic": [["start_child", "shop/workers"]],
    }
    assert new.epoch > Placement.objects.get(node__name="a").epoch


def test_a_node_that_comes_back_removes_what_was_taken_over_and_the_row_goes() -> None:
    node("a")
    apply()
    placing, leads = Placing(), leader()
    placing.tick(leads)
    node("b")
    silence("a", 9)
    mark_silent_nodes()
    placing.tick(leads)
    node("a")
    placing.tick(leads)
    assert placed() == [("a", "removing"), ("b", "assigned")]
    assert gone("a")
    placing.tick(leads)
    assert placed() == [("b", "assigned")]


def test_a_drain_stops_a_singleton_first_and_starts_it_elsewhere_with_its_carry() -> None:
    a = node("a")
    apply(**SINGLETON)
    placing, leads = Placing(), leader()
    placing.tick(leads)
    observe("a", state="stopped", wanted="down")
    node("b")
    fleet.drain_node(node_id=a.id, actor=ADA)
    placing.tick(leads)
    assert placed() == [("a", "removing")]
    placing.tick(leads)
    assert placed() == [("a", "removing")]
    assert Tree.objects.get().problem == "it is being stopped on a"
    assert gone("a")
    placing.tick(leads)
    assert placed() == [("b", "assigned")]
    assert Placement.objects.get().carry["stopped"] == ["shop/web"]
    placing.tick(leads)
    assert Node.objects.get(name="a").state == "drained"


def test_a_drain_adds_before_it_removes() -> None:
    a = node("a")
    apply()
    placing, leads = Placing(), leader()
    placing.tick(leads)
    observe("a")
    node("b")
    fleet.drain_node(node_id=a.id, actor=ADA)
    placing.tick(leads)
    assert placed() == [("a", "draining"), ("b", "assigned")]
    observe("b", state="starting")
    placing.tick(leads)
    assert placed() == [("a", "draining"), ("b", "assigned")]
    observe("b")
    placing.tick(leads)
    assert placed() == [("a", "removing"), ("b", "assigned")]


def test_only_the_node_that_was_asked_to_remove_may_confirm_and_once() -> None:
    a = node("a")
    apply()
    placing, leads = Placing(), leader()
    placing.tick(leads)
    epoch = Placement.objects.get().epoch
    assert not end_placement(node_id=a.id, tree="shop", epoch=epoch)
    node("b")
    apply(placement={"singleton": True})
    fleet.drain_node(node_id=a.id, actor=ADA)
    placing.tick(leads)
    assert not end_placement(node_id=a.id, tree="shop", epoch=epoch + 1)
    assert end_placement(node_id=a.id, tree="shop", epoch=epoch)
    assert not end_placement(node_id=a.id, tree="shop", epoch=epoch)
    assert desired_for(a.id) == []
    placing.tick(leads)
    assert placed() == [("b", "assigned")]


def test_a_deleted_tree_is_forgotten_with_its_last_place() -> None:
    a = node("a")
    apply()
    placing, leads = Placing(), leader()
    placing.tick(leads)
    delete_tree(name="shop", actor=ADA)
    assert end_placement(node_id=a.id, tree="shop", epoch=Placement.objects.get().epoch)
    assert placed() == []
    assert placing.tick(leads).steps == ()


def test_epochs_go_on_growing_after_every_placement_is_gone() -> None:
    node("a")
    apply()
    placing, leads = Placing(), leader()
    placing.tick(leads)
    first = Placement.objects.get().epoch
    delete_tree(name="shop", actor=ADA)
    assert gone("a")
    placing.tick(leads)
    apply("two")
    placing.tick(leads)
    assert Placement.objects.get().epoch > first


def test_a_leader_whose_time_is_over_writes_nothing() -> None:
    node("a")
    apply()
    old = leader("old")
    Leadership.objects.update(until=fleet.database_now() - timedelta(seconds=1))
    with pytest.raises(NotLeadingError):
        Placing().tick(old)
    new = leader("new")
    assert new.term == old.term + 1
    with pytest.raises(NotLeadingError):
        Placing().tick(old)
    assert placed() == []
    Placing().tick(new)
    assert placed() == [("a", "assigned")]


def test_a_child_that_is_gone_is_not_carried() -> None:
    node("a")
    apply()
    placing, leads = Placing(), leader()
    placing.tick(leads)
    observe("a", wanted="down", state="stopped")
    ObservedChild.objects.filter(key="shop/web").update(removed=True)
    node("b")
    silence("a", 9)
    mark_silent_nodes()
    placing.tick(leads)
    assert Placement.objects.get(node__name="b").carry["stopped"] == []


def test_many_steps_are_done_in_several_transactions() -> None:
    for name in ("a", "b"):
        node(name)
    for number in range(60):
        apply_named(f"t{number:02}")
    Node.objects.update(lease_until=fleet.database_now() + timedelta(hours=1))
    placing, leads = Placing(), leader()
    first = placing.tick(leads)
    assert len(first.steps) == MOST_STEPS == Placement.objects.count()
    placing.tick(leads)
    assert Placement.objects.count() == 60
    assert placing.tick(leads).steps == ()
