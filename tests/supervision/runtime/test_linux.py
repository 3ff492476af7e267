"""System calls without a wrapper, against this kernel."""

import errno
import os
import signal
from pathlib import Path

import pytest

from supervision.runtime import linux
from tests.supervision.runtime.spawning import await_end, await_readable, launcher, plan, running, script


def test_a_subreaper_gets_orphans() -> None:
    said = script(
        """
from supervision.runtime import linux
assert not linux.is_subreaper()
linux.become_subreaper()
assert linux.is_subreaper()
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.read(read, 1)  # until the orphan's parent is reaped
        os._exit(3)
    os._exit(0)
first = os.wait()[1]
os.write(write, b"x")
print(first, os.waitstatus_to_exitcode(os.wait()[1]))
"""
    )
    assert said.split() == ["0", "3"]


def test_two_pidfds_of_one_process_have_one_inode_and_of_two_processes_two(tmp_path: Path) -> None:
    start = launcher()
    with running(start, plan(tmp_path, "sleep", "1000")) as (pid, pidfd):
        again, own = os.pidfd_open(pid), os.pidfd_open(os.getpid())
        assert linux.pidfd_inode(pidfd) == linux.pidfd_inode(again)
        if linux.kernel_version() >= (6, 9):
            assert linux.pidfd_inode(pidfd) not in (0, linux.pidfd_inode(own))
        os.close(again)
        os.close(own)
    start.close()


def test_without_pidfs_no_inode_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "has_pidfs", lambda: False)
    own = os.pidfd_open(os.getpid())
    assert linux.pidfd_inode(own) == 0
    os.close(own)


def test_a_pidfd_knows_the_exit_status_after_the_reap_and_not_before(tmp_path: Path) -> None:
    start = launcher()
    pid = start.launch(plan(tmp_path, "sh", "-c", "exit 5"))
    pidfd = os.pidfd_open(pid)
    assert linux.pidfd_exit_status(pidfd) is None
    await_readable(pidfd)
    assert linux.pidfd_exit_status(pidfd) is None  # a zombie
    os.waitpid(pid, 0)
    assert linux.pidfd_exit_status(pidfd) == (5 << 8 if linux.supports()["pidfd exit status"] else None)
    os.close(pidfd)
    start.close()


def test_a_descriptor_that_is_no_pidfd_has_no_exit_status(tmp_path: Path) -> None:
    """As an older kernel answers: ENOTTY or EINVAL, and no error."""
    with (tmp_path / "file").open("w") as file:
        assert linux.pidfd_exit_status(file.fileno()) is None


@pytest.mark.parametrize("by_pidfd", [True, False])
def test_a_group_is_signalled_while_its_leader_is_a_zombie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_pidfd: bool
) -> None:
    if not by_pidfd:
        monkeypatch.setattr(linux, "_signals_groups", lambda: False)
    start = launcher()
    reading, writing = os.pipe()  # its reading end shows when the last member is gone
    os.set_inheritable(writing, True)
    pid = start.launch(plan(tmp_path, "sh", "-c", "sleep 1000 & exit 0"))
    os.close(writing)
    pidfd = os.pidfd_open(pid)
    await_readable(pidfd)
    assert linux.signal_group(pidfd, pid, signal.SIGKILL)
    await_readable(reading)
    assert os.read(reading, 1) == b""
    assert await_end(pid) == 0
    assert not linux.signal_process(pidfd, signal.SIGKILL)
    assert not linux.is_unreaped(pidfd)
    os.close(pidfd)
    os.close(reading)
    start.close()


@pytest.mark.parametrize("by_pidfd", [True, False])
def test_a_group_that_nobody_is_in_cannot_be_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_pidfd: bool
) -> None:
    if not by_pidfd:
        monkeypatch.setattr(linux, "_signals_groups", lambda: False)
    start = launcher()
    pid = start.launch(plan(tmp_path, "true"))
    pidfd = os.pidfd_open(pid)
    assert await_end(pid) == 0
    assert not linux.signal_group(pidfd, pid, signal.SIGKILL)
    os.close(pidfd)
    start.close()


def test_a_process_of_another_user_is_unreaped_though_we_may_not_signal_it() -> None:
    init = os.pidfd_open(1)
    assert linux.is_unreaped(init)
    os.close(init)


def test_space_is_reserved_and_given_back_without_changing_the_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"x" * 65536)
    linux.fallocate_keep(descriptor, 0, 1 << 20)
    assert path.stat().st_size == 65536
    reserved = path.stat().st_blocks * 512
    assert reserved >= 1 << 20
    linux.punch_hole(descriptor, 0, 65536)
    assert path.stat().st_size == 65536
    assert path.stat().st_blocks * 512 <= reserved - 65536
    assert os.pread(descriptor, 65536, 0) == bytes(65536)
    os.close(descriptor)
    with pytest.raises(OSError, match="fallocate") as refused:
        linux.punch_hole(descriptor, 0, 1)
    assert refused.value.errno == errno.EBADF


def test_a_process_is_named_and_its_limit_of_open_files_raised() -> None:
    said = script(
        """
import resource
from supervision.runtime import linux
linux.set_comm("overstory-node-and-more")
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
assert linux.raise_nofile() == (64, hard)
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
assert linux.raise_nofile() == (hard, hard)
print(open("/proc/self/comm").read())
"""
    )
    assert said.strip() == "overstory-node-"


def test_sealed_descriptors_are_closed_on_exec_by_either_way() -> None:
    said = script(
        """
import ctypes
from supervision.runtime import linux
for refuse in (False, True):
    os.dup2(0, 50); os.set_inheritable(50, True)
    if refuse:
        linux._libc = lambda: type("Old", (), {"syscall": staticmethod(lambda *a: -1)})
    linux.seal_descriptors()
    print(os.get_inheritable(50), os.get_inheritable(0))
"""
    )
    assert said.split() == ["False", "True"] * 2


def test_what_the_kernel_supports_is_told_by_name() -> None:
    assert linux.supports()["pidfd"]
    assert linux.supports()["children list"]
    assert linux.supports()["pidfd group signal"] or linux.kernel_version() < (6, 9)
