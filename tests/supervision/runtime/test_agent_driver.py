"""Agents in the driver, with templates and processes in memory: when a fork is answered, late, refused, or not wanted."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.agent_driver import FORKING, Forks
from supervision.runtime.template_port import FakeTemplates
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.driver_stage import KEY, Stage
from tests.supervision.runtime.fake_table import exited


def body(**agent: Any) -> Mapping[str, Any]:
    child = {"id": "a", "agent": {"entry_point": "shop:Buyer", **agent}}
    return parse_tree({"version": 1, "tree": "t", "supervisor": {"children": [child]}}).spec.children[0].body


class AgentStage(Stage):
    """A driver with templates."""

    def __init__(self, directory: Path, templates: FakeTemplates) -> None:
        super().__init__(directory)
        self.templates = templates
        self.driver.forks = Forks(self.driver, templates, self.loop)
        self.body = body()

    def begin(self, **agent: Any) -> None:
        self.body = body(**agent)
        self.start()

    def close(self) -> None:
        self.loop.close()
        for leader in self.table.leaders.values():
            if leader.pidfd >= 0:
                os.close(leader.pidfd)


@pytest.fixture
def templates() -> FakeTemplates:
    return FakeTemplates()


@pytest.fixture
def stage(tmp_path: Path, templates: FakeTemplates) -> Iterator[AgentStage]:
    made = AgentStage(tmp_path, templates)
    yield made
    made.close()


def test_an_agent_is_forked_and_ready_when_it_says_so(stage: AgentStage, templates: FakeTemplates) -> None:
    stage.begin(cwd="/tmp", umask="022", environment={"MINE": "yes"}, limits={"core": 0})
    assert stage.events.take() == ["started main"]
    assert stage.run.started_by == "template"
    (order,) = templates.forked.values()
    assert order.start()["entry_point"] == "shop:Buyer"
    assert (order.start()["cwd"], order.start()["umask"], order.start()["comm"]) == ("/tmp", 0o22, "a")
    assert order.start()["limits"] == [[4, 0]]
    assert order.own["OVERSTORY_CHILD"] == KEY
    assert order.own["OVERSTORY_MARK"] == f"01234567:{KEY}:1:main"
    shared = dict(order.key.environment)
    assert shared["MINE"] == "yes"
    assert {name for name in shared if name.startswith("OVERSTORY_")} == {"OVERSTORY_NODE"}
    stage.driver.deadlines.mark_ready(stage.run)
    assert stage.events.take() == ["ready"]
    stage.end(exited(3))
    assert stage.events.take() == ["exited exit(3)"]


def test_every_life_comes_out_of_the_same_template(stage: AgentStage, templates: FakeTemplates) -> None:
    for _ in range(3):
        stage.start()
        stage.end()
    first, *others = templates.forked.values()
    assert all(order.key == first.key for order in others)
    assert [order.own["OVERSTORY_INCARNATION"] for order in templates.forked.values()] == ["1", "2", "3"]


def test_a_start_that_waits_for_its_template_is_announced_and_holds_nobody_up(
    stage: AgentStage, templates: FakeTemplates
) -> None:
    templates.is_ready = False
    stage.start()
    assert stage.events.take() == ["forking"]
    assert (stage.run.stage, stage.run.leader) == (FORKING, None)
    templates.let_start()
    assert stage.events.take() == ["stage main"]
    assert stage.run.stage == "main"


def test_a_start_that_is_stopped_while_it_waits_is_never_forked(
    stage: AgentStage, templates: FakeTemplates
) -> None:
    templates.is_ready = False
    stage.start()
    stage.signal()
    assert stage.events.take() == ["forking", "exited shutdown"]
    assert stage.driver.runs == {}
    templates.let_start()
    assert templates.forked == {}


def test_a_start_that_is_killed_while_it_waits_ends_with_the_cause(
    stage: AgentStage, templates: FakeTemplates
) -> None:
    templates.is_ready = False
    stage.start()
    stage.kill("timeout")
    assert stage.events.take() == ["forking", "exited timeout"]


class Slow(FakeTemplates):
    """Was asked already: a fork that is not wanted any more comes all the same."""

    def cancel(self, order: Any) -> bool:
        order.unwanted = True
        return False


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[AgentStage]:
    made = AgentStage(tmp_path, Slow(ready=False))
    yield made
    made.close()


def test_what_was_asked_of_it_meanwhile_a_process_hears_when_it_is_there(slow: AgentStage) -> None:
    slow.start()
    slow.signal()
    assert slow.events.take() == ["forking"]
    slow.templates.let_start()
    assert slow.table.sent == [("main", 15), ("main", 18)]
    slow.end(15)
    assert slow.events.take() == ["stage main", "exited shutdown"]


def test_what_was_killed_meanwhile_does_not_run(slow: AgentStage) -> None:
    slow.start()
    slow.kill("brutal_kill")
    slow.templates.let_start()
    assert slow.events.take() == ["forking", "stage main", "exited shutdown"]


def test_a_refusal_of_what_is_not_wanted_any_more_starts_nothing(slow: AgentStage) -> None:
    slow.start()
    slow.signal()
    slow.templates.waiting.pop().on_refused("its template died")
    assert slow.events.take() == ["forking", "exited shutdown"]
    assert slow.table.plans == {}


def test_an_answer_that_should_come_at_once_is_announced_when_it_does_not(
    stage: AgentStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeTemplates, "start", lambda self, order: self.waiting.append(order) or True)
    stage.start()
    assert stage.events.take() == []
    stage.later(0.06)
    assert stage.events.take() == ["forking"]
    stage.templates.let_start()
    assert stage.events.take() == ["stage main"]


def test_what_cannot_be_forked_is_exec_d_and_says_why(stage: AgentStage, templates: FakeTemplates) -> None:
    templates.refuse = "its modules cannot be forked: importing shop opens socket:[1]"
    stage.start()
    assert stage.events.take() == ["started main"]
    assert stage.plan.argv[-1] == "shop:Buyer"
    assert (stage.run.started_by, stage.run.why_exec) == ("exec", templates.refuse)


def test_an_agent_of_its_own_program_asks_no_template(stage: AgentStage, templates: FakeTemplates) -> None:
    stage.begin(start="exec")
    assert stage.run.started_by == "exec"
    assert stage.plan.environment["OVERSTORY_AGENT"]
    assert templates.forked == {}


def test_a_process_that_could_not_begin_is_a_failed_start(
    stage: AgentStage, templates: FakeTemplates
) -> None:
    stage.start()
    (order,) = templates.forked.values()
    order.on_broken("FileNotFoundError: /srv")
    stage.end(exited(1))
    assert stage.events.take() == ["started main", "exited start_failed(FileNotFoundError: /srv)"]
    assert templates.drained  # its last words are heard before its end is judged


def test_a_missed_heartbeat_is_unhealthy(stage: AgentStage) -> None:
    stage.begin(heartbeat="2s")
    stage.later(2.1)
    assert stage.events.take() == ["started main", "exited unhealthy"]


def test_an_agent_that_is_not_ready_in_time_has_failed(stage: AgentStage) -> None:
    stage.begin(ready_within="5s")
    stage.later(5.1)
    assert stage.events.take() == ["started main", "exited start_failed(not ready within 5 s)"]


def test_a_child_that_is_gone_needs_no_template(stage: AgentStage, templates: FakeTemplates) -> None:
    stage.begin(spares=2)
    stage.end()
    stage.driver.forget(KEY)
    templates.refill()
    assert set(templates._spares.values()) == {0}


def test_an_adopted_agent_has_a_template_before_it_needs_one(
    stage: AgentStage, templates: FakeTemplates
) -> None:
    leader = stage.table.living(KEY, 4)
    run = stage.driver.adopt(KEY, 4, body(spares=3), leader)
    stage.driver.resume(run)
    templates.refill()
    assert list(templates._spares.values()) == [3]
