"""What is done about leaks by itself: steps over rows, one child of a supervisor at a time, on record."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIssue
from supervision.errors.store.projects import create_project
from supervision.errors.store.seen import LEAK_TAG
from supervision.errors.store.selectors import issues_about, issues_tagged
from supervision.fleet.leading import Leader
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild
from supervision.leakwatch.acting import act_on_leaks
from supervision.leakwatch.models import DeedState, LeakFinding
from supervision.trees.commands import finish_command
from supervision.trees.models import Command, Verb
from supervision.trees.services import apply_tree
from tests.supervision.leakwatch_rows import MIB, make_leak
from tests.supervision.trees import fleet_rows

NOW = timezone.now()


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def leader(db: None) -> Leader:
    """A tree whose children say different things, observed on one node."""

    def child(name: str, **says: Any) -> dict[str, Any]:
        return {"id": name, "process": {"command": ["/bin/sleep", "9"]}, **says}

    children = [
        child("web", on_leak={"does": "recycle"}),
        child("mail", on_leak={"does": "recycle"}),
        child("heap", on_leak={"does": "restart", "memory": "100MiB"}),
        child("plain"),
    ]
    apply_tree(
        document={
            "version": 1,
            "tree": "shop",
            "supervisor": {"strategy": "one_for_all", "children": children},
        },
        message="first",
        actor=fleet_rows.ADA,
    )
    node = fleet_rows.node("n1")
    ObservedChild.objects.create(
        node=node, key="shop", tree="shop", child_id="shop", state="running", is_supervisor=True, seq=1,
        strategy="one_for_all",
    )  # fmt: skip
    for one in children:
        observe(node, f"shop/{one['id']}", 1)
    return fleet_rows.leader()


def observe(node: Node, key: str, incarnation: int, state: str = "running") -> None:
    ObservedChild.objects.update_or_create(
        node=node, key=key, defaults={
            "tree": "shop", "parent": "shop", "child_id": key.partition("/")[2], "state": state,
            "incarnation": incarnation, "seq": 1,
        },
    )  # fmt: skip


def commands() -> list[Command]:
    return list(Command.objects.filter(verb=Verb.RECYCLE).order_by("created_at"))


def node() -> Node:
    return Node.objects.get(name="n1")


def test_one_child_of_a_supervisor_at_a_time_until_its_fresh_life_runs(leader: Leader) -> None:
    first = make_leak(node(), "shop/web", resource="fds", action="recycle", limit_at=later(60))
    make_leak(node(), "shop/mail", resource="threads", action="restart", limit_at=later(90))
    [words] = act_on_leaks(leader=leader, now=NOW)
    assert words == (
        "shop/web incarnation 1: recycle: shop/web goes down, its 3 siblings run on "
        "(one_for_all: nothing failed, so nothing goes with it)"
    )
    [command] = commands()
    assert (command.key, command.args, command.actor_name) == ("shop/web", {"incarnation": 1}, "controller")
    assert command.reason.startswith("it leaks descriptors: ")
    assert act_on_leaks(leader=leader, now=later(2)) == []  # the node has not taken it

    finish_command(command_id=command.pk, result={})
    observe(node(), "shop/web@surge", 1)
    observe(node(), "shop/web", 2)
    assert act_on_leaks(leader=leader, now=later(4)) == []  # somebody stands in
    ObservedChild.objects.filter(key="shop/web@surge").update(removed=True)
    observe(node(), "shop/web", 2, "starting")
    assert act_on_leaks(leader=leader, now=later(6)) == []  # it does not run yet

    observe(node(), "shop/web", 2)
    LeakFinding.objects.filter(pk=first.pk).update(ended_at=later(5), outcome="life_ended")
    done, next_one = act_on_leaks(leader=leader, now=later(8))
    assert done == "shop/web incarnation 1: has a fresh life"
    assert next_one.startswith("shop/mail incarnation 1: recycle")
    row = LeakFinding.objects.get(pk=first.pk)
    assert (row.deed_state, row.policy, row.deed_at) == (DeedState.DONE, "recycle", NOW)
    assert AuditEntry.objects.filter(action="child.recycle", actor_name="controller").count() == 2


def test_a_life_that_was_replaced_for_a_leak_is_filed_once_and_named(leader: Leader) -> None:
    create_project(slug="shop", tree="shop", actor=Actor.system("test"))
    first = make_leak(node(), "shop/web", resource="fds", action="recycle", limit_at=later(60))
    act_on_leaks(leader=leader, now=NOW)
    finish_command(command_id=commands()[0].pk, result={})
    digest(now=later(60))
    assert not ErrorIssue.objects.exists()  # it is asked, and nothing happened yet
    observe(node(), "shop/web", 2)
    act_on_leaks(leader=leader, now=later(4))
    act_on_leaks(leader=leader, now=later(6))
    digest(now=later(60))
    issue = ErrorIssue.objects.get()
    assert (issue.type, issue.child, issue.stat.count) == ("Leak", "shop/web", 1)
    assert issue.title.startswith("Leak: shop/web: ")
    assert issues_about("shop/web", since=NOW.timestamp()) == ("SHOP-1",)
    assert issues_tagged(LEAK_TAG, str(first.pk), tree="shop") == [issue]


def test_what_says_nothing_is_only_watched_and_so_is_what_may_only_fill(leader: Leader) -> None:
    make_leak(node(), "shop/plain", action="restart")
    make_leak(node(), "shop/web", action="watch")
    make_leak(node(), "system/@courier", action="restart")
    make_leak(node(), "elsewhere/web", action="restart")
    assert act_on_leaks(leader=leader, now=NOW) == []
    policies = dict(LeakFinding.objects.values_list("key", "policy"))
    assert policies == {
        "shop/plain": "watch", "shop/web": "recycle", "system/@courier": "", "elsewhere/web": "watch",
    }  # fmt: skip


def test_restart_waits_for_its_memory_bound_and_for_nobody_to_stand_in(leader: Leader) -> None:
    row = make_leak(node(), "shop/heap", action="recycle", value=99.0 * MIB)
    assert act_on_leaks(leader=leader, now=NOW) == []
    LeakFinding.objects.filter(pk=row.pk).update(value=120.0 * MIB)
    assert len(act_on_leaks(leader=leader, now=later(2))) == 1
    [command] = commands()
    assert command.args == {"incarnation": 1, "stand_in": False}
    assert command.reason == "it leaks memory and holds 120 MiB, its bound is 100 MiB"


def test_a_command_that_is_refused_is_given_again_later(leader: Leader) -> None:
    make_leak(node(), "shop/web", action="recycle")
    act_on_leaks(leader=leader, now=NOW)
    error = {"code": "conflict", "message": "shop/mail is being recycled, and one is at a time"}
    finish_command(command_id=commands()[0].pk, error=error)
    [words] = act_on_leaks(leader=leader, now=later(2))
    assert words.endswith("not recycled: shop/mail is being recycled, and one is at a time")
    assert act_on_leaks(leader=leader, now=later(9)) == []
    assert len(act_on_leaks(leader=leader, now=later(13))) == 1
    assert len(commands()) == 2


def test_a_life_that_never_came_is_said_and_asked_for_again(leader: Leader) -> None:
    make_leak(node(), "shop/web", action="recycle")
    act_on_leaks(leader=leader, now=NOW)
    finish_command(command_id=commands()[0].pk, result={})
    assert act_on_leaks(leader=leader, now=later(599)) == []
    [words] = act_on_leaks(leader=leader, now=later(601))
    assert words.endswith("no fresh life of it runs")
