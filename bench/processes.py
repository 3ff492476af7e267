"""What the benchmark does to and reads of processes it started itself: end them by pid, their memory, their CPU."""

import contextlib
import os
import resource
import select
import signal
from collections.abc import Iterable
from pathlib import Path

from supervision.runtime.linux import become_subreaper
from supervision.runtime.processes import descendants, direct_children

OWN_NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)
"""What the shell gave us: contenders start under it, whatever we raised ours to."""


DYING_S = 1.0
"""What was killed just now may still be taken apart: a large address space takes milliseconds."""


def prepare_self() -> None:
    """Room for a pidfd per child; and what loses its parent becomes ours: nothing we started is out of reach."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (OWN_NOFILE[1], OWN_NOFILE[1]))
    become_subreaper()


def restore_nofile() -> None:
    """Between fork and exec of a contender."""
    resource.setrlimit(resource.RLIMIT_NOFILE, OWN_NOFILE)


def gone_within(pid: int, timeout_s: float) -> bool:
    """Whether `pid` ends (as a zombie, at least) within `timeout_s` seconds."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(pidfd)


def end_tree(pid: int) -> None:
    """Kill `pid` and then everything that was below it, none of which may be anything but ours.

    The supervisor first, or it would restart what we kill. Its children become ours, so their numbers stay theirs.
    """
    for victim in (pid, *descendants(pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


def end_everything() -> int:
    """Kill and reap every child that is left, and the ones that come up as their parents die; how many had to be killed."""
    count = 0
    while below := direct_children(os.getpid()):
        for pid in below:
            with contextlib.suppress(ChildProcessError, ProcessLookupError):
                if not gone_within(pid, DYING_S):
                    os.kill(pid, signal.SIGKILL)
                    count += 1
                os.waitpid(pid, 0)
    return count


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size of all together, in MB (10**6 bytes). Needs the right to read their smaps_rollup."""
    total_kb = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return total_kb * 1024 / 1e6


def cpu_s(pids: Iterable[int]) -> float:
    """CPU time that all together have used, in seconds; from the scheduler, which counts nanoseconds, not ticks."""
    return sum(
        int(task.joinpath("schedstat").read_text().split()[0]) / 1e9
        for pid in pids
        for task in Path(f"/proc/{pid}/task").iterdir()
    )
