"""How the benchmark learns that a child runs, with a real child."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import native
from bench.contenders.bare import Bare, BareC
from bench.contenders.contender import Contender, Program
from bench.fleet import VICTIM_AGE_NS, Fleet, fleet
from bench.processes import end_tree, gone_within
from bench.stamps import SilentError, Stamps


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


@pytest.fixture
def stamps(tmp_path: Path) -> Iterator[Stamps]:
    one = Stamps(tmp_path / "stamps")
    yield one
    one.close()


@pytest.fixture
def c_program(tools: Path) -> Program:
    return Program("C child", (str(native.build("stamp", tools)),))


def test_a_child_says_when_it_began_who_it_is_and_which_one(stamps: Stamps, c_program: Program) -> None:
    before = time.monotonic_ns()
    child = subprocess.Popen([*c_program.argv, str(stamps.path), "7"])
    try:
        (stamp,) = stamps.collect(1, 10)
        assert (stamp.pid, stamp.number) == (child.pid, 7)
        assert before < stamp.ns < time.monotonic_ns()
    finally:
        end_tree(child.pid)
        child.wait(10)


def test_a_child_without_a_benchmark_runs_on(tmp_path: Path, c_program: Program) -> None:
    child = subprocess.Popen([*c_program.argv, str(tmp_path / "nobody"), "0"])
    try:
        assert not gone_within(child.pid, 0.2)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == -signal.SIGTERM


def test_children_that_say_nothing_are_counted_in_the_complaint(stamps: Stamps) -> None:
    with pytest.raises(SilentError, match="0 of 3 children"):
        stamps.collect(3, 0.05)


def test_a_program_is_compiled_once_for_each_source(tools: Path) -> None:
    first = native.build("stamp", tools)
    built = first.stat().st_mtime_ns

    assert native.build("stamp", tools) == first
    assert first.stat().st_mtime_ns == built


@pytest.mark.parametrize("kind", [Bare, BareC])
def test_the_bare_loop_starts_replaces_and_stops_its_children(
    kind: type[Contender], tmp_path: Path, tools: Path, c_program: Program
) -> None:
    with fleet(kind, c_program, 3, below=tmp_path, tools=tools) as one:
        assert one.start() > 0
        oldest = next(iter(one.living.values())).stamp

        assert one.kill_oldest() > 0

        youngest = list(one.living.values())[-1].stamp
        assert youngest.number == oldest.number
        assert youngest.pid != oldest.pid
        assert youngest.ns - oldest.ns > VICTIM_AGE_NS
        assert one.absorb() == []
        assert one.memory_mb() > 0
        assert one.cpu_s() > 0
        pids = _pids(one)
        assert one.stop() > 0
        assert all(gone_within(pid, 10) for pid in pids)


def test_a_fleet_that_is_left_in_the_middle_leaves_no_process(
    tmp_path: Path, tools: Path, c_program: Program
) -> None:
    pids: list[int] = []

    def leave_in_the_middle() -> None:
        with fleet(Bare, c_program, 3, below=tmp_path, tools=tools) as one:
            one.start()
            pids.extend([*_pids(one), *one.contender.daemons()])
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        leave_in_the_middle()
    assert len(pids) == 4
    assert all(gone_within(pid, 10) for pid in pids)


def _pids(one: Fleet) -> list[int]:
    return [child.stamp.pid for child in one.living.values()]
