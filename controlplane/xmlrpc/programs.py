"""Our children as Supervisor's processes. Pure."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from controlplane.xmlrpc.faults import Code, RpcFault


class State(IntEnum):
    """Supervisor's states of a process."""

    STOPPED = 0
    STARTING = 10
    RUNNING = 20
    BACKOFF = 30
    STOPPING = 40
    EXITED = 100
    FATAL = 200
    UNKNOWN = 1000


OURS = {
    "waiting": State.STARTING,
    "starting": State.STARTING,
    "running": State.RUNNING,
    "backoff": State.BACKOFF,
    "stopping": State.STOPPING,
    "stopped": State.STOPPED,
    "completed": State.EXITED,
    "failed": State.FATAL,
    "held": State.STOPPED,
    "lost": State.UNKNOWN,
}
ALIVE = frozenset({State.STARTING, State.RUNNING, State.BACKOFF, State.STOPPING})
STARTED = frozenset({State.STARTING, State.RUNNING})


@dataclass(frozen=True, slots=True)
class Program:
    """One child on one node. Times are Unix seconds, 0.0 for never."""

    key: str
    node_id: str
    node_name: str
    state: str
    pid: int | None = None
    incarnation: int = 0
    since: float = 0.0
    ended_at: float = 0.0
    last_exit: str = ""
    position: int = 0
    command: tuple[str, ...] = ()
    restart: str = "permanent"
    stop_signal: int = 15
    shutdown_s: float = 5.0
    user: str = ""
    directory: str = "/"
    log_directory: str = ""
    is_shared: bool = False
    """The same key stands on other nodes too: its name then says which node this is."""

    @property
    def tree(self) -> str:
        return self.key.partition("/")[0]

    @property
    def group(self) -> str:
        """The supervisor it stands under."""
        return self.key.rpartition("/")[0]

    @property
    def name(self) -> str:
        own = self.key.rpartition("/")[2]
        return f"{own}~{self.node_name}" if self.is_shared else own

    @property
    def full_name(self) -> str:
        return self.group if self.group == self.name else f"{self.group}:{self.name}"

    @property
    def statecode(self) -> State:
        return OURS.get(self.state, State.UNKNOWN)

    @property
    def exit_status(self) -> int:
        """Of the last life: what a shell would say, 0 when it has none."""
        number = self.last_exit.partition("(")[2].rstrip(")")
        if not number.isdigit():
            return 0
        return int(number) if self.last_exit.startswith("exit(") else 128 + int(number)


def process_info(program: Program, now: float) -> dict[str, Any]:
    """The struct of getProcessInfo. Any: XML-RPC values."""
    state = program.statecode
    error = _spawn_error(program)
    return {
        "name": program.name,
        "group": program.group,
        "start": int(program.since if state in ALIVE else 0),
        "stop": int(program.ended_at),
        "now": int(now),
        "state": int(state),
        "statename": state.name,
        "spawnerr": error,
        "exitstatus": program.exit_status,
        "logfile": _log(program, "out"),
        "stdout_logfile": _log(program, "out"),
        "stderr_logfile": _log(program, "err"),
        "pid": program.pid or 0,
        "description": describe(program, now),
    }


def describe(program: Program, now: float) -> str:
    """The last column of `status`."""
    state = program.statecode
    if state is State.RUNNING:
        uptime = dt.timedelta(seconds=max(0, int(now - program.since)))
        return f"pid {program.pid or 0}, uptime {uptime}"
    if state in (State.FATAL, State.BACKOFF):
        return _spawn_error(program) or f'unknown error (try "tail {program.full_name}")'
    if program.state == "held":
        return "held by an operator"
    if program.state == "waiting":
        return "waits for what it depends on"
    if state in (State.STOPPED, State.EXITED):
        if not program.ended_at:
            return "Not started"
        return dt.datetime.fromtimestamp(program.ended_at, dt.UTC).strftime("%b %d %I:%M %p")
    return ""


def config_info(program: Program) -> dict[str, Any]:
    """The struct of getAllConfigInfo: its 30 keys, none of them empty. Any: XML-RPC values."""
    return {
        "autostart": True,
        "command": " ".join(program.command),
        "directory": program.directory,
        "exitcodes": [0],
        "group": program.group,
        "group_prio": 999,
        "inuse": True,
        "killasgroup": True,
        "name": program.name,
        "process_prio": program.position,
        "redirect_stderr": False,
        "serverurl": "auto",
        "startretries": 3,
        "startsecs": 0,
        "stderr_capture_maxbytes": 0,
        "stderr_events_enabled": False,
        "stderr_logfile": _log(program, "err"),
        "stderr_logfile_backups": 8,
        "stderr_logfile_maxbytes": 0,
        "stderr_syslog": False,
        "stdout_capture_maxbytes": 0,
        "stdout_events_enabled": False,
        "stdout_logfile": _log(program, "out"),
        "stdout_logfile_backups": 8,
        "stdout_logfile_maxbytes": 0,
        "stdout_syslog": False,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": int(program.shutdown_s),
        "uid": program.user or "none",
    }


def find(programs: Iterable[Program], name: str) -> Program:
    """The one that `group:process` names; a bare name where it is the only one of that name. RpcFault BAD_NAME."""
    group, colon, process = name.partition(":")
    if colon:
        found = [program for program in programs if program.group == group and process in _names(program)]
    else:
        found = [program for program in programs if name in (*_names(program), program.key)]
    if len(found) != 1:
        raise RpcFault(Code.BAD_NAME, name)
    return found[0]


def _names(program: Program) -> tuple[str, ...]:
    return (program.name,) if program.is_shared else (program.name, program.key.rpartition("/")[2])


def members(programs: Sequence[Program], group: str) -> list[Program]:
    """The processes of a group, in start order. RpcFault BAD_NAME when there is none of that name."""
    found = [program for program in programs if program.group == group]
    if not found:
        raise RpcFault(Code.BAD_NAME, group)
    return found


def _spawn_error(program: Program) -> str:
    if program.statecode in (State.FATAL, State.BACKOFF) and program.last_exit:
        return f"Exited too quickly: {program.last_exit}"
    return ""


def _log(program: Program, stream: str) -> str:
    return f"{program.log_directory}/{program.incarnation}.{stream}" if program.log_directory else ""
