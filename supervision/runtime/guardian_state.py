"""How a guardian comes to be: the lock, its sockets, and what it brings along through an exec or from a promoted node."""

import contextlib
import fcntl
import json
import os
import sys
from dataclasses import dataclass, field

from supervision.runtime import boot, notify
from supervision.runtime.clock import SystemClock
from supervision.runtime.follow import Follower
from supervision.runtime.local_socket import bind_listener
from supervision.runtime.log import Log
from supervision.runtime.loop import hold_signals
from supervision.runtime.options import Options
from supervision.runtime.paths import PROTOCOL, Paths

STATE_VARIABLE = "OVERSTORY_GUARDIAN_STATE"


class AlreadyRunningError(Exception):
    """Another guardian, or the node it left, holds the data directory."""


@dataclass(slots=True)
class GuardianState:
    """What survives the guardian's own exec, and what a promoted node hands over: settings and open descriptors."""

    on_death: str
    fds: dict[str, int] = field(default_factory=dict)
    node_pid: int | None = None
    log_file: str = "-"

    def to_environment(self) -> str:
        return json.dumps(
            {
                "v": PROTOCOL,
                "on_death": self.on_death,
                "fds": self.fds,
                "node_pid": self.node_pid,
                "log_file": self.log_file,
            }
        )

    @classmethod
    def from_environment(cls) -> "GuardianState | None":
        text = os.environ.pop(STATE_VARIABLE, None)
        if text is None:
            return None
        body = json.loads(text)
        return cls(
            on_death=body["on_death"],
            fds=body["fds"],
            node_pid=body.get("node_pid"),
            log_file=body.get("log_file", "-"),
        )


def take_lock(paths: Paths) -> int:
    """The data directory's lock; AlreadyRunningError naming the holder. Node and guardian share the open description."""
    fd = os.open(paths.guardian_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 100, 0).decode(errors="replace").strip() or "an unknown process"
        os.close(fd)
        raise AlreadyRunningError(f"{paths.data_dir} is in use by {holder}") from error
    return fd


def exec_guardian(paths: Paths, state: GuardianState) -> None:
    """Become the guardian by exec, keeping every descriptor of `state`; never returns."""
    for fd in state.fds.values():
        os.set_inheritable(fd, True)
    environment = dict(os.environ)
    environment[STATE_VARIABLE] = state.to_environment()
    hold_signals()
    argv = boot.command("guardian", "--data-dir", str(paths.data_dir), "--on-guardian-death", state.on_death)
    os.execve(sys.executable, argv, environment)


def follow(paths: Paths, options: Options) -> int | None:
    """The lock, once whoever holds it is gone; None when we are to end instead."""

    def take() -> int | None:
        with contextlib.suppress(AlreadyRunningError):
            return take_lock(paths)
        return None

    lock = take()
    return (
        lock
        if lock is not None
        else Follower(paths, SystemClock(), Log(options.get("--log-file", "-"), "guardian"), take).run()
    )


AGENT_BACKLOG = 4096
"""Connections that wait while no gateway lives: as many as the kernel lets wait at all."""


def bind_agent_socket(paths: Paths) -> int:
    """Where programs reach the gateway. Open to every user: whose a connection is the kernel says (SO_PEERCRED)."""
    return bind_listener(paths.agent_socket, mode=0o666, backlog=AGENT_BACKLOG).detach()


def fresh_state(paths: Paths, policy: str, lock: int, options: Options) -> GuardianState:
    """Of a guardian that begins with nothing: it binds the sockets."""
    fds = {"lock": lock}
    fds["control"] = bind_listener(paths.control_socket).detach()
    fds["notify"] = notify.bind(str(paths.notify_socket)).detach()
    fds["agent"] = bind_agent_socket(paths)
    lifeline = options.get("--lifeline-fd", None)
    if lifeline is not None:
        fds["lifeline"] = int(lifeline)
        os.set_inheritable(fds["lifeline"], False)
    return GuardianState(on_death=policy, fds=fds, log_file=options.get("--log-file", "-"))
