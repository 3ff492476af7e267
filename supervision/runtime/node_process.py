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
import traceback
from collections.abc import Callable
from pathlib import Path

from supervision.runtime import boot
from supervision.runtime.log import Log

FDS_VARIABLE = "OVERSTORY_GUARDIAN_FDS"
VERSION = 1
SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR2,
)


def fork_node(
    data_dir: Path, fds: dict[str, int], on_death: str, log_file: str, let_go: Callable[[], None]
) -> int:
    """The pid of a node that runs the code we have loaded. `let_go` closes, in the child, what is the guardian's."""
    from supervision.runtime.node import run_node  # the guardian's first node pays for the import

    gc.freeze()  # the collector would touch, and so copy, every page that both share
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
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
        status = run_node(data_dir, fds, on_death, log_file)
    except BaseException:  # noqa: BLE001 the outermost loop of a process: record, and let the guardian see a death
        Log(log_file, "node").say("node failed", error=traceback.format_exc())
    finally:
        os._exit(status)


def exec_node(data_dir: Path, fds: dict[str, int], on_death: str, log_file: str) -> int:
    """The pid of a node that runs the code now on disk."""
    for fd in fds.values():
        os.set_inheritable(fd, True)
    try:
        return os.posix_spawn(
            sys.executable,
            node_command(data_dir, log_file),
            node_environment(fds, on_death),
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsid=True,
            setsigmask=(),
            setsigdef=SIGNALS,
        )
    finally:
        for fd in fds.values():
            os.set_inheritable(fd, False)


def become_node(data_dir: Path, fds: dict[str, int], on_death: str, log_file: str) -> None:
    """Exec: this process goes on as a node of the code now on disk; never returns."""
    for fd in fds.values():
        os.set_inheritable(fd, True)
    signal.set_wakeup_fd(-1)
    os.execve(sys.executable, node_command(data_dir, log_file), node_environment(fds, on_death))


def node_command(data_dir: Path, log_file: str) -> list[str]:
    return boot.command("node", "--data-dir", str(data_dir), "--log-file", log_file)


def node_environment(fds: dict[str, int], on_death: str) -> dict[str, str]:
    return {**os.environ, FDS_VARIABLE: json.dumps({"v": VERSION, "fds": fds, "on_death": on_death})}


def inherited() -> tuple[dict[str, int], str] | None:
    """(descriptors, policy) that an exec handed over; None when nobody did."""
    text = os.environ.pop(FDS_VARIABLE, None)
    if text is None:
        return None
    body = json.loads(text)
    for fd in body["fds"].values():
        os.set_inheritable(fd, False)
    return body["fds"], body["on_death"]
