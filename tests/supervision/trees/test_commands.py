"""Orders: one for each node that has the key, each taken by one claimer, each ended once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild, Stray
from supervision.trees import commands
from supervision.trees.exceptions import IllegalTransitionError, NotFoundError
from supervision.trees.models import Command, CommandState

pytestmark = pytest.mark.django_db
ADA = Actor.system("test")


def node(name: str) -> Node:
    made = Node.objects.create(id=name.ljust(32, "0"), name=name, joined_at=timezone.now())
    for tree in ("shop", "system"):
        ObservedChild.objects.create(
            node=made,
            tree=tree,
            key=tree,
            child_id=tree,
            is_supervisor=True,
            kind="supervisor",
            state="running",
            seq=1,
        )
        ObservedChild.objects.create(
            node=made, tree=tree, key=f"{tree}/web", parent=tree, child_id="web", state="running", seq=1
        )
    return made


def order(verb: str = "stop", key: str = "shop/web", **more: object) -> list[Command]:
    return commands.request_command(verb=verb, key=key, actor=ADA, **more)  # type: ignore[arg-type]  # as a test likes


def test_each_node_that_has_the_key_gets_the_order() -> None:
    first, second = node("n1"), node("n2")
    assert {one.node_id for one in order()} == {first.id, second.id}
    assert [one.node_id for one in order(node_id=second.id)] == [second.id]
    assert AuditEntry.objects.filter(action="child.stop", target="shop/web").count() == 2


def test_what_makes_no_sense_is_refused_by_name() -> None:
    node("n1")
    with pytest.raises(NotFoundError, match="no node has 'shop/none'"):
        order(key="shop/none")
    with pytest.raises(IllegalTransitionError, match="no supervisor"):
        order("start_child")
    with pytest.raises(IllegalTransitionError, match="no process of its own"):
        order("signal", key="shop")
    with pytest.raises(NotFoundError, match="no stray with pid 7"):
        order("end_stray", key="", args={"pid": 7})
    assert not Command.objects.exists()
    assert not AuditEntry.objects.exists()


def test_holding_everything_holds_the_root_of_each_tree_but_the_nodes_own() -> None:
    node("n1")
    node("n2")
    held = order("hold_all", key="")
    assert {(one.verb, one.key) for one in held} == {("hold", "shop")}
    assert len(held) == 2


def test_an_order_about_a_stray_goes_to_its_node() -> None:
    node("n1")
    there = node("n2")
    Stray.objects.create(node=there, pid=7, start_time=1, first_seen=timezone.now())
    assert [one.node_id for one in order("end_stray", key="", args={"pid": 7})] == [there.id]


def test_a_dead_claimers_orders_go_to_its_successor_and_a_living_ones_stay() -> None:
    here = node("n1")
    (one,) = order()
    assert [c.id for c in commands.claim_commands(node_id=here.id, claimer="first")] == [one.id]
    assert commands.claim_commands(node_id=here.id, claimer="first") == []
    assert [c.id for c in commands.claim_commands(node_id=here.id, claimer="second")] == [one.id]
    assert commands.finish_command(command_id=one.id, result={"key": "shop/web"})
    assert not commands.finish_command(command_id=one.id, error={"code": "late"})
    one.refresh_from_db()
    assert (one.state, one.error) == (CommandState.DONE, None)


def test_an_outcome_that_no_database_takes_as_it_is_ends_the_order_all_the_same() -> None:
    node("n1")
    (one,) = order()
    assert commands.finish_command(
        command_id=one.id, error={"code": "failed", "message": "said \0 and \ud800"}
    )
    one.refresh_from_db()
    assert one.error == {"code": "failed", "message": "said \ufffd and \ufffd"}


def test_past_its_deadline_an_order_ends_and_says_how_far_it_came() -> None:
    here = node("n1")
    taken, waiting = order(), order("restart")
    commands.claim_commands(node_id=here.id, claimer="first", limit=1)
    Command.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert commands.claim_commands(node_id=here.id, claimer="first") == []
    assert set(commands.expire_commands()) == {taken[0].id, waiting[0].id}
    messages = {one.verb: one.error["message"] for one in Command.objects.all() if one.error}
    assert "took it" in messages["stop"]
    assert "did not take it" in messages["restart"]
    assert commands.expire_commands() == []


def test_only_what_nobody_took_can_be_cancelled() -> None:
    here = node("n1")
    (one,) = order()
    commands.cancel_command(command_id=one.id, actor=ADA)
    (two,) = order()
    commands.claim_commands(node_id=here.id, claimer="first")
    with pytest.raises(IllegalTransitionError):
        commands.cancel_command(command_id=two.id, actor=ADA)
    with pytest.raises(NotFoundError):
        commands.cancel_command(command_id=uuid.uuid4(), actor=ADA)


@pytest.mark.django_db(transaction=True)
def test_five_claims_at_once_take_each_order_once() -> None:
    here = node("n1")
    wanted = sorted(order()[0].id for _ in range(60))

    def claim(_: int) -> list[uuid.UUID]:
        got: list[uuid.UUID] = []
        try:
            while batch := commands.claim_commands(node_id=here.id, claimer="one life", limit=3):
                got += [one.id for one in batch]
        finally:
            connection.close()
        return got

    with ThreadPoolExecutor(5) as pool:
        taken = sorted(one for got in pool.map(claim, range(5)) for one in got)
    assert taken == wanted
