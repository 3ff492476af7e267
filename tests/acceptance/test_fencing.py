"""Fenced trees: they run under a confirmed lease, and are down before anybody else may start them."""

import contextlib
import os
import signal
from typing import Any

import pytest

from supervision.runtime.client import ControlError
from supervision.runtime.clock import SystemClock
from supervision.runtime.guardian_fence import kill_whole
from supervision.runtime.identity import read_stat
from tests.support.engine import SLEEP, Engine, child, python, tree
from tests.support.waiting import wait_for

MARGIN_S = 2.0
CLOCK = SystemClock()
LEFT_BEHIND = python(
    "import subprocess, time\n"
    "subprocess.Popen(['/bin/sh', '-c', 'setsid sleep 3600 & echo $!; exit 0'])\n"
    "time.sleep(3600)"
)


def apply(engine: Engine, *, epoch: int = 1, fence: bool = True, revision: int = 1, **carry: Any) -> None:
    document = tree("one", child("a"), child("b", LEFT_BEHIND, process={"descendants": "keep"}))
    engine.call(
        "apply",
        spec=document,
        revision=revision,
        origin="store",
        epoch=epoch,
        fence=fence,
        carry=carry or None,
    )


def renew(engine: Engine, *, epoch: int = 1, last_s: float = 30.0, ago_s: float = 0.0) -> float:
    """The deadline it gives."""
    sent = CLOCK.boot() - ago_s
    engine.call("lease", sent=sent, ttl_s=last_s + MARGIN_S, trees={"one": epoch})
    return sent + last_s


def is_alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.is_zombie


def view(engine: Engine) -> dict[str, Any]:
    found: dict[str, Any] = engine.call("trees")["trees"][0]
    return found


def pids(engine: Engine) -> list[int]:
    return [engine.wait_state(key, "running")["pid"] for key in ("one/a", "one/b")]


def records(engine: Engine) -> list[str]:
    return [record["what"] for record in engine.records("tree")]


def test_a_fenced_tree_starts_with_its_first_confirmed_renewal_and_is_killed_when_none_follows() -> None:
    with Engine() as engine:
        apply(engine)
        assert view(engine)["fenced"]
        assert engine.child("one/a")["pid"] is None
        with pytest.raises(ControlError, match="fenced"):
            engine.call("start", key="one/a")
        renew(engine, epoch=0)  # of somebody else's time
        assert view(engine)["fenced"]
        deadline = renew(engine, last_s=1.5)
        before = pids(engine)
        wait_for(lambda: not any(map(is_alive, before)), timeout=20)
        assert deadline - 0.05 <= CLOCK.boot()
        wait_for(lambda: view(engine)["fenced"], timeout=5)
        wait_for(lambda: not [argv for argv in engine.processes().values() if "sleep" in argv], timeout=20)
        renew(engine, ago_s=100)  # an answer that was a hundred seconds under way
        assert view(engine)["fenced"]
        renew(engine)
        after = pids(engine)
        assert not set(after) & set(before)
        assert records(engine) == ["fenced", "applied", "unfenced", "fenced", "unfenced"] or records(engine) == [
            "applied", "fenced", "unfenced", "fenced", "unfenced"
        ]  # fmt: skip
        assert engine.child("one/a")["incarnation"] == 2


def test_trees_without_a_fence_run_on_without_any_lease() -> None:
    with Engine() as engine:
        apply(engine, fence=False)
        before = pids(engine)
        renew(engine, ago_s=100)
        assert not view(engine)["fenced"]
        assert pids(engine) == before


def test_a_node_that_dies_leaves_its_lease_to_the_next_one() -> None:
    with Engine() as engine:
        apply(engine)
        renew(engine)
        before = pids(engine)
        engine.kill_node()
        engine.wait_answer()
        assert pids(engine) == before
        assert not view(engine)["fenced"]
        deadline = renew(engine, last_s=1.0)
        engine.kill_node()
        engine.wait_answer()
        wait_for(lambda: not any(map(is_alive, before)), timeout=20)
        assert CLOCK.boot() >= deadline - 0.05
        engine.kill_node()
        engine.wait_answer()
        assert view(engine)["fenced"]
        renew(engine)
        assert engine.wait_state("one/a", "running")["incarnation"] == 2


def test_the_guardian_kills_what_a_node_does_not_come_to() -> None:
    """Each node is stopped as soon as it is there: none lives long enough to act."""
    with Engine() as engine:
        apply(engine)
        deadline = renew(engine, last_s=1.5)
        before = pids(engine)
        left = [pid for pid, argv in engine.processes().items() if argv.startswith("sleep 3600")]
        renew(engine, last_s=max(0.5, deadline - CLOCK.boot()))
        while any(map(is_alive, before)) and CLOCK.boot() < deadline + 10:
            with contextlib.suppress(ProcessLookupError, OSError, ControlError, ValueError):
                node = _node_below(engine)
                if node is not None:
                    os.kill(node, signal.SIGSTOP)
        assert not any(map(is_alive, [*before, *left]))
        engine.wait_answer()
        wait_for(lambda: view(engine)["fenced"], timeout=20)
        assert all(engine.child(key)["pid"] is None for key in ("one/a", "one/b"))
        assert "the node did not" in engine.log() or "tree fenced" in engine.log()


def _node_below(engine: Engine) -> int | None:
    guardian = engine.guardian_pid()
    for pid in engine.processes():
        stat = read_stat(pid)
        if stat is not None and stat.ppid == guardian and stat.comm == "overstory-node":
            return pid
    return None


def test_what_was_stopped_elsewhere_is_not_started_here() -> None:
    with Engine() as engine:
        apply(engine, fence=False, stopped=["one/a"], held={"one/b": None})
        assert engine.wait_state("one/b", "held")
        assert engine.child("one/a")["state"] == "stopped"
        engine.kill_node()
        engine.wait_answer()
        assert engine.child("one/a")["state"] == "stopped"
        assert engine.child("one/b")["state"] == "held"


def test_equal_documents_of_the_store_only_get_another_number() -> None:
    with Engine() as engine:
        engine.apply(tree("one", child("a"), child("b", LEFT_BEHIND, process={"descendants": "keep"})))
        assert view(engine)["origin"] == "local"
        before = pids(engine)
        apply(engine, fence=False, revision=7, epoch=3)
        assert (view(engine)["revision"], view(engine)["origin"], view(engine)["epoch"]) == (7, "store", 3)
        assert pids(engine) == before
        engine.kill_node()
        engine.wait_answer()
        assert (view(engine)["revision"], view(engine)["origin"]) == (7, "store")
        assert pids(engine) == before
        with pytest.raises(ControlError, match="not at 6"):
            engine.call("delete", tree="one", from_revision=6, origin="store")
        engine.call("delete", tree="one", from_revision=7, origin="store")
        assert engine.call("trees")["trees"] == []


def test_killing_whole_takes_everything_below() -> None:
    with Engine() as engine:
        engine.apply(tree("two", child("a", SLEEP), child("b", LEFT_BEHIND), intensity=100))
        leaders = [(engine.wait_state(key, "running")["pid"], 0) for key in ("two/a", "two/b")]
        assert kill_whole([(pid, 1) for pid, _ in leaders]) == set()  # others by now have these numbers
        hit = kill_whole(leaders)
        assert {pid for pid, _ in leaders} <= hit
        wait_for(lambda: not any(map(is_alive, hit)), timeout=5)


def test_a_command_with_an_id_is_carried_out_once_whoever_dies() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a")))
        engine.wait_state("t/a", "running")
        first = engine.call("restart", key="t/a", command_id="c1", by="user:ann")
        assert engine.wait_state("t/a", "running")["incarnation"] == 2
        assert engine.call("restart", key="t/a", command_id="c1") == first
        with pytest.raises(ControlError, match="no child"):
            engine.call("restart", key="t/z", command_id="c2")
        engine.kill_node()
        engine.wait_answer()
        assert engine.call("restart", key="t/a", command_id="c1") == first
        with pytest.raises(ControlError, match="no child"):
            engine.call("restart", key="t/z", command_id="c2")
        assert engine.wait_state("t/a", "running")["incarnation"] == 2
        asked = [r for r in engine.records("command") if r.get("id") == "c1"]
        assert [r.get("what") for r in asked] == [None, "ended"]
        assert asked[0]["by"] == "user:ann"
