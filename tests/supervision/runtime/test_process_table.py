"""The process table with real processes and a clock that is moved by hand; how ends are found is an acceptance test."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.exits import ExitsFile
from supervision.runtime.identity import read_stat
from supervision.runtime.kinship import Kinship, Leader, Relative
from supervision.runtime.launch_spec import NextLife
from supervision.runtime.loop import Loop
from supervision.runtime.own_children import OwnChildren
from supervision.runtime.process_table import (
    IDENTITY_AT_LATEST_S,
    IDENTITY_DELAY_S,
    LATE_S,
    ProcessTable,
)
from supervision.runtime.processes import direct_children
from supervision.runtime.relatives import STRAY_GRACE_S
from tests.supervision.runtime.spawning import launcher, plan
from tests.support.waiting import wait_for


class Told:
    """What the table told its owner."""

    def __init__(self) -> None:
        self.learnt: list[int] = []

    def identity_learnt(self, leaders: list[Leader]) -> None:
        self.learnt += [leader.pid for leader in leaders]

    def stray(self, what: str, relative: Relative) -> None:
        raise AssertionError(f"{what}: {relative}")


class Stage:
    """One table and what it needs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.told = Told()
        self.launcher = launcher()
        self.table = ProcessTable(
            loop=self.loop,
            clock=self.clock,
            launcher=self.launcher,
            exits=ExitsFile(directory / "exits"),
            guardian_pid=None,
            kinship=Kinship("01234567:", str(directory), OwnChildren(self.loop, lambda *_: None)),
            events=self.told,
        )
        self.ledger = os.open(directory / "ledger", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def spawn(self, key: str = "t/a", *, keep: bool = False) -> Leader:
        return self.table.spawn(
            plan(self.directory, "/bin/sleep", "100"),
            key=key,
            incarnation=1,
            role="main",
            keep_descendants=keep,
            on_gone=lambda _: None,
        )

    def next_life(self, *, rounds: int = 2) -> Leader:
        """As a restart; after two rounds of the loop no other start is near."""
        for _ in range(rounds):
            self.loop.run_once(at_most=0)
        what = plan(self.directory, "/bin/sleep", "100")
        prebuilt = self.table.prebuild(what, without=())
        assert prebuilt is not None
        leader = self.table.spawn_next(
            NextLife(prebuilt, what.stdout, what.stderr, "", None),
            key="t/a",
            incarnation=2,
            role="main",
            keep_descendants=False,
            on_gone=lambda _: None,
        )
        assert leader is not None
        return leader

    def later(self, seconds: float) -> None:
        self.clock.jump(seconds)
        self.loop.run_once(at_most=0)

    def close(self) -> None:
        self.table.end_standby()
        for leader in list(self.table.leaders.values()):
            os.kill(leader.pid, signal.SIGKILL)
            os.waitpid(leader.pid, 0)
        self.table.close()
        self.loop.close()
        self.launcher.close()
        os.close(self.ledger)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_the_start_time_of_one_is_read_a_moment_after_its_start(stage: Stage) -> None:
    leader = stage.spawn()
    assert leader.start_time is None
    stage.later(IDENTITY_DELAY_S)
    stat = read_stat(leader.pid)
    assert stat is not None
    assert leader.start_time == stat.start_time
    assert stage.told.learnt == [leader.pid]


def test_the_start_times_of_many_that_start_together_are_read_behind_them(stage: Stage) -> None:
    pids = []
    for number in range(4):
        pids.append(stage.spawn(f"t/{number}").pid)
        stage.later(0.75 * IDENTITY_DELAY_S)
    assert stage.told.learnt == []
    stage.later(0.25 * IDENTITY_DELAY_S)
    assert stage.told.learnt == pids


def test_they_are_read_in_time_however_many_follow(stage: Stage) -> None:
    first = stage.spawn("t/first")
    passed = 0.0
    while passed + 0.75 * IDENTITY_DELAY_S < IDENTITY_AT_LATEST_S:
        stage.table._last_unidentified = stage.clock.boot()  # as if one more had come
        stage.later(0.75 * IDENTITY_DELAY_S)
        passed += 0.75 * IDENTITY_DELAY_S
    assert stage.told.learnt == []
    stage.later(IDENTITY_DELAY_S)
    assert stage.told.learnt == [first.pid]


def test_where_a_pidfd_tells_nothing_the_start_time_is_read_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervision.runtime.process_table.pidfd_inode", lambda _: 0)
    first = stage.spawn("t/first")
    stage.later(0.75 * IDENTITY_DELAY_S)
    second = stage.spawn("t/second")
    stage.later(0.25 * IDENTITY_DELAY_S)
    assert stage.told.learnt == [first.pid, second.pid]


@pytest.fixture
def orphan(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """What a child with `descendants: keep` left behind, as we meet it: a child of ours that we did not start, without a
    mark. Its child has ended, and we have not heard of that."""
    stage.table.kinship.keeps = lambda key: True
    leader = stage.spawn(keep=True)
    os.kill(leader.pid, signal.SIGKILL)
    wait_for(lambda: (stat := read_stat(leader.pid)) is not None and stat.is_zombie, timeout=30, every=0.001)
    process = subprocess.Popen(["/bin/sleep", "100"], env={})
    yield process
    os.waitpid(leader.pid, 0)
    process.kill()
    process.wait()


@pytest.mark.parametrize("scanned", [False, True])
def test_what_a_child_keeps_is_its_own_also_where_a_scan_met_it_first(
    stage: Stage, orphan: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, *, scanned: bool
) -> None:
    said: list[tuple[str, int, str | None]] = []
    monkeypatch.setattr(
        stage.told, "stray", lambda what, relative: said.append((what, relative.pid, relative.owner))
    )
    if scanned:
        stage.table.relatives.scan()
        assert stage.table.relatives.by_pid[orphan.pid].owner is None
    stage.loop.run_once(at_most=0)
    assert said == [("adopted", orphan.pid, "t/a")]
    stage.clock.jump(STRAY_GRACE_S + 1)
    stage.table.relatives.scan()
    assert orphan.poll() is None


def test_a_start_on_its_own_takes_the_process_that_stands_by(stage: Stage) -> None:
    count = stage.table.own.count
    stage.table.stand_by(stage.ledger)
    (waiting,) = stage.table.own.beside
    assert stage.table.own.count == count + 1
    leader = stage.next_life()
    assert leader.pid == waiting
    assert not stage.table.own.beside
    assert stage.table.own.count == count + 1
    assert Path(f"/proc/{waiting}/cmdline").read_bytes() == b"/bin/sleep\x00100\x00"


def test_one_that_somebody_ended_is_replaced_and_a_start_before_that_makes_its_own(stage: Stage) -> None:
    stage.table.stand_by(stage.ledger)
    (first,) = stage.table.own.beside
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: (stat := read_stat(first)) is not None and stat.is_zombie, timeout=30, every=0.001)
    assert stage.next_life().pid != first
    assert first not in direct_children(os.getpid())
    stage.table.stand_by(stage.ledger)
    (second,) = stage.table.own.beside
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: (stat := read_stat(second)) is not None and stat.is_zombie, timeout=30, every=0.001)
    stage.table.stand_by(stage.ledger)
    assert stage.table.own.beside - {second}
    assert second not in stage.table.own.beside


def test_of_starts_that_are_near_each_other_it_is_for_none(stage: Stage) -> None:
    stage.table.stand_by(stage.ledger)
    (waiting,) = stage.table.own.beside
    stage.spawn()
    assert stage.next_life(rounds=0).pid != waiting
    assert stage.table.own.beside == {waiting}


def test_a_node_that_gets_no_processor_makes_none(stage: Stage) -> None:
    stage.loop.call_later(1.0, lambda: stage.table.stand_by(stage.ledger))
    stage.later(1.0 + 2 * LATE_S)
    assert not stage.table.own.beside
    stage.loop.call_later(1.0, lambda: stage.table.stand_by(stage.ledger))
    stage.later(1.0)
    assert stage.table.own.beside
