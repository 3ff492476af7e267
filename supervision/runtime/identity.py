"""Which process a number means: boot id, pid namespace, pid, start time, and the pidfd's inode where there is one.

A pid alone is recycled. Its start time (clock ticks since boot) tells two owners of one pid apart, the boot id two
boots, and the pid namespace two containers, which share a boot id. The inode (pidfs, Linux 6.9) costs one fstat and is
known at once; the start time is read later, because /proc blocks for 0.4 ms right after a spawn.
"""

import functools
import os
import select
from dataclasses import dataclass
from typing import Any

from supervision.runtime.linux import is_unreaped, pidfd_inode

PF_EXITING = 0x00000004
PF_KTHREAD = 0x00200000
PF_FORKNOEXEC = 0x00000040


@functools.cache
def boot_id() -> str:
    """The kernel's random name for this boot, 32 hex digits."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip().replace("-", "")


@functools.cache
def pid_namespace() -> int:
    """Inode number of our pid namespace."""
    return os.stat("/proc/self/ns/pid").st_ino


@dataclass(frozen=True, slots=True)
class Stat:
    """What we use of /proc/PID/stat (proc(5)). `start_time` is in clock ticks since boot.

    `exit_code` is a wait status, set for a zombie, and reads 0 for a process that we may not inspect.
    """

    pid: int
    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int
    flags: int
    start_time: int
    exit_code: int

    @property
    def is_zombie(self) -> bool:
        return self.state in "ZX"

    @property
    def is_exiting(self) -> bool:
        """It has ended, or is about to: orphans below it go to the subreaper above it already."""
        return self.is_zombie or bool(self.flags & PF_EXITING)

    @property
    def is_kernel_thread(self) -> bool:
        return bool(self.flags & PF_KTHREAD)

    @property
    def is_between_fork_and_exec(self) -> bool:
        """Forked and never exec'd: a posix_spawn under way, or a forked worker that stays so for life."""
        return bool(self.flags & PF_FORKNOEXEC)


def parse_stat(text: bytes) -> Stat:
    """Parse one line of /proc/PID/stat; the command name may hold blanks and parentheses, so cut at the last one."""
    opening, closing = text.index(b"("), text.rindex(b")")
    fields = text[closing + 2 :].split()  # fields[0] is field 3 of proc(5)
    return Stat(
        pid=int(text[:opening]),
        comm=text[opening + 1 : closing].decode(errors="replace"),
        state=fields[0].decode(),
        ppid=int(fields[1]),
        pgrp=int(fields[2]),
        session=int(fields[3]),
        flags=int(fields[6]),
        start_time=int(fields[19]),
        exit_code=int(fields[49]) if len(fields) > 49 else 0,
    )


def read_stat(pid: int) -> Stat | None:
    """The state of `pid` now, or None when there is no such process. Zombies have one."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        return parse_stat(os.read(descriptor, 2048))
    except ProcessLookupError:  # reaped between the open and the read
        return None
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot; `inode` is None where the kernel has no pidfs, `start_time` 0 while it is not read yet."""

    boot_id: str
    pid_ns: int
    pid: int
    start_time: int
    inode: int | None

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        return {
            "boot_id": self.boot_id,
            "pid_ns": self.pid_ns,
            "pid": self.pid,
            "start_time": self.start_time,
            "inode": self.inode,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ProcessIdentity":
        return cls(value["boot_id"], value["pid_ns"], value["pid"], value["start_time"], value["inode"])


def identify(pid: int, pidfd: int | None = None, *, read_start_time: bool = True) -> ProcessIdentity | None:
    """Who `pid` is now; None when it is gone. With `pidfd` it is the process behind that descriptor or None.

    `read_start_time=False` costs one fstat only, for the moment right after a spawn; without an inode there is then
    nothing that tells the process from a later owner of its pid.
    """
    stat = read_stat(pid) if read_start_time else None
    if read_start_time and stat is None:
        return None
    inode = None
    if pidfd is not None:
        inode = pidfd_inode(pidfd) or None
        # Not reaped now, so the pid was not recycled when its stat was read.
        if read_start_time and not is_unreaped(pidfd):
            return None
    return ProcessIdentity(boot_id(), pid_namespace(), pid, stat.start_time if stat else 0, inode)


def is_same(identity: ProcessIdentity, pidfd: int) -> bool:
    """Whether `pidfd`, opened for `identity.pid`, refers to that very process, alive or zombie."""
    if identity.boot_id != boot_id() or identity.pid_ns != pid_namespace():
        return False
    inode = pidfd_inode(pidfd)
    if inode and identity.inode:
        return inode == identity.inode
    stat = read_stat(identity.pid)
    return stat is not None and stat.start_time == identity.start_time and is_unreaped(pidfd)


def is_alive_same(identity: ProcessIdentity, pidfd: int) -> bool:
    """`is_same`, and it has not exited (a zombie has)."""
    return is_same(identity, pidfd) and not has_exited(pidfd)


def has_exited(pidfd: int) -> bool:
    """Whether the process behind `pidfd` ended; a pidfd becomes readable then, reaped or not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
