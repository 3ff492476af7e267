"""Exit statuses from every source, and the words for them."""

import os
import signal
from pathlib import Path

import pytest

from supervision.runtime import exits
from supervision.runtime.exits import (
    ExitObservation,
    ExitsFile,
    exit_reason,
    observe,
    peek,
    reap,
    wait_status,
)
from supervision.runtime.identity import read_stat
from supervision.runtime.linux import supports
from tests.supervision.runtime.spawning import AS_ROOT, await_readable, helper, launcher, plan

EXIT_3 = 3 << 8
# A parent that starts a child which ends as told, keeps its zombie until told to reap it, and answers with the pid.
PARENT = """
def answer(line):
    global pid
    word, *rest = line.split()
    if word == "start":
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "read x; " + " ".join(rest)], {}, file_actions=[
            (os.POSIX_SPAWN_DUP2, reading, 0)])
    elif word == "end":
        os.write(writing, b"\\n")
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    else:
        os.waitpid(pid, 0)
    return str(pid)
reading, writing = os.pipe()
"""


@pytest.fixture
def file(tmp_path: Path) -> ExitsFile:
    return ExitsFile(tmp_path / "exits")


def test_our_own_child_is_peeked_at_and_then_reaped(tmp_path: Path, file: ExitsFile) -> None:
    start = launcher()
    for code, status in (("exit 3", EXIT_3), ("kill -9 $$", 9), ("exit 0", 0)):
        pid = start.launch(plan(tmp_path, "sh", "-c", code))
        pidfd = os.pidfd_open(pid)
        await_readable(pidfd)
        assert peek(pid) == peek(pid) == status
        assert observe(pid, pidfd, None, file) == ExitObservation(status, "wait")
        assert reap(pid) == status
        assert reap(pid) is peek(pid) is None
        os.close(pidfd)
    start.close()


def test_a_running_child_has_no_status(tmp_path: Path) -> None:
    start = launcher()
    pid = start.launch(plan(tmp_path, "sleep", "1000"))
    assert peek(pid) is reap(pid) is None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    start.close()


def test_a_core_dump_is_kept_in_the_status() -> None:
    dumped = os.waitid_result((1, 0, signal.SIGCHLD, signal.SIGSEGV, os.CLD_DUMPED))
    assert wait_status(dumped) == signal.SIGSEGV | 0x80
    assert exit_reason(wait_status(dumped), requested=None, killed_for=None, oom=False) == "signal(11)"


@pytest.mark.parametrize(("code", "status"), [("exit 3", EXIT_3), ("kill -9 $$", 9), ("exit 0", 0)])
def test_the_end_of_somebody_elses_child_is_known_before_and_after_its_reap(
    file: ExitsFile, code: str, status: int
) -> None:
    with helper(PARENT) as parent:
        pid = int(parent.ask(f"start {code}"))
        pidfd = os.pidfd_open(pid)
        stat = read_stat(pid)
        assert stat is not None
        parent.ask("end")
        await_readable(pidfd)
        assert observe(pid, pidfd, stat.start_time, file) == ExitObservation(status, "stat")
        assert observe(pid, pidfd, None, file) == ExitObservation(status, "stat")
        # a later owner of the pid, as far as the start time tells
        assert observe(pid, pidfd, stat.start_time + 1, file) == ExitObservation(None, "none")
        parent.ask("reap")
        after = (
            ExitObservation(status, "pidfd")
            if supports()["pidfd exit status"]
            else ExitObservation(None, "none")
        )
        assert observe(pid, pidfd, stat.start_time, file) == after
        os.close(pidfd)


def test_on_an_older_kernel_the_guardian_knows_what_it_reaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: ExitsFile
) -> None:
    monkeypatch.setattr(exits, "pidfd_exit_status", lambda _: None)
    with helper(PARENT) as parent:
        pid = int(parent.ask("start exit 3"))
        pidfd = os.pidfd_open(pid)
        stat = read_stat(pid)
        assert stat is not None
        parent.ask("end")
        parent.ask("reap")
        assert observe(pid, pidfd, stat.start_time, file) == ExitObservation(None, "none")
        ExitsFile(tmp_path / "exits").append(pid, stat.start_time, EXIT_3)
        assert observe(pid, pidfd, stat.start_time, file) == ExitObservation(EXIT_3, "guardian")
        assert observe(pid, pidfd, stat.start_time + 1, file) == ExitObservation(None, "none")
        os.close(pidfd)


def test_a_zero_that_only_means_not_allowed_is_not_believed(
    file: ExitsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel shows exit code 0 for the zombie of another user."""
    monkeypatch.setattr(exits, "_may_read_exit_code", lambda _: False)
    with helper(PARENT) as parent:
        pid = int(parent.ask("start exit 0"))
        pidfd = os.pidfd_open(pid)
        parent.ask("end")
        assert observe(pid, pidfd, None, file) == ExitObservation(None, "none")
        os.close(pidfd)


def test_who_may_read_exit_codes() -> None:
    assert exits._may_read_exit_code(os.getpid())
    assert exits._may_read_exit_code(1) is AS_ROOT
    assert not exits._may_read_exit_code(0x3FFFFFFF)


CLEAN, FAILED, TERM, KILL, ASKED_143 = 0, 1 << 8, int(signal.SIGTERM), int(signal.SIGKILL), 143 << 8


@pytest.mark.parametrize(
    ("status", "requested", "killed_for", "oom", "reason"),
    [
        # nobody asked
        (None, None, None, False, "lost"),
        (CLEAN, None, None, False, "normal"),
        (EXIT_3, None, None, False, "exit(3)"),
        (ASKED_143, None, None, False, "exit(143)"),
        (TERM, None, None, False, "signal(15)"),
        (KILL, None, None, False, "signal(9)"),
        # a requested stop
        (None, TERM, None, False, "lost"),
        (CLEAN, TERM, None, False, "shutdown"),
        (ASKED_143, TERM, None, False, "shutdown"),
        (TERM, TERM, None, False, "shutdown"),
        (CLEAN, int(signal.SIGINT), None, False, "shutdown"),
        (int(signal.SIGINT), int(signal.SIGINT), None, False, "shutdown"),
        (ASKED_143, int(signal.SIGINT), None, False, "shutdown"),
        (FAILED, TERM, None, False, "exit(1)"),
        (int(signal.SIGSEGV), TERM, None, False, "signal(11)"),
        (TERM, int(signal.SIGINT), None, False, "signal(15)"),
        (KILL, TERM, None, False, "signal(9)"),  # somebody else's
        # killed by us
        (KILL, TERM, "timeout", False, "timeout"),
        (CLEAN, TERM, "timeout", False, "shutdown"),  # it ended just before the kill
        (FAILED, TERM, "timeout", False, "exit(1)"),
        (KILL, None, "brutal_kill", False, "shutdown"),
        (FAILED, None, "brutal_kill", False, "exit(1)"),
        (int(signal.SIGABRT), None, "watchdog", False, "watchdog"),
        (KILL, None, "watchdog", False, "watchdog"),
        (FAILED, TERM, "unhealthy", False, "unhealthy"),
        # out of memory
        (KILL, None, None, True, "oom"),
        (KILL, TERM, None, True, "oom"),
        (137 << 8, None, None, True, "oom"),  # a shell tells that its program was killed
        (CLEAN, None, None, True, "normal"),
        (KILL, TERM, "timeout", True, "timeout"),
    ],
)
def test_the_word_for_an_end(
    status: int | None, requested: int | None, killed_for: str | None, oom: bool, reason: str
) -> None:
    assert exit_reason(status, requested=requested, killed_for=killed_for, oom=oom) == reason
