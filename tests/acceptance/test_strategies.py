"""kill -9 of real processes under each strategy: exactly OTP's set restarts, in its order, and exactly what is foreseen."""

import itertools
import json
import os
import signal
from typing import Any

import pytest

from supervision.kernel.events import RestartKey, StopKey
from supervision.kernel.foresight import Ask, Crash, Deed, Foresight, foresee
from supervision.runtime.clock import SystemClock
from supervision.runtime.journal_replay import replay
from supervision.runtime.recovery import recover
from tests.support.engine import Engine, child, tree
from tests.support.waiting import wait_for

AFFECTED = {
    "one_for_one": {"b"},
    "one_for_all": {"a", "b", "c"},
    "rest_for_one": {"b", "c"},
}


@pytest.mark.parametrize("strategy", sorted(AFFECTED))
def test_killing_the_second_of_three_children_restarts_exactly_the_set_of_its_strategy(strategy: str) -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), child("b"), child("c"), strategy=strategy))
        before = {name: engine.wait_state(f"t/{name}", "running") for name in "abc"}
        os.kill(before["b"]["pid"], signal.SIGKILL)
        engine.wait_incarnation("t/b", 1)
        after = {name: engine.wait_state(f"t/{name}", "running") for name in "abc"}
        changed = {name for name in "abc" if after[name]["pid"] != before[name]["pid"]}
        assert changed == AFFECTED[strategy]
        assert after["b"]["last_exit"]["reason"] == "signal(9)"
        starts = [event["event"][1] for event in engine.records("step") if event["event"][0] == "started"]
        assert starts == ["t/a", "t/b", "t/c", *[f"t/{name}" for name in "abc" if name in AFFECTED[strategy]]]


def foreseen_actions(foresight: Foresight) -> list[Any]:
    """As the journal would have them, without whose call they answer."""
    actions = [action.to_json() for happening in foresight.happenings for action in happening.actions]
    return [one for one in json.loads(json.dumps(actions)) if one[0] != "reply"]


def unordered_ends(actions: list[Any]) -> list[Any]:
    """Neighbouring ends of stopping children, sorted: signalled together, they end in no promised order."""
    ended = [action[0] == "state" and action[2:4] == ["stopping", "stopped"] for action in actions]
    ordered: list[Any] = []
    for together, run in itertools.groupby(zip(actions, ended, strict=True), key=lambda pair: pair[1]):
        neighbours = [action for action, _ in run]
        ordered += sorted(neighbours, key=lambda action: action[1]) if together else neighbours
    return ordered


class Predicted:
    """The kernel of a tree as the journal has it, asked before something is done; and what was decided then."""

    def __init__(self, engine: Engine, deed: Deed) -> None:
        self.engine = engine
        snapshot, records, damage = replay(str(engine.paths.journal_dir))
        assert not damage
        self.seq = records[-1]["seq"] if records else (snapshot or {})["seq"]
        kernel = recover(snapshot, records).trees["t"].kernel
        self.foresight = foresee(kernel, deed, now=SystemClock().boot())
        self.expected = foreseen_actions(self.foresight)

    def decided(self) -> list[Any]:
        steps = [record for record in self.engine.records("step") if record["seq"] > self.seq]
        return [action for step in steps for action in step["actions"] if action[0] != "reply"]

    def came_true(self) -> None:
        """What the node decided since is what was foreseen: the same stops, starts, restarts and surrenders, in order."""
        wait_for(lambda: len(self.decided()) >= len(self.expected), timeout=30, what="as much is decided")
        assert unordered_ends(self.decided()) == unordered_ends(self.expected)


def kill_and_wait(engine: Engine, key: str) -> None:
    """Until its supervisor has noticed."""
    pid = engine.wait_state(key, "running")["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: engine.pid_of(key) != pid, timeout=30, what=f"the end of {key} is noticed")


@pytest.mark.parametrize("strategy", [*sorted(AFFECTED), "simple_one_for_one"])
def test_a_real_node_does_what_its_kernel_foresees(strategy: str) -> None:
    children = [child("b")] if strategy == "simple_one_for_one" else [child(name) for name in "abc"]
    inner = {"id": "inner", "supervisor": {"strategy": strategy, "period": 60, "children": children}}
    key = "t/inner/b"
    with Engine() as engine:
        engine.apply(tree("t", child("first"), inner, child("last"), strategy="rest_for_one"))
        engine.wait_state("t/last", "running")
        if strategy == "simple_one_for_one":
            for name in "abc":
                engine.call("start_child", supervisor="t/inner", instance=name)
        engine.wait_state("t/inner/c", "running")
        once = Predicted(engine, Crash(key))
        os.kill(engine.wait_state(key, "running")["pid"], signal.SIGKILL)
        once.came_true()
        restart = Predicted(engine, Ask((RestartKey("t/inner/c"),)))
        engine.call("restart", key="t/inner/c")
        restart.came_true()
        rest = Predicted(engine, Crash(key, 3, 0))
        assert rest.foresight.gave_up == ("t/inner",), "one restart is used already"
        for _ in range(3):
            kill_and_wait(engine, key)
        rest.came_true()
        stop = Predicted(engine, Ask((StopKey("t/inner"),)))
        engine.call("stop", key="t/inner")
        stop.came_true()


def test_three_exits_in_the_window_recover_and_the_fourth_escalates_to_the_supervisor_above() -> None:
    inner = {"id": "inner", "supervisor": {"children": [child("a"), child("b")]}}
    with Engine() as engine:
        engine.apply(tree("t", inner, child("other")))
        other = engine.wait_state("t/other", "running")
        for number in range(1, 4):
            view = engine.wait_incarnation("t/inner/a", number - 1)
            assert view["incarnation"] == number
            os.kill(view["pid"], signal.SIGKILL)
        view = engine.wait_incarnation("t/inner/a", 3)
        assert engine.child("t/inner")["incarnation"] == 1
        os.kill(view["pid"], signal.SIGKILL)
        engine.wait_state("t/inner", "running", incarnation=2)
        assert engine.wait_state("t/inner/a", "running")["incarnation"] == 5
        assert engine.child("t/inner/b")["incarnation"] == 2
        assert engine.child("t/other")["pid"] == other["pid"]


def test_a_stopped_child_stays_stopped_and_starts_when_told_to() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), child("b"), strategy="one_for_all"))
        engine.wait_state("t/b", "running")
        engine.call("stop", key="t/b")
        assert engine.child("t/b")["state"] == "stopped"
        os.kill(engine.child("t/a")["pid"], signal.SIGKILL)
        engine.wait_incarnation("t/a", 1)
        assert engine.child("t/b")["state"] == "stopped"
        engine.call("start", key="t/b")
        engine.wait_state("t/b", "running")
