"""Whether this host can run a tree, found out before anything is touched: programs, users, directories, files, limits.

Errors refuse an apply; warnings are shown. What is true now may not be true at the start, so a start checks again by itself;
this is for the person who applies, with the exact place in the document.
"""

import os
import resource
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from supervision.runtime import agentdoc, celerytaskdoc, celeryworkerdoc
from supervision.runtime.environment import EnvironmentFault, EnvironmentFile, EnvironmentSource, acting_as
from supervision.runtime.executables import resolve_executable
from supervision.runtime.kinds import RUNNABLE
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import UserIds
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.processdoc import KIND, limit_of
from supervision.runtime.reporting import DSN, note
from supervision.runtime.treedoc import TreeDocument
from supervision.runtime.treefields import REPORT_ERRORS
from supervision.runtime.treewalk import Declared

__all__ = ["AllowList", "Finding", "preflight"]

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way, or is worth knowing (a note); `pointer` is the place in the document."""

    pointer: str
    severity: Severity
    message: str


def preflight(
    tree: TreeDocument,
    *,
    allow: AllowList,
    as_root: bool,
    environment: Mapping[str, str] | None = None,
    why_no_memory: Callable[[], str] = lambda: "",
    kinds: frozenset[str] = RUNNABLE,
    why_exec: Callable[[str, tuple[str, ...]], str] = lambda python, modules: "",
    reports: bool = False,
) -> list[Finding]:
    """Everything that stands in the way of running `tree` here, in the order of the document.

    As root it looks with the rights of the children's users, so it belongs into a process with one thread.

    as_root        the node has root's powers
    environment    the node's own, for PATH and secrets; default: of this process
    why_no_memory  says why this host gives no memory limits; empty when it does. Asked only when the tree wants one
    why_exec       says why agents with these modules of this interpreter are exec'd and not forked, where that is known
    reports        the control plane has told the node where children report their errors
    """
    host = _Host(allow, as_root, os.environ if environment is None else environment, why_no_memory, why_exec)
    for child in tree.declared():
        if child.is_supervisor:
            continue
        if child.kind not in kinds:
            host.say(
                f"{child.pointer}/{child.child['kind']}",
                f"this node does not run children of kind {child.kind}",
            )
        else:
            for each in (child, *_tried(child)):
                _CHECKS.get(child.kind, _Process)(host, each, tree.document["environment"]).check()
    _check_shared_sockets(tree, host)
    if reports and tree.document[REPORT_ERRORS]:
        host.say(f"/{REPORT_ERRORS}", note(host.silent, host.reporting), "note")
    return host.findings


def _tried(child: Declared) -> Iterator[Declared]:
    """What one instance of the child tries (`canary`), as if it were declared."""
    canary = child.child.get("canary")
    if canary is not None:
        yield replace(
            child, pointer=f"{child.pointer}/canary", child={**child.child, "agent": canary["agent"]}
        )


@dataclass(slots=True)
class _Host:
    """This host and what was found out about it so far: a thousand children ask the same questions."""

    allow: AllowList
    as_root: bool
    environment: Mapping[str, str]
    why_no_memory: Callable[[], str]
    why_exec: Callable[[str, tuple[str, ...]], str]
    findings: list[Finding] = field(default_factory=list)
    _said: set[tuple[str, str]] = field(default_factory=set)
    _users: dict[tuple[str | None, str | None], UserIds | LaunchError | None] = field(default_factory=dict)
    _programs: dict[tuple[str, str | None, str, int | None], str] = field(default_factory=dict)
    _directories: dict[tuple[str, int | None], str] = field(default_factory=dict)
    _memory: str | None = None
    silent: int = 0
    """Processes that say no place for their errors; `reporting`: those that do. A child with instances counts once."""
    reporting: int = 0

    def say(self, pointer: str, message: str, severity: Severity = "error") -> None:
        if message and (pointer, message) not in self._said:
            self._said.add((pointer, message))
            self.findings.append(Finding(pointer, severity, message))

    def user(self, name: str | None, group: str | None) -> UserIds | None:
        """None for the node's own user. LaunchError when there is no such user or group."""
        if (name, group) not in self._users:
            try:
                own = (
                    None
                    if name is None and group is None
                    else UserIds.lookup(name or str(os.geteuid()), group)
                )
                self._users[name, group] = own
            except LaunchError as error:
                self._users[name, group] = error
        found = self._users[name, group]
        if isinstance(found, LaunchError):
            raise found
        return found

    def program_problem(self, program: str, path: str | None, cwd: str, user: UserIds | None) -> str:
        key = (program, path, cwd, None if user is None else user.uid)
        if key not in self._programs:
            self._programs[key] = self._look_at_program(program, path, cwd, user)
        return self._programs[key]

    def _look_at_program(self, program: str, path: str | None, cwd: str, user: UserIds | None) -> str:
        try:
            executable = resolve_executable(program, path, cwd)
        except LaunchError as error:
            return str(error)
        with acting_as(self._other(user)):
            allowed = os.access(executable, os.X_OK, effective_ids=True)
        if not allowed:
            return f"user {user.name if user else os.geteuid()} may not execute {executable}"
        return self.allow.executable_problem(executable)

    def directory_problem(self, path: str, user: UserIds | None) -> str:
        key = (path, None if user is None else user.uid)
        if key not in self._directories:
            self._directories[key] = self._look_at_directory(path, user)
        return self._directories[key]

    def _look_at_directory(self, path: str, user: UserIds | None) -> str:
        with acting_as(self._other(user)):
            try:
                if not stat.S_ISDIR(os.stat(path).st_mode):
                    return f"{path} is not a directory"
            except FileNotFoundError:
                return f"{path} does not exist"
            except OSError as error:
                return f"{path}: {os.strerror(error.errno or 0)}"
            return "" if os.access(path, os.X_OK, effective_ids=True) else f"{path} may not be entered"

    def sdk_problem(self, user: UserIds | None, path: str, what: str) -> str:
        """Whether the user can read what starts an agent or a worker."""
        with acting_as(self._other(user)):
            if os.access(path, os.R_OK, effective_ids=True):
                return ""
        return f"user {user.name if user else os.geteuid()} may not read {path}, which starts {what}"

    @staticmethod
    def _other(user: UserIds | None) -> UserIds | None:
        """Whose rights to look with: only root can take another's."""
        return user if os.geteuid() == 0 else None

    def memory_problem(self) -> str:
        if self._memory is None:
            self._memory = self.why_no_memory()
        return self._memory


class _Process:
    """The checks of a child that is a process: of kind `process`, or with a section that holds the same fields."""

    def __init__(self, host: _Host, child: Declared, tree_environment: Mapping[str, Any]) -> None:
        self.host = host
        self.section: Mapping[str, Any] = child.child[child.kind]
        self.pointer = f"{child.pointer}/{child.kind}"
        self.tree_environment = tree_environment

    def check(self) -> None:
        try:
            user = self.host.user(self.section.get("user"), self.section.get("group"))
        except LaunchError as error:
            self.host.say(self._at("group" if str(error).startswith("group") else "user"), str(error))
            user = None
        else:
            self.host.say(self._at("user"), self.host.allow.user_problem(user, as_root=self.host.as_root))
        path = self._check_environment(user)
        self.host.say(self._at("cwd"), self.host.directory_problem(self.section["cwd"], user))
        self._check_programs(path, user)
        self._check_limits()
        for index, socket in enumerate(self.section.get("sockets", ())):
            self.host.say(f"{self.pointer}/sockets/{index}/address", self._socket_problem(socket))

    def _at(self, name: str) -> str:
        return f"{self.pointer}/{name}" if name in self.section else self.pointer

    def _check_environment(self, user: UserIds | None) -> str | None:
        """PATH as the child will have it."""
        made = {name: self.host.environment.get(name) for name in ("PATH", DSN)}
        parts: list[tuple[str, EnvironmentSource]] = [
            (f"/environment/{name}", EnvironmentSource({name: value}, (), {}))
            for name, value in self.tree_environment.items()
        ]
        parts += [
            (
                f"{self.pointer}/environment_files/{index}",
                EnvironmentSource({}, (EnvironmentFile(**entry),), {}),
            )
            for index, entry in enumerate(self.section["environment_files"])
        ]
        parts += [
            (f"{self.pointer}/environment/{name}", EnvironmentSource({}, (), {name: value}))
            for name, value in self.section["environment"].items()
        ]
        for pointer, source in parts:
            try:
                made |= source.resolve(self.host.environment, user, self.host.allow.trusts_file)
            except EnvironmentFault as error:
                self.host.say(pointer, str(error))
        if made[DSN] is None:
            self.host.silent += 1
        else:
            self.host.reporting += 1
        return made["PATH"]

    def _check_programs(self, path: str | None, user: UserIds | None) -> None:
        cwd = self.section["cwd"]
        for pointer, program in self._programs():
            self.host.say(pointer, self.host.program_problem(program, path, cwd, user))

    def _programs(self) -> list[tuple[str, str]]:
        """Everything it executes, with the place that names it."""
        programs = [(f"{self.pointer}/command/0", self.section["command"][0])]
        for name in ("pre_start", "post_stop"):
            programs += [
                (f"{self.pointer}/{name}/{index}/command/0", each["command"][0])
                for index, each in enumerate(self.section[name])
            ]
        if "exec" in self.section.get("readiness", {}):
            command = self.section["readiness"]["exec"]["command"]
            programs.append((f"{self.pointer}/readiness/exec/command/0", command[0]))
        return programs + self._health_programs()

    def _health_programs(self) -> list[tuple[str, str]]:
        return [
            (f"{self.pointer}/health/{index}/exec/command/0", check["exec"]["command"][0])
            for index, check in enumerate(self.section.get("health", ()))
            if "exec" in check
        ]

    def _check_limits(self) -> None:
        for name, bound in self.section.get("limits", {}).items():
            at = f"{self.pointer}/limits/{name}"
            if name == "memory_max":
                self.host.say(at, self.host.memory_problem())
            elif not self.host.as_root:
                self.host.say(at, _limit_problem(name, bound))
        nice = self.section.get("nice")
        if nice is not None and not self.host.as_root:
            self.host.say(f"{self.pointer}/nice", _nice_problem(nice))

    def _socket_problem(self, socket: Mapping[str, Any]) -> str:
        if socket["type"] == "unix":
            return _unix_socket_problem(Path(socket["address"]))
        port = int(socket["address"].rpartition(":")[2])
        if not self.host.as_root and port < _first_free_port():
            return f"port {port} needs root: an ordinary user may bind from {_first_free_port()} on"
        return ""


class _Agent(_Process):
    """The checks of one `agent` child."""

    def _programs(self) -> list[tuple[str, str]]:
        if "command" in self.section:
            return [(f"{self.pointer}/command/0", self.section["command"][0]), *self._health_programs()]
        if "entry_point" not in self.section:
            words = "is not filled in: a tree that names a config is applied by the control plane"
            self.host.say(f"{self.pointer}/config", f"the config {self.section['config']!r} {words}")
            return []
        return [(self._at("python"), agentdoc.python_of(self.section)), *self._health_programs()]

    def _check_programs(self, path: str | None, user: UserIds | None) -> None:
        super()._check_programs(path, user)
        if "entry_point" not in self.section:
            return
        self.host.say(self.pointer, self.host.sdk_problem(user, agentdoc.RUN, "agents"))
        forking = agentdoc.forking_of(self.section)
        why = self.host.why_exec(forking.python, forking.modules) if forking is not None else ""
        if why:
            self.host.say(self.pointer, f"it is exec'd, not forked: {why}", "warning")


class _CeleryWorker(_Process):
    """The checks of one `celery_worker` child."""

    def _programs(self) -> list[tuple[str, str]]:
        return [(self._at("python"), celeryworkerdoc.python_of(self.section)), *self._health_programs()]

    def _check_programs(self, path: str | None, user: UserIds | None) -> None:
        super()._check_programs(path, user)
        self.host.say(self.pointer, self.host.sdk_problem(user, celeryworkerdoc.RUN, "Celery workers"))


class _CeleryTask(_Process):
    """The checks of one `celery_task` child."""

    def _programs(self) -> list[tuple[str, str]]:
        return [(self._at("python"), celerytaskdoc.python_of(self.section))]

    def _check_programs(self, path: str | None, user: UserIds | None) -> None:
        super()._check_programs(path, user)
        self.host.say(self.pointer, self.host.sdk_problem(user, celerytaskdoc.RUN, "Celery tasks"))


_CHECKS: Mapping[str, type[_Process]] = {
    agentdoc.KIND: _Agent,
    celeryworkerdoc.KIND: _CeleryWorker,
    celerytaskdoc.KIND: _CeleryTask,
}


def _limit_problem(name: str, bound: Any) -> str:
    limit = limit_of(name, bound)
    asked = max((limit.soft, limit.hard if limit.hard is not None else 0), key=_height)
    own = resource.getrlimit(limit.number)[1]
    if _height(asked) <= _height(own):
        return ""
    return f"above the node's own hard limit of {own}, which only root can raise"


def _height(bound: int) -> float:
    return float("inf") if bound == resource.RLIM_INFINITY else bound


def _nice_problem(nice: int) -> str:
    lowest = min(os.getpriority(os.PRIO_PROCESS, 0), 20 - resource.getrlimit(resource.RLIMIT_NICE)[0])
    return "" if nice >= lowest else f"only root can give a nice value below {lowest}"


def _unix_socket_problem(path: Path) -> str:
    directory = path.parent
    if not directory.is_dir():
        return f"{directory} is not a directory"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"the node may not write in {directory}"
    if path.exists() and not path.is_socket():
        return f"{path} exists and is no socket"
    return ""


def _first_free_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


def _check_shared_sockets(tree: TreeDocument, host: _Host) -> None:
    """Children that name the same address share one socket, so they should say the same about it."""
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for child in tree.declared():
        if child.kind != KIND:
            continue
        for index, socket in enumerate(child.child[KIND]["sockets"]):
            path, backlog = first.setdefault(
                (socket["type"], socket["address"]), (child.path, socket["backlog"])
            )
            if backlog != socket["backlog"]:
                pointer = f"{child.pointer}/{KIND}/sockets/{index}/backlog"
                host.say(
                    pointer,
                    f"shared with {path}, whose backlog of {backlog} holds if it starts first",
                    "warning",
                )
