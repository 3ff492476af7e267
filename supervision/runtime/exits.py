"""How a process ended, also when it was not our child or we were away; and the words for it.

Several sources know, each for a while: the kernel's wait (only our own children, until reaped), the pidfd (Linux 6.15,
only after the reap), the zombie's /proc entry (until reaped), and what the guardian wrote down before it reaped.
"""

import os
import signal
from dataclasses import dataclass
from typing import Literal

from supervision.runtime.exits_file import ExitsFile
from supervision.runtime.identity import read_stat
from supervision.runtime.linux import is_unreaped, pidfd_exit_status

__all__ = ["ExitObservation", "ExitsFile", "exit_reason", "observe", "peek", "reap", "wait_status"]

Source = Literal["wait", "pidfd", "stat", "guardian", "none"]
_CAP_SYS_PTRACE = 1 << 19
_KILLED_FOR = frozenset({"watchdog", "unhealthy"})


@dataclass(frozen=True, slots=True)
class ExitObservation:
    """A wait status and who told it; `none` means that nobody knows (yet)."""

    status: int | None
    source: Source


def wait_status(result: os.waitid_result) -> int:
    """The status that waitpid would have given for what waitid says."""
    if result.si_code == os.CLD_EXITED:
        return result.si_status << 8
    return result.si_status | (0x80 if result.si_code == os.CLD_DUMPED else 0)


def peek(pid: int) -> int | None:
    """Wait status of our child `pid` if it has ended, leaving the zombie; None: runs, or is not our child."""
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return None
    return None if result is None else wait_status(result)


def reap(pid: int) -> int | None:
    """Reap our child `pid` if it has ended, and return its wait status; None: runs, or is not our child."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if done else None


def observe(pid: int, pidfd: int, start_time: int | None, exits: ExitsFile) -> ExitObservation:
    """The wait status of the ended process behind `pidfd`, from the first source that knows; reaps nothing.

    Asked in an order that has no gap: its reaper may take the zombie away between two questions, so the pidfd is asked
    again after /proc, and the guardian writes to `exits` before it reaps. `start_time` guards against a recycled pid;
    without
    one (None, 0) the pidfd must still own its pid.
    """
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if result is not None:
            return ExitObservation(wait_status(result), "wait")
    except ChildProcessError:
        pass
    status = pidfd_exit_status(pidfd)
    if status is not None:
        return ExitObservation(status, "pidfd")
    status = _zombie_status(pid, pidfd, start_time)
    if status is not None:
        return ExitObservation(status, "stat")
    status = pidfd_exit_status(pidfd)
    if status is not None:
        return ExitObservation(status, "pidfd")
    status = exits.lookup(pid, start_time)
    if status is not None:
        return ExitObservation(status, "guardian")
    return ExitObservation(None, "none")


def _zombie_status(pid: int, pidfd: int, start_time: int | None) -> int | None:
    stat = read_stat(pid)
    if stat is None or not stat.is_zombie:
        return None
    is_it = stat.start_time == start_time if start_time else is_unreaped(pidfd)
    if not is_it:
        return None  # a later owner of that pid
    if stat.exit_code == 0 and not _may_read_exit_code(pid):
        return None  # the kernel shows 0 for what we may not see
    return stat.exit_code


def _may_read_exit_code(pid: int) -> bool:
    """Whether field 52 of its stat is the truth: same user and group ids, or CAP_SYS_PTRACE (ptrace(2), access mode)."""
    try:
        theirs, ours = _status_fields(pid), _status_fields(os.getpid())
    except (FileNotFoundError, ProcessLookupError):
        return False
    if int(ours["CapEff"][0], 16) & _CAP_SYS_PTRACE:
        return True
    same_user = set(theirs["Uid"][:3]) == {ours["Uid"][3]}
    return same_user and set(theirs["Gid"][:3]) == {ours["Gid"][3]}


def _status_fields(pid: int) -> dict[str, list[str]]:
    with open(f"/proc/{pid}/status", errors="replace") as file:
        return {name: value.split() for name, _, value in (line.partition(":") for line in file)}


def exit_reason(status: int | None, *, requested: int | None, killed_for: str | None, oom: bool) -> str:
    """The word for an end, from a wait status and what we did before it.

    `requested`: the signal of a requested stop, or None. `killed_for`: why we killed it ("timeout", "brutal_kill",
    "watchdog", "unhealthy"), or None. `oom`: the kernel's out-of-memory killer was seen in its control group.
    A status of None is `lost`. A kill after a time-out that came too late to matter is not a `timeout`.
    """
    if status is None:
        return "lost"
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if killed_for in _KILLED_FOR:
        return killed_for
    if killed_for == "brutal_kill" and killed:
        return "shutdown"
    if killed_for == "timeout" and killed:
        return "timeout"
    if oom and status != 0:
        return "oom"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "shutdown" if requested is not None and number == requested else f"signal({number})"
    code = os.WEXITSTATUS(status)
    if requested is not None and code in (0, 128 + signal.SIGTERM):
        return "shutdown"
    return "normal" if code == 0 else f"exit({code})"
