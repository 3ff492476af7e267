"""Which worker goes, and how it is seen through: decisions as a table, steps over rows."""

from typing import Any

import pytest

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.fleet.leading import CONTROLLER, Leader
from supervision.fleet.services import acquire
from supervision.journal.models import ObservedChild
from supervision.tasks.models import PoolScale
from supervision.tasks.ordering import restart_pool
from supervision.tasks.recycles import recycle_workers
from supervision.tasks.recycling import Life, Limits, next_due, why_due
from supervision.tasks.workers import Report, take_report
from supervision.trees.commands import finish_command
from supervision.trees.models import Command, Verb
from supervision.trees.services import apply_tree
from tests.supervision.tasks.told import at
from tests.supervision.trees.fleet_rows import node

MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=100 * MIB, tasks=1000, age_s=3600.0)
ANNA = Actor.system("anna")


def life(**fields: Any) -> Life:
    return Life(**{"node_id": "n1", "key": "shop/mail@1", "incarnation": 1, "age_s": 10.0, **fields})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, ""),
        ({"memory_bytes": 100 * MIB}, ""),
        ({"memory_bytes": 101 * MIB}, "memory: 101 MiB, more than 100 MiB"),
        ({"tasks": 999}, ""),
        ({"tasks": 1000}, "tasks: 1000 run, at most 1000"),
        ({"age_s": 3600.0}, "age: 3600 s, at most 3600 s"),
        ({"is_rolled": True}, "rolling restart"),
        ({"is_rolled": True, "tasks": 1000}, "tasks: 1000 run, at most 1000"),
    ],
)
def test_why_a_worker_is_replaced(fields: dict[str, Any], why: str) -> None:
    assert why_due(LIMITS, life(**fields)) == why
    assert why_due(Limits(), life(**{**fields, "is_rolled": False})) == ""


def test_the_oldest_of_those_that_are_due_goes_first() -> None:
    due = next_due(
        LIMITS,
        [life(age_s=5.0, tasks=1000), life(key="shop/mail@2", age_s=9.0, tasks=1000), life(age_s=99.0)],
    )
    assert due is not None
    assert due[0].key == "shop/mail@2"
    assert next_due(LIMITS, [life()]) is None


# -- seen through -------------------------------------------------------------------------------------------------------


NODE = "n1".ljust(32, "0")


def observe(key: str) -> None:
    ObservedChild.objects.create(
        node_id=NODE,
        key=key,
        tree="shop",
        child_id=key.partition("/")[2],
        state="running",
        incarnation=1,
        seq=1,
    )


@pytest.fixture
def leader(db: None) -> Leader:
    scale = {"min": 2, "max": 2, "queue_length": 10}
    worker = {"app": "shop:app", "queues": ["mail"], "scale": scale, "recycle": {"tasks": 10}}
    apply_tree(
        document={
            "version": 1,
            "tree": "shop",
            "supervisor": {"children": [{"id": "mail", "celery_worker": worker}]},
        },
        message="first",
        actor=ANNA,
    )
    node("n1")
    for number in (1, 2):
        observe(f"shop/mail@{number}")
    term = acquire(name=CONTROLLER, holder="me", ttl_s=60)
    assert term is not None
    return Leader(CONTROLLER, "me", term)


def told(number: int, tasks: int, seconds: float, incarnation: int = 1) -> None:
    holder = f"{NODE}/shop/mail@{number}/{incarnation}/9"
    take_report(
        report=Report(holder, app="shop", pool="prefork", tasks_total=tasks, queues={"mail": {"length": 0}}),
        now=at(seconds),
    )


def commands() -> list[Command]:
    return list(Command.objects.filter(verb=Verb.RECYCLE).order_by("created_at"))


def test_one_at_a_time_until_its_fresh_life_is_there_and_nobody_stands_in(leader: Leader) -> None:
    told(1, 10, 0)
    told(2, 11, 1)
    assert recycle_workers(leader=leader, now=at(2)) == [
        "shop/mail@1 incarnation 1 is recycled, tasks: 10 run, at most 10"
    ]
    [command] = commands()
    assert (command.key, command.args, command.reason) == (
        "shop/mail@1", {"incarnation": 1}, "tasks: 10 run, at most 10",
    )  # fmt: skip
    assert recycle_workers(leader=leader, now=at(3)) == []  # the node has not taken it

    finish_command(command_id=command.pk, result={})
    observe("shop/mail@surge-1")
    assert recycle_workers(leader=leader, now=at(8)) == []  # somebody stands in

    ObservedChild.objects.filter(key="shop/mail@surge-1").update(removed=True)
    ObservedChild.objects.filter(key="shop/mail@1").update(incarnation=2)
    told(1, 0, 9, incarnation=2)
    assert recycle_workers(leader=leader, now=at(9)) == [
        "shop/mail@1 was recycled, tasks: 10 run, at most 10"
    ]
    assert PoolScale.objects.get().recycling["last"]["key"] == "shop/mail@1"
    assert recycle_workers(leader=leader, now=at(9.5)) == [
        "shop/mail@2 incarnation 1 is recycled, tasks: 11 run, at most 10"
    ]
    assert AuditEntry.objects.filter(action="child.recycle", actor_name="controller").count() == 2


def test_a_command_that_is_refused_is_given_again_later(leader: Leader) -> None:
    told(1, 10, 0)
    recycle_workers(leader=leader, now=at(1))
    error = {"code": "conflict", "message": "shop/web is being recycled, and one is at a time"}
    finish_command(command_id=commands()[0].pk, error=error)
    [words] = recycle_workers(leader=leader, now=at(2))
    assert words == "shop/mail@1 is not recycled: shop/web is being recycled, and one is at a time"
    assert recycle_workers(leader=leader, now=at(8)) == []
    told(1, 10, 13)
    assert len(recycle_workers(leader=leader, now=at(13))) == 1
    assert len(commands()) == 2


def test_who_was_to_stand_in_did_not_become_ready(leader: Leader) -> None:
    told(1, 10, 0)
    recycle_workers(leader=leader, now=at(1))
    finish_command(command_id=commands()[0].pk, result={})
    [words] = recycle_workers(leader=leader, now=at(9))
    assert "did not become ready" in words
    assert recycle_workers(leader=leader, now=at(10)) == []


def test_a_rolling_restart_replaces_every_worker_that_lived_then_and_no_other(leader: Leader) -> None:
    told(1, 0, 0)
    told(2, 0, 0)
    restart_pool(tree="shop", path="mail", actor=ANNA, reason="new certificates", now=at(1))
    for number in (2, 1):
        [words] = recycle_workers(leader=leader, now=at(2))
        assert words == (
            f"shop/mail@{number} incarnation 1 is recycled, "
            "rolling restart asked for by anna: new certificates"
        )
        finish_command(command_id=commands()[-1].pk, result={})
        ObservedChild.objects.filter(key=f"shop/mail@{number}").update(incarnation=2)
        told(number, 0, 3, incarnation=2)
        assert len(recycle_workers(leader=leader, now=at(7))) == 1
    assert recycle_workers(leader=leader, now=at(8)) == ["shop/mail: every worker is fresh"]
    assert recycle_workers(leader=leader, now=at(8)) == []
    assert len(commands()) == 2
    row = PoolScale.objects.get()
    assert (row.roll_before, row.roll_reason) == (None, "")


def test_what_a_silent_worker_said_before_is_no_reason(leader: Leader) -> None:
    told(1, 10, 0)
    assert recycle_workers(leader=leader, now=at(60)) == []
