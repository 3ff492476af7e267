"""Telling a process from a later owner of its pid."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervision.runtime import identity as identity_module
from supervision.runtime import linux
from supervision.runtime.identity import (
    ProcessIdentity,
    boot_id,
    has_exited,
    identify,
    is_alive_same,
    is_same,
    parse_stat,
    pid_namespace,
    read_stat,
)
from tests.supervision.runtime.spawning import await_readable, launcher, plan, running


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[int, int]]:
    start = launcher()
    with running(start, plan(tmp_path, "sleep", "1000")) as process:
        yield process
    start.close()


def known(pid: int, pidfd: int | None = None, *, read_start_time: bool = True) -> ProcessIdentity:
    found = identify(pid, pidfd, read_start_time=read_start_time)
    assert found is not None
    return found


def test_a_command_name_may_hold_blanks_and_parentheses() -> None:
    line = b"42 (a) R (b c)) S 1 40 41 0 -1 4194560" + b" 0" * 12 + b" 777" + b" 0" * 29 + b" 9\n"
    stat = parse_stat(line)
    assert (stat.pid, stat.comm, stat.state, stat.ppid, stat.pgrp, stat.session) == (
        42,
        "a) R (b c)",
        "S",
        1,
        40,
        41,
    )
    assert (stat.start_time, stat.exit_code) == (777, 9)


def test_the_state_of_a_process_is_read(sleeper: tuple[int, int]) -> None:
    pid, _ = sleeper
    stat = read_stat(pid)
    assert stat is not None
    assert (stat.pid, stat.ppid, stat.pgrp, stat.session, stat.comm) == (pid, os.getpid(), pid, pid, "sleep")
    assert not stat.is_zombie
    assert not stat.is_kernel_thread
    assert not stat.is_between_fork_and_exec


def test_nobody_has_no_state() -> None:
    assert read_stat(0x3FFFFFFF) is None
    assert identify(0x3FFFFFFF) is None


def test_an_identity_survives_json(sleeper: tuple[int, int]) -> None:
    pid, pidfd = sleeper
    found = known(pid, pidfd)
    assert ProcessIdentity.from_json(found.to_json()) == found
    assert (found.boot_id, found.pid_ns) == (boot_id(), pid_namespace())
    assert found.inode == (linux.pidfd_inode(pidfd) or None)


def test_a_process_is_the_same_while_it_lives_and_as_a_zombie(sleeper: tuple[int, int]) -> None:
    pid, pidfd = sleeper
    found = known(pid, pidfd)
    assert is_alive_same(found, pidfd)
    os.kill(pid, 9)
    await_readable(pidfd)
    assert has_exited(pidfd)
    assert is_same(found, pidfd)
    assert not is_alive_same(found, pidfd)


@pytest.mark.parametrize(
    "other",
    [
        {"boot_id": "0" * 32},
        {"pid_ns": 1},
        {"inode": 1},
        {"inode": None, "start_time": 1},
    ],
)
def test_another_boot_namespace_inode_or_start_time_is_another_process(
    sleeper: tuple[int, int], other: dict[str, object]
) -> None:
    pid, pidfd = sleeper
    if other == {"inode": 1} and not linux.has_pidfs():
        return  # start times decide there
    assert not is_same(replace(known(pid, pidfd), **other), pidfd)  # type: ignore[arg-type]  # fields by name


def test_without_pidfs_the_start_time_decides(
    sleeper: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, pidfd = sleeper
    monkeypatch.setattr(identity_module, "pidfd_inode", lambda _: 0)
    found = known(pid, pidfd)
    assert found.inode is None
    assert is_same(found, pidfd)
    os.kill(pid, 9)
    await_readable(pidfd)
    os.waitpid(pid, 0)
    assert not is_same(found, pidfd)
    assert identify(pid, pidfd) is None


def test_right_after_a_spawn_the_inode_alone_is_learnt(sleeper: tuple[int, int]) -> None:
    pid, pidfd = sleeper
    quick = known(pid, pidfd, read_start_time=False)
    assert quick.start_time == 0
    assert quick.inode == known(pid, pidfd).inode
