"""kill -9 of real processes under each strategy: exactly OTP's set restarts, in OTP's order."""

import os
import signal

import pytest

from tests.support.engine import Engine, child, tree

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
