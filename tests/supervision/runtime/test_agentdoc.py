"""What an agent's section becomes: the process that it is, what it is told, and how it comes out of a template."""

import json
import sys
from typing import Any

import pytest

from supervision.runtime import agentdoc
from supervision.runtime.fielddoc import DocumentErrors
from supervision.runtime.forking import Forking, TemplateKey
from supervision.runtime.kinds import body_of
from supervision.runtime.processdoc import Notify, ProcessBody


def body(delivered: dict[str, Any] | None = None, **fields: Any) -> ProcessBody:
    section = {"entry_point": "shop.agents:Buyer", **fields}
    more = {} if delivered is None else {"delivered": delivered}
    return body_of({"kind": "agent", "agent": section, **more})


def test_an_agent_is_run_by_its_interpreter_and_is_ready_when_it_says_so() -> None:
    made = body(python="/venv/bin/python", ready_within="20s", limits={"nofile": 100}, descendants="keep")
    assert made.command == ("/venv/bin/python", agentdoc.RUN, "shop.agents:Buyer")
    assert made.readiness == Notify()
    assert made.readiness_deadline_s == 20
    assert (made.limits[0].soft, made.descendants) == (100, "keep")
    assert body().command[0] == sys.executable


def test_an_agent_that_never_has_to_be_ready_has_no_deadline() -> None:
    assert body(ready_within="infinity").readiness_deadline_s is None


@pytest.mark.parametrize(
    ("fields", "limit", "reason"),
    [
        ({}, None, "watchdog"),
        ({"heartbeat": "2s"}, 2, "unhealthy"),
        ({"watchdog": "3s"}, 3, "watchdog"),
        ({"heartbeat": "2s", "watchdog": "3s"}, 2, "unhealthy"),
        ({"heartbeat": "4s", "watchdog": "3s"}, 3, "watchdog"),
    ],
)
def test_a_missed_heartbeat_is_unhealthy_and_a_missed_watchdog_is_watchdog(
    fields: dict[str, Any], limit: float | None, reason: str
) -> None:
    made = body(**fields)
    assert (made.watchdog_s, made.watchdog_reason) == (limit, reason)


def test_what_the_agent_is_to_know_stands_in_its_environment() -> None:
    told = body(arguments={"n": 5.0}, metadata={"team": "x"}, capabilities=["buy"], namespace="shop").told
    assert json.loads(told["OVERSTORY_AGENT_ARGUMENTS"]) == {"n": 5.0}
    assert json.loads(told["OVERSTORY_AGENT_METADATA"]) == {"team": "x"}
    assert json.loads(told["OVERSTORY_AGENT"]) == {
        "entry_point": "shop.agents:Buyer",
        "namespace": "shop",
        "capabilities": ["buy"],
    }


def test_arguments_that_are_delivered_win() -> None:
    made = body({"arguments": {"n": 2}, "revision": 7}, arguments={"n": 1})
    assert json.loads(made.told["OVERSTORY_AGENT_ARGUMENTS"]) == {"n": 2}
    assert json.loads(made.told["OVERSTORY_AGENT"])["revision"] == 7


def test_a_template_imports_what_is_asked_for_and_the_agents_own_module_once() -> None:
    made = body(preload=["django", "shop.agents"], spares=3, python="/venv/bin/python")
    assert made.forking == Forking("shop.agents:Buyer", "/venv/bin/python", ("django", "shop.agents"), 3)
    assert body(start="exec").forking is None


def test_a_program_of_its_own_is_never_forked() -> None:
    made = body_of({"kind": "agent", "agent": {"command": ["/bin/agent", "x"]}})
    assert made.command == ("/bin/agent", "x")
    assert made.forking is None
    assert made.readiness == Notify()


def test_a_config_that_nobody_filled_in_cannot_run() -> None:
    with pytest.raises(DocumentErrors, match="'shop/buyer' is not filled in"):
        body_of({"kind": "agent", "agent": {"config": "shop/buyer"}})


def test_children_share_a_template_when_everything_they_begin_with_is_the_same() -> None:
    one = Forking("a.b:C", "/p", ("a.b",), 1)
    other = Forking("a.b:D", "/p", ("a.b",), 5)

    def key(forking: Forking, **fields: Any) -> TemplateKey:
        told: dict[str, Any] = {"cwd": "/", "user": None, "environment": {"B": "1", "A": "2"}, **fields}
        return TemplateKey.of(forking, **told)

    assert key(one) == key(other) == key(one, environment={"A": "2", "B": "1"})
    for different in (
        key(one, cwd="/tmp"),
        key(one, user=(1, 1, ())),
        key(one, environment={"A": "2"}),
        key(Forking("a.b:C", "/q", ("a.b",), 1)),
        key(Forking("a.b:C", "/p", ("x", "a.b"), 1)),
    ):
        assert different != key(one)
