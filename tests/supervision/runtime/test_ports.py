"""Real and in-memory processes keep the same promises."""

import errno
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import wait as wait_ready
from pathlib import Path

import pytest

from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.ports import FakeProcesses, ProcessPort, RealProcesses
from tests.supervision.runtime.spawning import await_readable, launcher, plan


@pytest.fixture(params=["real", "fake"])
def port(request: pytest.FixtureRequest) -> Iterator[ProcessPort]:
    if request.param == "fake":
        yield FakeProcesses()
        return
    start = launcher()
    yield RealProcesses(start)
    start.close()


@pytest.fixture
def sleeper(tmp_path: Path) -> LaunchPlan:
    return plan(tmp_path, "sleep", "1000")


def is_readable(pidfd: int) -> bool:
    return bool(wait_ready([pidfd], 0))


def test_a_process_runs_until_it_is_signalled_and_is_a_zombie_until_it_is_reaped(
    port: ProcessPort, sleeper: LaunchPlan
) -> None:
    process = port.launch(sleeper)
    assert not is_readable(process.pidfd)
    assert port.peek(process) is port.reap(process) is None
    assert port.signal(process, 0)
    assert port.signal(process, signal.SIGTERM)
    await_readable(process.pidfd)
    assert port.peek(process) == port.peek(process) == signal.SIGTERM
    assert port.signal(process, signal.SIGTERM)  # to a zombie: in vain, and no error
    assert is_readable(process.pidfd)
    assert port.reap(process) == signal.SIGTERM
    assert port.reap(process) is port.peek(process) is None
    assert not port.signal(process, signal.SIGKILL)
    assert not port.signal_group(process, signal.SIGKILL)
    port.release(process)


def test_a_group_is_killed(port: ProcessPort, sleeper: LaunchPlan) -> None:
    process = port.launch(sleeper)
    assert port.signal_group(process, signal.SIGKILL)
    await_readable(process.pidfd)
    assert port.reap(process) == signal.SIGKILL
    port.release(process)


def test_two_processes_are_two(port: ProcessPort, sleeper: LaunchPlan) -> None:
    first, second = port.launch(sleeper), port.launch(sleeper)
    assert first.pid != second.pid
    port.signal(first, signal.SIGKILL)
    await_readable(first.pidfd)
    assert not is_readable(second.pidfd)
    port.signal(second, signal.SIGKILL)
    await_readable(second.pidfd)
    for process in (first, second):
        assert port.reap(process) == signal.SIGKILL
        port.release(process)


def test_a_launch_that_fails_says_why(port: ProcessPort, tmp_path: Path) -> None:
    if isinstance(port, FakeProcesses):
        port.refuse = LaunchError(errno.ENOENT, "executable", "/nope does not exist")
    with pytest.raises(LaunchError, match="/nope does not exist"):
        port.launch(plan(tmp_path, "/nope"))


def test_a_fake_process_ends_on_demand_once_and_may_ignore_signals(sleeper: LaunchPlan) -> None:
    port = FakeProcesses(ignores=frozenset({signal.SIGTERM}))
    process = port.launch(sleeper)
    port.signal(process, signal.SIGTERM)
    assert port.processes[process.pid].signals == [signal.SIGTERM]
    assert port.peek(process) is None
    port.exit(process.pid, 3 << 8)
    port.exit(process.pid, 0)
    assert os.waitstatus_to_exitcode(port.reap(process) or 0) == 3
    assert port.processes[process.pid].plan is sleeper
    port.release(process)
