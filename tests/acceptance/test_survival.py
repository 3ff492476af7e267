"""kill -9 and SIGSTOP of guardian and node: children keep running under the same pids, and nothing remains after a stop."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from supervision.runtime import boot, linux
from supervision.runtime.processes import direct_children
from supervision.runtime.silence import processor_of
from tests.support.engine import Engine, alive, child, python, tree
from tests.support.waiting import wait_for

CHILDREN = [child(f"c{number}") for number in range(20)]


def pids(engine: Engine) -> dict[str, int]:
    return {key: view["pid"] for key, view in engine.views().items() if view["kind"] == "process"}


def all_running(engine: Engine) -> bool:
    views = [view for view in engine.views().values() if view["kind"] == "process"]
    return len(views) == len(CHILDREN) and all(view["state"] == "running" for view in views)


def test_a_node_killed_with_kill_9_is_replaced_and_adopts_every_child() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        assert pids(engine) == before
        os.kill(before["t/c3"], signal.SIGKILL)
        assert engine.wait_incarnation("t/c3", 1)["last_exit"]["reason"] == "signal(9)"


def test_children_that_die_while_the_node_is_away_are_reported_with_their_reason() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN, intensity=50))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        old = engine.node_pid()
        os.kill(old, signal.SIGSTOP)  # the guardian kills a stopped node; meanwhile nobody supervises
        os.kill(old, signal.SIGKILL)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT):
            os.kill(before[f"t/c{int(number)}"], number)
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT):
            view = engine.wait_incarnation(f"t/c{int(number)}", 1)
            assert view["last_exit"]["reason"] == f"signal({int(number)})"
        untouched = {key for key in before if key not in ("t/c9", "t/c15", "t/c6")}
        now = pids(engine)
        assert {key: now[key] for key in untouched} == {key: before[key] for key in untouched}


def test_how_a_child_ended_is_known_when_the_guardian_dies_before_the_next_node_has_found_it() -> None:
    known = linux.supports()["pidfd exit status"]  # else nobody has seen it, unless it is not reaped yet
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN, intensity=50))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        guardian, old = engine.guardian_pid(), engine.node_pid()
        assert guardian is not None
        os.kill(old, signal.SIGKILL)
        heads = [guardian, wait_for(lambda: next_node(guardian, old), timeout=30, every=0.001)]
        for pid in heads:
            os.kill(pid, signal.SIGSTOP)
        numbers = (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT)
        for number in numbers:
            os.kill(before[f"t/c{int(number)}"], number)
        os.kill(guardian, signal.SIGKILL)
        died = [Path(f"/proc/{before[f't/c{int(number)}']}") for number in numbers]
        with contextlib.suppress(
            AssertionError
        ):  # whoever reaps them here may be slow; a zombie has its status
            wait_for(lambda: not any(place.exists() for place in died), timeout=20)
        os.kill(heads[1], signal.SIGCONT)
        for number in numbers:
            reason = engine.wait_incarnation(f"t/c{int(number)}", 1)["last_exit"]["reason"]
            assert reason == f"signal({int(number)})" or (not known and reason == "lost")


def next_node(guardian: int, old: int) -> int | None:
    """The pid of the node that follows `old`, once it begins."""
    found = (pid for pid in direct_children(guardian) if pid != old)
    return next((pid for pid in found if comm_of(pid) == "overstory-node"), None)


def comm_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def test_a_stopped_node_is_replaced() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        old = engine.node_pid()
        os.kill(old, signal.SIGSTOP)
        wait_for(lambda: not alive(old), timeout=20)
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        assert pids(engine) == before


@contextlib.contextmanager
def starved(pid: int) -> Iterator[None]:
    """The process gets next to nothing of its processor: it waits for seconds at a time."""
    cpu = {min(os.sched_getaffinity(0))}
    with contextlib.ExitStack() as stack:
        for _ in range(24):
            other = subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"], start_new_session=True)
            stack.callback(other.wait)
            stack.callback(other.kill)
            os.sched_setaffinity(other.pid, cpu)
        os.sched_setaffinity(pid, cpu)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        autogroup = Path(f"/proc/{pid}/autogroup")  # sessions share the processors, not their processes
        if autogroup.exists():
            autogroup.write_text("19")
        yield


def waited_s(pid: int) -> float:
    had = processor_of(pid)
    return had.waited_s if had is not None else float("inf")


def test_a_node_that_only_waits_for_a_processor_is_not_replaced() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        node = engine.node_pid()
        before = waited_s(node)
        with starved(node):
            wait_for(lambda: waited_s(node) > before + 6.0, timeout=60)
        assert engine.wait_answer()["pid"] == node, engine.log()[-2000:]


def test_a_guardian_killed_with_kill_9_is_replaced_by_the_node_and_no_child_notices() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        guardian, node = engine.guardian_pid(), engine.node_pid()
        assert guardian is not None
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: engine.guardian_pid() == node, timeout=30)
        wait_for(lambda: engine.wait_answer()["pid"] != node, timeout=30)
        assert pids(engine) == before
        os.kill(before["t/c3"], signal.SIGKILL)
        assert engine.wait_incarnation("t/c3", 1)["last_exit"]["reason"] == "signal(9)"
        os.kill(node, signal.SIGTERM)  # the promoted guardian has no lifeline: it is asked
        wait_for(lambda: not alive(node), timeout=60)


def test_under_the_stop_policy_the_guardians_death_stops_everything() -> None:
    with Engine(on_guardian_death="stop") as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        guardian = engine.guardian_pid()
        assert guardian is not None
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: not engine.processes(), timeout=30)


def test_guardian_and_node_dead_together_leave_children_that_the_next_guardian_adopts() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        guardian, node = engine.guardian_pid(), engine.node_pid()
        assert guardian is not None
        os.kill(node, signal.SIGSTOP)
        os.kill(guardian, signal.SIGKILL)
        os.kill(node, signal.SIGKILL)
        wait_for(lambda: not alive(guardian) and not alive(node), timeout=10)
        os.kill(before["t/c5"], signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{before['t/c5']}").exists(), timeout=10, what="init reaps")
        engine.start()
        view = engine.wait_incarnation("t/c5", 1)
        assert view["last_exit"]["reason"] == "lost"
        now = pids(engine)
        assert {k: v for k, v in now.items() if k != "t/c5"} == {
            k: v for k, v in before.items() if k != "t/c5"
        }


def test_node_and_guardian_execute_new_code_in_place_and_no_child_notices() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        guardian, node = engine.guardian_pid(), engine.node_pid()
        started = engine.call("status")["started"]
        engine.call("reexec", what="both")
        wait_for(lambda: engine.call("status")["started"] > started, timeout=30)
        assert (engine.guardian_pid(), engine.node_pid()) == (guardian, node)
        assert pids(engine) == before
        os.kill(before["t/c3"], signal.SIGKILL)
        assert engine.wait_incarnation("t/c3", 1)["last_exit"]["reason"] == "signal(9)"


def test_a_second_guardian_may_follow_the_first_and_hands_a_stop_on_to_it() -> None:
    with Engine() as engine:
        engine.apply(tree("t", *CHILDREN))
        wait_for(lambda: all_running(engine), timeout=30)
        before = pids(engine)
        first, node = engine.guardian_pid(), engine.node_pid()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: engine.guardian_pid() == node, timeout=30)
        argv = boot.command("guardian", "--data-dir", str(engine.data_dir), "--if-running")
        refused = subprocess.run([*argv, "fail"], capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 1
        assert f"in use by guardian pid {node}" in refused.stderr
        with subprocess.Popen([*argv, "follow"], stderr=subprocess.PIPE, text=True) as follower:
            assert follower.stderr is not None
            assert "following it" in follower.stderr.readline()
            assert pids(engine) == before
            follower.terminate()
            assert follower.wait(timeout=60) == 0
        assert not alive(node)
        assert not engine.processes()


def test_the_last_words_are_written_by_the_next_node_when_this_one_is_killed_before_it_could() -> None:
    """Evidence is written a moment after the replacement runs; a kill in that moment loses none."""
    with Engine() as engine:
        engine.apply(
            tree("shop", child("web", python("import sys; sys.exit('out of luck')"), restart="temporary"))
        )
        wait_for(
            lambda: any(record["event"][0] == "exited" for record in engine.records("step")),
            timeout=30,
            every=0.001,
        )
        engine.kill_node()
        engine.wait_answer()
        wait_for(lambda: engine.records("exit"), timeout=30, what="evidence is on record")
        (evidence,) = engine.records("exit")
        assert (evidence["key"], evidence["stderr"]) == ("shop/web", ["out of luck"])


def test_a_job_that_is_done_and_what_is_kept_down_in_the_system_tree_hold_nobody_back() -> None:
    with Engine() as engine:
        done = child("migrations", ["/bin/true"], restart="temporary")
        engine.apply(tree("system", child("store"), done, child("redis")))
        engine.apply(tree("t", child("a")))
        engine.wait_state("system/migrations", "completed")
        engine.call("stop", key="system/redis")
        engine.wait_state("t/a", "running")
        engine.stop()
        engine.start()
        engine.wait_state("t/a", "running", timeout=30)  # half of what a wait for all of them would take
        assert engine.child("system/redis")["state"] == "stopped"


def test_the_number_that_the_store_gives_to_a_tree_starts_nothing_that_gave_up() -> None:
    """`stay_down` waits for a person: a courier that says which revision it is must not begin it."""
    with Engine() as engine:
        document = tree("crash", child("bad", ["/bin/false"]), on_failure={"action": "stay_down"})
        engine.apply(document)
        engine.wait_state("crash", "failed")
        incarnation = engine.child("crash/bad")["incarnation"]
        (known,) = engine.call("trees")["trees"]
        engine.call(
            "apply",
            spec=document,
            origin="store",
            revision=7,
            epoch=known["epoch"] + 1,
            from_revision=known["revision"],
        )
        assert engine.call("trees")["trees"][0]["revision"] == 7
        assert engine.child("crash")["state"] == "failed"
        assert engine.child("crash/bad")["incarnation"] == incarnation
        engine.apply(document)
        wait_for(
            lambda: engine.child("crash/bad")["incarnation"] > incarnation,
            timeout=30,
            what="a person begins it",
        )
