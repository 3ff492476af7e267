"""Lists out of /proc, with real trees of processes."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime import processes
from supervision.runtime.identity import read_stat
from supervision.runtime.launch import Launcher
from supervision.runtime.processes import (
    OwnChildrenCounter,
    descendants,
    describe,
    direct_children,
    find_marked,
    kill_tree,
    read_mark,
)
from tests.supervision.runtime.spawning import (
    await_exec,
    await_readable,
    helper,
    launcher,
    plan,
    running,
    script,
)

NODE = uuid.uuid4().hex[:8]  # marks of our own: other runs of these tests may share the machine

# Starts a tree of depth 2 with a grandchild in a session of its own, and says so when it stands.
TREE = "sh -c 'setsid sleep 1000 & sleep 1000 & echo stands; wait' & wait"


@pytest.fixture
def start() -> Iterator[Launcher]:
    made = launcher()
    yield made
    made.close()


@pytest.fixture
def tree(start: Launcher, tmp_path: Path) -> Iterator[tuple[int, list[int]]]:
    """(root, its three descendants)."""
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with running(start, plan(tmp_path, "sh", "-c", TREE, stdout=str(tmp_path / "fifo"))) as (pid, _):
        await_readable(reading)
        below = descendants(pid)
        yield pid, below
        for each in below:
            stat = read_stat(each)
            if stat is not None and not stat.is_zombie and stat.ppid in (pid, 1, os.getpid(), *below):
                os.kill(each, signal.SIGKILL)
    os.close(reading)


@pytest.mark.parametrize("listed", [True, False])
def test_children_and_descendants(
    tree: tuple[int, list[int]], monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Also without /proc/PID/task/TID/children (a kernel without CONFIG_PROC_CHILDREN)."""
    root, below = tree
    monkeypatch.setattr(processes, "_has_children_files", lambda: listed)
    assert len(below) == 3
    (middle,) = direct_children(root)
    assert below[0] == middle
    assert sorted(direct_children(middle)) == sorted(below[1:])
    assert sorted(descendants(root)) == sorted(below)
    assert root in descendants(os.getpid())


def test_nobody_has_no_children() -> None:
    assert direct_children(0x3FFFFFFF) == descendants(0x3FFFFFFF) == []


def test_children_of_every_thread_are_found() -> None:
    said = script(
        """
import threading
from supervision.runtime.processes import direct_children
pids = []
gate = threading.Event()
def start():
    pids.append(os.posix_spawn("/bin/sleep", ["sleep", "1000"], {}))
    gate.wait(60)
thread = threading.Thread(target=start)
thread.start()
while not pids: pass
print(direct_children(os.getpid()) == pids)
os.kill(pids[0], 9)
gate.set()
"""
    )
    assert said.strip() == "True"


def test_our_own_children_are_counted_zombies_too() -> None:
    said = script(
        """
from supervision.runtime.processes import OwnChildrenCounter, count_direct_children_fast
counter = count_direct_children_fast()
assert isinstance(counter, OwnChildrenCounter)
print(counter.count())
pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(1500)]
print(counter.count())
for pid in pids: os.waitpid(pid, 0)
print(counter.count())
counter.close()
"""
    )
    assert said.split() == ["0", "1500", "0"]


def test_the_counter_of_this_process_agrees_with_the_list() -> None:
    counter = OwnChildrenCounter()
    with helper("def answer(line): return line"):
        assert counter.count() == len(direct_children(os.getpid()))
    counter.close()


def test_marked_processes_are_found_by_prefix(start: Launcher, tmp_path: Path) -> None:
    def marked(mark: str) -> dict[str, str]:
        return {"A": "x" * 5000, "OVERSTORY_MARK": mark, "B": "y", "NOT_OVERSTORY_MARK": f"{NODE}1:no"}

    code = "sleep 1000 & echo $!; wait"
    with (
        running(start, plan(tmp_path, "sh", "-c", code, environment=marked(f"{NODE}1:a/b:1"))) as (first, _),
        running(start, plan(tmp_path, "sleep", "1000", environment=marked(f"{NODE}1:a/c:2"))) as (second, _),
        running(start, plan(tmp_path, "sleep", "1000", environment=marked(f"{NODE}2:a/b:1"))),
    ):
        found = find_marked(f"{NODE}1:")
        assert set(found) == {f"{NODE}1:a/b:1", f"{NODE}1:a/c:2"}
        assert first in found[f"{NODE}1:a/b:1"]  # with its sleep, if that exists already
        assert found[f"{NODE}1:a/c:2"] == [second]
        assert read_mark(second) == f"{NODE}1:a/c:2"
        assert read_mark(second, f"{NODE}2:") is None
        for child in direct_children(first):
            os.kill(child, signal.SIGKILL)
    assert read_mark(0x3FFFFFFF) is None


# Forks a child that stands between fork and exec until told to go on; its parent dies meanwhile, as a node killed there.
FORKING = f"""
def answer(line):
    if line == "fork":
        middle = os.fork()
        if middle == 0:
            pid = os.fork()
            if pid == 0:
                os.read(reading, 1)
                os.execve("/bin/sleep", ["sleep", "1000"], {{"OVERSTORY_MARK": "{NODE}x:a:1"}})
            os.write(telling, str(pid).encode())
            os._exit(0)
        os.waitpid(middle, 0)
        pids.append(int(os.read(told, 20)))
        return str(pids[-1])
    elif line == "go":
        os.write(writing, b"x")
    else:
        os.kill(pids[-1], 9)
    return "done"
reading, writing = os.pipe()
told, telling = os.pipe()
pids = []
"""


def test_a_process_caught_before_its_exec_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with helper(FORKING) as parent:
        pid = int(parent.ask("fork"))
        pauses: list[str] = []

        def let_it_exec() -> None:
            pauses.append(parent.ask("go") if not pauses else "")
            await_exec(pid)

        monkeypatch.setattr(processes, "_pause", let_it_exec)
        assert find_marked(f"{NODE}x:") == {f"{NODE}x:a:1": [pid]}
        assert pauses
        parent.ask("end")


def test_a_worker_that_never_execs_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with helper(FORKING) as parent:
        parent.ask("fork")
        pauses: list[int] = []
        monkeypatch.setattr(processes, "_pause", lambda: pauses.append(1))
        assert find_marked(f"{NODE}x:") == {}
        assert len(pauses) <= processes._RETRIES
        parent.ask("end")


def test_workers_that_were_forked_by_a_living_process_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = """
def answer(line):
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)  # until its parent is gone
        os._exit(0)
    return str(pid)
reading, writing = os.pipe()
"""
    with helper(code) as parent:
        pid = int(parent.ask())
        stat = read_stat(pid)
        assert stat is not None
        assert stat.is_between_fork_and_exec
        assert not processes.may_be_about_to_exec(pid)


def test_who_forked_us_to_run_our_program_is_not_waited_for() -> None:
    """As a node that is the guardian now, and runs without an exec in the place of a dead one."""
    code = """
import os, time
from supervision.runtime.processes import may_be_about_to_exec
first = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == first:
    time.sleep(0.001)
orphan = os.getpid()
looks_like_one = may_be_about_to_exec(orphan)
if os.fork() == 0:
    print(looks_like_one, may_be_about_to_exec(orphan), flush=True)
    os._exit(0)
os.wait()
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == ["True", "False"], told.stderr


def test_a_process_is_described(start: Launcher, tmp_path: Path) -> None:
    with running(start, plan(tmp_path, "sleep", "1000")) as (pid, _):
        said = describe(pid)
        assert said["command"] == ["sleep", "1000"]
        assert (said["pid"], said["ppid"]) == (pid, os.getpid())
        assert 0 <= said["age_s"] < 60
        assert said["start_time"] > 0
        os.kill(pid, 9)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert describe(pid)["command"] == ["[sleep]"]
    assert describe(0x3FFFFFFF)["command"] == []


def test_a_tree_is_killed_with_those_that_left_the_session(tree: tuple[int, list[int]]) -> None:
    root, below = tree
    pidfds = [os.pidfd_open(pid) for pid in below]
    assert set(kill_tree([root])) == {root, *below}
    for pidfd in pidfds:
        await_readable(pidfd)
        os.close(pidfd)
    assert kill_tree([root]) == []
    assert kill_tree([0x3FFFFFFF]) == []
