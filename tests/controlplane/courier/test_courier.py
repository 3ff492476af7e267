"""The courier with real stores: what happens on a host arrives once and in order, what is wanted comes to be."""

import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import transaction

from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from supervision.fleet.services import database_now
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, ObservedTree
from supervision.journal.services import cursor_of
from supervision.runtime.journal_segments import read_cursor
from supervision.trees import commands, services
from supervision.trees.models import Command, CommandState, Placement, PlacementState, Tree, Verb
from tests.controlplane.courier.joined import ANN, WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import child, python, tree
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engine(stores: TestStores, transactional_db: None) -> Iterator[Joined]:
    with joined(stores) as started:
        yield started


def observed(engine: Joined, key: str, state: str) -> ObservedChild:
    def look() -> ObservedChild | None:
        return ObservedChild.objects.filter(
            node_id=engine.node_id(), key=key, state=state, removed=False
        ).first()

    return wait_for(look, timeout=WAIT_S, what=f"{key} is {state} in the store; {engine.log()[-3000:]}")


def numbers(engine: Joined) -> list[int]:
    records = JournalRecord.objects.filter(node_id=engine.node_id()).order_by("id")
    return list(records.values_list("seq", flat=True))


def test_what_happens_on_a_host_is_stored_once_and_in_order(engine: Joined) -> None:
    engine.apply(tree("shop", child("a"), child("b"), intensity=100), message="by hand")
    engine.wait_state("shop/b", "running")
    row = observed(engine, "shop/a", "running")
    assert row.pid == engine.child("shop/a")["pid"]
    os.kill(row.pid or 0, signal.SIGKILL)
    wait_for(lambda: engine.child("shop/a")["incarnation"] == 2, timeout=WAIT_S)
    last = engine.wait_shipped()
    assert numbers(engine)[:last] == list(range(1, last + 1))
    life = Incarnation.objects.get(node_id=engine.node_id(), key="shop/a", number=1)
    assert life.reason == "signal(9)"
    wait_for(lambda: (read_cursor(str(engine.paths.journal_dir)) or 0) >= last, timeout=WAIT_S)
    # what was applied on the host is a revision now, placed where it runs, audited once
    head = Tree.objects.get(name="shop").head
    assert head is not None
    assert (head.number, head.source, head.message) == (1, "local", "by hand")
    placement = Placement.objects.get(tree__name="shop")
    assert placement.node_id == engine.node_id()
    assert AuditEntry.objects.filter(action="tree.apply_local", target="shop").count() == 1
    wait_for(lambda: engine.call("trees")["trees"][0]["origin"] == "store", timeout=WAIT_S)
    assert engine.child("shop/b")["incarnation"] == 1


def test_what_is_wanted_comes_to_be_and_goes_again(engine: Joined) -> None:
    services.apply_tree(document=tree("shop", child("a"), child("b")), message="first", actor=ANN)
    found = Tree.objects.get(name="shop")
    assert found.head is not None
    Placement.objects.create(
        tree=found, node_id=engine.node_id(), revision=found.head, assigned_at=found.created_at,
        carry={"stopped": ["shop/b"]},
    )  # fmt: skip
    observed(engine, "shop/a", "running")
    observed(engine, "shop/b", "stopped")
    first = engine.child("shop/a")["pid"]
    services.apply_tree(document=tree("shop", child("a"), child("c")), message="second", actor=ANN)
    observed(engine, "shop/c", "running")
    wait_for(lambda: ObservedTree.objects.get(name="shop").revision == 2, timeout=WAIT_S)
    assert engine.child("shop/a")["pid"] == first
    services.delete_tree(name="shop", actor=ANN, reason="enough")
    wait_for(lambda: not engine.call("trees")["trees"], timeout=WAIT_S)
    wait_for(lambda: not Placement.objects.exists(), timeout=WAIT_S)
    wait_for(lambda: not ObservedTree.objects.exists(), timeout=WAIT_S)
    assert AuditEntry.objects.filter(actor_kind="local").count() == 0


def test_a_tree_that_the_host_refuses_says_why(engine: Joined) -> None:
    document = tree("shop", child("a", ["/no/such/program"]))
    services.apply_tree(document=document, message="", actor=ANN)
    found = Tree.objects.get(name="shop")
    assert found.head is not None
    Placement.objects.create(
        tree=found, node_id=engine.node_id(), revision=found.head, assigned_at=found.created_at
    )
    problem = wait_for(lambda: Placement.objects.get().problem, timeout=WAIT_S)
    assert "/no/such/program" in problem
    services.apply_tree(document=tree("shop", child("a")), message="", actor=ANN)
    observed(engine, "shop/a", "running")
    wait_for(lambda: Placement.objects.get().problem == "", timeout=WAIT_S)


def test_commands_are_carried_out_and_finished_with_what_came_of_them(engine: Joined) -> None:
    engine.apply(tree("shop", child("a")))
    observed(engine, "shop/a", "running")
    (stop,) = commands.request_command(verb=Verb.STOP, key="shop/a", actor=ANN, reason="why not")
    observed(engine, "shop/a", "stopped")

    def ended(command: Command) -> Command | None:
        command.refresh_from_db()
        return command if command.state in (CommandState.DONE, CommandState.FAILED) else None

    done = wait_for(lambda: ended(stop), timeout=WAIT_S)
    assert (done.state, done.result) == ("done", {"key": "shop/a", "reply": ["ok"]})
    (bad,) = commands.request_command(verb=Verb.SIGNAL, key="shop/a", args={"signal": "TERM"}, actor=ANN)
    failed = wait_for(lambda: ended(bad), timeout=WAIT_S)
    assert failed.error is not None
    assert failed.error["code"] == "conflict"
    assert "no process" in failed.error["message"]
    records = [r for r in engine.records("command") if r.get("id") == str(stop.id)]
    assert [r.get("what") for r in records] == [None, "ended"]
    engine.wait_shipped()
    assert not AuditEntry.objects.filter(actor_kind="local", action="child.stop").exists()


def test_only_the_courier_is_told_of_the_stores(engine: Joined) -> None:
    engine.apply(tree("shop", child("a")))
    pid = engine.wait_state("shop/a", "running")["pid"]
    helpers = {helper["name"]: helper["pid"] for helper in engine.call("status")["helpers"]}
    courier = Path(f"/proc/{helpers.pop('courier')}/environ").read_bytes()
    assert b"DATABASE_URL=" in courier
    for other in [pid, *helpers.values()]:
        told = Path(f"/proc/{other}/environ").read_bytes()
        for name in (b"DATABASE_URL", b"REDIS_URL", b"OVERSTORY_STORES", b"SECRET"):
            assert name not in told


def test_questions_are_answered_over_redis(engine: Joined, stores: TestStores) -> None:
    hello = python("import time; print('hello', flush=True); time.sleep(3600)")
    engine.apply(tree("shop", child("a", hello)))
    engine.wait_state("shop/a", "running")
    client = redis.Redis.from_url(stores.redis_url, socket_timeout=WAIT_S)

    def ask(op: str, **args: Any) -> dict[str, Any]:
        reply = f"overstory:answer:{uuid.uuid4()}"
        question = {"op": op, "args": args, "reply": reply, "deadline": time.time() + 20}
        client.rpush(f"overstory:ask:{engine.node_id()}", json.dumps(question))
        found: Any = client.blpop([reply], timeout=30)
        assert found is not None, engine.log()[-2000:]
        assert 0 < client.ttl(reply) <= 60 or client.ttl(reply) == -2
        answer: dict[str, Any] = json.loads(found[1])
        return answer

    with client:
        lines = wait_for(lambda: ask("logs", key="shop/a", lines=10)["result"]["lines"], timeout=WAIT_S)
        assert [line["text"] for line in lines] == ["hello"]
        plan = ask("plan", spec=tree("shop", child("a", hello), child("b", ["/no/such"])))["result"]
        assert any("/no/such" in finding["message"] for finding in plan["findings"])
        assert ask("plan", spec={"tree": 3})["error"]["code"] == "bad_request"
        assert ask("logs", key="../node.json")["error"]["code"] == "bad_request"
        assert ask("stop", key="shop/a")["error"]["code"] == "bad_request"
        samples = wait_for(lambda: ask("samples", key="shop/a")["result"]["samples"], timeout=WAIT_S)
        assert samples[-1]["rss"] > 0
        channel = f"overstory:samples:{engine.node_id()}"
        with client.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]  # redis-py
            heard.subscribe(channel, "overstory:hint")

            def frame() -> Any:
                message: Any = heard.get_message(timeout=1.0)
                told = message is not None and message["channel"].decode() == channel
                return json.loads(message["data"]) if told else None

            assert "shop/a" in wait_for(frame, timeout=WAIT_S)["key"]


def test_a_node_whose_epoch_is_over_learns_it_before_it_writes_and_keeps_only_what_is_still_its_own(
    engine: Joined,
) -> None:
    engine.apply(tree("mine", child("a")))
    engine.apply(tree("theirs", child("a")))
    engine.wait_shipped()
    wait_for(lambda: all(one["origin"] == "store" for one in engine.call("trees")["trees"]), timeout=WAIT_S)
    pid = engine.wait_state("mine/a", "running")["pid"]
    epoch = engine.row().epoch
    other = Node.objects.create(id="f" * 32, name="elsewhere", joined_at=engine.row().joined_at)
    with transaction.atomic():
        Node.objects.filter(pk=engine.node_id()).update(
            epoch=epoch + 1, state="down"
        )  # as the controller does
        Placement.objects.filter(tree__name="theirs").update(node=other, epoch=2)
    wait_for(lambda: engine.row().epoch == epoch + 2, timeout=WAIT_S)
    wait_for(lambda: [one["name"] for one in engine.call("trees")["trees"]] == ["mine"], timeout=WAIT_S)
    assert engine.child("mine/a")["pid"] == pid
    last = engine.wait_shipped()
    assert numbers(engine)[:last] == list(range(1, last + 1))
    assert Placement.objects.get(tree__name="theirs").node_id == other.pk


def test_a_copy_of_a_data_directory_does_not_join_beside_the_node_that_uses_it_and_says_why(
    engine: Joined,
) -> None:
    """Here the original is on another machine; what is on this one goes on without the store."""
    epoch = engine.row().epoch
    elsewhere = {"place": "/var/lib/overstory on another"}
    engine.kill_courier()
    Node.objects.update(data=elsewhere, lease_until=database_now() + timedelta(minutes=5))
    wait_for(lambda: "not joined: node" in engine.log(), timeout=WAIT_S, what="it says so")
    assert "in /var/lib/overstory on another" in engine.log()
    engine.apply(tree("shop", child("a")))
    engine.wait_state("shop/a", "running")
    row = engine.row()
    assert (row.epoch, row.data) == (epoch, elsewhere)
    assert not ObservedTree.objects.filter(name="shop").exists(), "nothing of it is taken for the other's"
    Node.objects.update(lease_until=database_now())
    observed(engine, "shop/a", "running")
    assert str(engine.data_dir) in engine.row().data["place"]


def test_a_node_that_is_asked_to_stop_tells_the_store_how_everything_ended(engine: Joined) -> None:
    engine.apply(tree("shop", child("a"), child("b")))
    observed(engine, "shop/b", "running")
    epoch = int(engine.call("trees")["stream_epoch"])
    engine.stop()
    life = Incarnation.objects.get(node_id=engine.node_id(), key="shop/a")
    assert life.reason == "shutdown"
    assert life.ended_at is not None
    last = max(record["seq"] for record in engine.records())
    assert cursor_of(node_id=engine.node_id(), stream_epoch=epoch) >= last - 2, "but for its own last words"


def test_a_stop_does_not_wait_for_a_store_that_is_away(engine: Joined) -> None:
    engine.apply(tree("shop", child("a")))
    engine.wait_shipped()
    engine.kill_courier(signal.SIGSTOP)
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 15, "two seconds, on a machine that has time"


def test_what_is_done_by_hand_is_audited_by_uid(engine: Joined) -> None:
    engine.apply(tree("shop", child("a")))
    engine.wait_state("shop/a", "running")
    engine.call("stop", key="shop/a")
    engine.wait_shipped()
    entry = AuditEntry.objects.get(action="child.stop")
    assert (entry.actor_kind, entry.target, entry.outcome) == ("local", "shop/a", "ok")
    assert entry.actor_name.startswith(f"uid {os.getuid()} on ")
    wait_for(lambda: Placement.objects.filter(state=PlacementState.ASSIGNED).exists(), timeout=WAIT_S)
    engine.call("delete", tree="shop")
    engine.wait_shipped()
    assert Tree.objects.get(name="shop").deleted_at is not None
    assert not Placement.objects.exists()
    assert AuditEntry.objects.filter(action="tree.delete_local").count() == 1
    assert engine.call("trees")["trees"] == []
