"""How the guardian gets a node: by fork, which has nothing left to import, or after an upgrade by exec of the new code.

Importing the node's modules takes longer (60 to 200 ms) than adopting 1,000 children, and a forked node shares the
guardian's memory. Both processes have one thread, so a fork is safe. Its command line stays the guardian's; its comm name
is `overstory-node` (docs/adr/0013).
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supervision.runtime import boot
from supervision.runtime.loop import hold_signals

FDS_VARIABLE = "OVERSTORY_GUARDIAN_FDS"
VERSION = 1
STORED_PIDFD = "store:pidfd:"
"""Before the pid, in the names of descriptors that stand for processes."""
SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR2,
)


Role = Callable[[], "int | Role"]
"""What a process is for now: runs until its exit status is known, or until it goes on as something else."""


class NextRole(BaseException):
    """Unwinds a forked child out of its parent's calls, so that roles follow each other and do not pile up."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self.role = role


def serve(role: Role) -> int:
    """Run `role` and what follows it in this process, also in those forked from it; the exit status."""
    while True:
        try:
            result = role()
        except NextRole as following:
            result = following.role
        if isinstance(result, int):
            return result
        role = result


@dataclass(frozen=True, slots=True)
class NodeStart:
    """What a guardian hands to its node: descriptors by name, what to do when it dies, whether it is stopping."""

    data_dir: Path
    fds: dict[str, int]
    on_guardian_death: str
    log_file: str
    guardian_pid: int
    stopping: bool = False


def fork_node(start: NodeStart, let_go: Callable[[], None]) -> int:
    """The pid of a node that runs the code we have loaded. `let_go` closes, in the child, what is the guardian's.

    In the child it raises NextRole: the caller is below `serve`.
    """
    from supervision.runtime.node import run_node  # the guardian's first node pays for the import

    gc.freeze()  # the collector would touch, and so copy, every page that both share
    pid = os.fork()
    if pid:
        return pid
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(
            number, signal.SIG_IGN if number in (signal.SIGPIPE, signal.SIGXFSZ) else signal.SIG_DFL
        )
    let_go()
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    raise NextRole(lambda: run_node(start))


def exec_node(start: NodeStart) -> int:
    """The pid of a node that runs the code now on disk."""
    for fd in start.fds.values():
        os.set_inheritable(fd, True)
    try:
        return os.posix_spawn(
            sys.executable,
            _command(start),
            _environment(start),
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsid=True,
            setsigmask=(),
            setsigdef=SIGNALS,
        )
    finally:
        for fd in start.fds.values():
            os.set_inheritable(fd, False)


def become_node(start: NodeStart) -> None:
    """Exec: this process goes on as a node of the code now on disk; never returns."""
    for fd in start.fds.values():
        os.set_inheritable(fd, True)
    hold_signals()
    os.execve(sys.executable, _command(start), _environment(start))


def _command(start: NodeStart) -> list[str]:
    return boot.command("node", "--data-dir", str(start.data_dir), "--log-file", start.log_file)


def _environment(start: NodeStart) -> dict[str, str]:
    body = {
        "v": VERSION,
        "fds": start.fds,
        "on_death": start.on_guardian_death,
        "guardian_pid": start.guardian_pid,
        "stopping": start.stopping,
    }
    return {**os.environ, FDS_VARIABLE: json.dumps(body)}


def inherited(data_dir: Path, log_file: str) -> NodeStart | None:
    """What an exec handed over; None when nobody did."""
    text = os.environ.pop(FDS_VARIABLE, None)
    if text is None:
        return None
    body = json.loads(text)
    for fd in body["fds"].values():
        os.set_inheritable(fd, False)
    return NodeStart(
        data_dir,
        body["fds"],
        body["on_death"],
        log_file,
        body.get("guardian_pid", os.getppid()),
        body.get("stopping", False),
    )
