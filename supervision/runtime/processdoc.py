"""What the process driver reads of a child: the `process` section of a body, typed.

A body holds only what differs from the defaults. So a release that adds a field, with a default that means what was done
before, does not change the body of any child, and no child is restarted for it.
"""

import os
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from supervision.runtime.environment import EnvironmentFile, EnvironmentSource, Variables
from supervision.runtime.environmentdoc import ENVIRONMENT
from supervision.runtime.executables import resolve_executable
from supervision.runtime.fielddoc import DocumentError, DocumentErrors, collect
from supervision.runtime.forking import Forking
from supervision.runtime.healthfields import KINDS, name_of
from supervision.runtime.hostfields import RESOURCES, UNLIMITED, signal_number
from supervision.runtime.launch_spec import LaunchPlan, UserIds
from supervision.runtime.processfields import INFINITY, PROCESS, READY_WITHIN_S
from supervision.runtime.vfork import Inherited

KIND = "process"

ProbeKind = Literal["exec", "tcp", "http"]


@dataclass(frozen=True, slots=True)
class Command:
    """A program that belongs to the start or end of a child; after `timeout_s` it is killed with its descendants."""

    argv: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Notify:
    """Ready when READY=1 comes."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Ready when it has ended normally: no process says or shows that, its end does."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ready when a probe succeeds; `settings` is what the probe of this kind needs."""

    kind: ProbeKind
    settings: Mapping[str, Any]
    interval_s: float
    timeout_s: float
    start_period_s: float

    def to_json(self) -> dict[str, Any]:
        """The readiness section in normal form, as the checkers helper takes it."""
        return {
            self.kind: dict(self.settings),
            "interval": self.interval_s,
            "timeout": self.timeout_s,
            "start_period": self.start_period_s,
        }


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """What is asked of it while it runs; `settings` is what a check of this kind needs."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    interval_s: float
    timeout_s: float
    rise: int
    fall: int
    start_period_s: float
    on_unhealthy: str

    @classmethod
    def of_section(cls, section: Mapping[str, Any]) -> Self:
        kind = next(each for each in KINDS if each in section)
        asked = section[kind]
        return cls(
            name=name_of(section),
            kind=kind,
            settings=asked if isinstance(asked, Mapping) else {},
            interval_s=section["interval"],
            timeout_s=section["timeout"],
            rise=section["rise"],
            fall=section["fall"],
            start_period_s=section["start_period"],
            on_unhealthy=section["on_unhealthy"],
        )


@dataclass(frozen=True, slots=True)
class SocketSpec:
    """A listening socket; address is `HOST:PORT` with an IP address (IPv6 in brackets), or the path of a unix socket."""

    name: str
    type: Literal["tcp", "unix", "udp"]
    address: str
    backlog: int


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """How much captured output is kept: bytes of all lives and both streams, in so many pieces."""

    max_bytes: int
    segments: int


@dataclass(frozen=True, slots=True)
class Limit:
    """One resource limit; `hard` None leaves the hard limit as it is."""

    number: int
    soft: int
    hard: int | None


@dataclass(slots=True)
class _Found:
    """What was looked up on this host for the first start, so that a restart asks no name service and no directory."""

    user: UserIds | None = None
    executables: dict[tuple[str, str | None], str] | None = None
    """By name and search path: where a program without a slash in its name was found."""
    done: bool = False


@dataclass(frozen=True, slots=True)
class ProcessBody:
    """A `process` child. Durations in seconds, sizes in bytes, signals as numbers.

    environment_source    the declared variables; `spawn_environment` makes the real ones
    readiness             None: ready when started
    readiness_deadline_s  a start that is not ready by then has failed; None: no deadline
    output                None: the node's own bounds
    watchdog_reason       what the end of one that missed its watchdog is called
    told                  variables by which the node tells it more than it tells every child
    tells_reason          it says with OVERSTORY_REASON= why it ends, where the exit status has no room for that
    forking               how it comes out of a template; None: it is exec'd
    """

    command: tuple[str, ...]
    cwd: str
    user: str | None
    group: str | None
    umask: int | None
    nice: int | None
    environment_source: EnvironmentSource
    limits: tuple[Limit, ...]
    memory_max: int | None
    stop_signal: int
    reload: Literal["none", "signal", "notify"]
    reload_signal: int
    descendants: Literal["kill", "keep"]
    pre_start: tuple[Command, ...]
    post_stop: tuple[Command, ...]
    readiness: Notify | Probe | Completed | None
    readiness_deadline_s: float | None
    watchdog_s: float | None
    sockets: tuple[SocketSpec, ...]
    output: OutputLimits | None
    data_directory: str | None = None
    health: tuple[HealthCheck, ...] = ()
    watchdog_reason: str = "watchdog"
    told: Mapping[str, str] = field(default_factory=dict)
    tells_reason: bool = False
    forking: Forking | None = None
    _found: _Found = field(default_factory=_Found, compare=False, repr=False)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a kernel's child body. Raises DocumentErrors (a ValueError) for one this release does not understand."""
        if body.get("kind") != KIND:
            raise DocumentErrors(
                [DocumentError("/kind", f"{body.get('kind')!r} is not a kind this node runs")]
            )
        section = collect(lambda report: PROCESS.read(body.get(KIND), f"/{KIND}", report))
        around = body.get("tree_environment")
        if around is None:
            return cls.of_section(section, {})
        tree = collect(lambda report: ENVIRONMENT.read(around, "/tree_environment", report))
        return cls.of_section(section, tree)

    @classmethod
    def of_section(
        cls,
        section: Mapping[str, Any],
        tree_environment: Variables,
        *,
        watchdog_reason: str = "watchdog",
        told: Mapping[str, str] | None = None,
        tells_reason: bool = False,
        forking: Forking | None = None,
    ) -> Self:
        """Of a `process` section in normal form, or of one that another kind's was made into."""
        limits = section.get("limits", {})
        output = section.get("output")
        readiness = section.get("readiness")
        return cls(
            command=tuple(section["command"]),
            cwd=section["cwd"],
            user=section.get("user"),
            group=section.get("group"),
            umask=int(section["umask"], 8) if "umask" in section else None,
            nice=section.get("nice"),
            environment_source=_environment_source(section, tree_environment),
            limits=tuple(limit_of(name, bound) for name, bound in limits.items() if name != "memory_max"),
            memory_max=limits.get("memory_max"),
            stop_signal=signal_number(section["stop_signal"]),
            reload=section["reload"],
            reload_signal=signal_number(section.get("reload_signal", "HUP")),
            descendants=section["descendants"],
            pre_start=_commands(section["pre_start"]),
            post_stop=_commands(section["post_stop"]),
            readiness=None if readiness is None else _readiness(readiness),
            readiness_deadline_s=None if readiness is None else _deadline(readiness),
            watchdog_s=section.get("watchdog"),
            sockets=tuple(SocketSpec(**each) for each in section["sockets"]),
            output=None if output is None else OutputLimits(**output),
            data_directory=section.get("data_directory"),
            health=tuple(HealthCheck.of_section(each) for each in section.get("health", ())),
            watchdog_reason=watchdog_reason,
            told=told or {},
            tells_reason=tells_reason,
            forking=forking,
        )

    @property
    def probe(self) -> Probe | None:
        return self.readiness if isinstance(self.readiness, Probe) else None

    @property
    def heartbeat_s(self) -> float | None:
        """How often it is told to send WATCHDOG=1: by its watchdog, or by the shortest check of its heartbeat."""
        within = [float(one.settings["within"]) for one in self.health if one.kind == "heartbeat"]
        return min([*within, *([self.watchdog_s] if self.watchdog_s is not None else [])], default=None)

    @property
    def uses_notify(self) -> bool:
        """Whether it is told of the notify socket: always, for STATUS= is worth having from any program that knows it."""
        return True

    def spawn_environment(
        self,
        inherited: Mapping[str, str],
        secrets: Mapping[str, str] = os.environ,
        trusted: Callable[[str], bool] = lambda path: False,
    ) -> dict[str, str]:
        """The environment of a start now: see EnvironmentSource. Raises EnvironmentFault, LaunchError for the user.

        With `user`, HOME, USER and LOGNAME are that user's, unless the document says otherwise.
        """
        made = dict(inherited)
        user = self.user_ids()
        if user is not None:
            made |= {"HOME": user.home, "USER": user.name, "LOGNAME": user.name}
        return made | self.environment_source.resolve(secrets, user, trusted)

    def user_ids(self) -> UserIds | None:
        """Whom it runs as, None for the node's own user; looked up once. LaunchError when there is no such user."""
        if not self._found.done:
            if self.user is not None:
                self._found.user = UserIds.lookup(self.user, self.group)
            elif self.group is not None:
                self._found.user = UserIds.lookup(str(os.geteuid()), self.group)
            self._found.done = True
        return self._found.user

    def launch_plan(
        self,
        *,
        argv: tuple[str, ...] | None = None,
        environment: dict[str, str],
        inherited: Inherited | None = None,
        stdout: str,
        stderr: str,
        sockets: tuple[tuple[str, int], ...] = (),
        cgroup: str | None = None,
    ) -> LaunchPlan:
        """How to start it, or with `argv` one of its commands, as the same user in the same place.

        Raises LaunchError when the program or the user does not exist. What was found is kept for the next start.
        """
        words = self.command if argv is None else argv
        search = environment.get("PATH")
        if search is None and inherited is not None:
            search = inherited.variables.get("PATH")
        if "/" in words[0]:  # what is wrong with it the exec says
            executable = words[0] if words[0][0] == "/" else os.path.join(self.cwd, words[0])
        else:
            executable = self._search(words[0], search)
        soft, hard = self._limits_here() if self.limits else ({}, {})
        return LaunchPlan(
            argv=list(words),
            environment=environment,
            cwd=self.cwd,
            stdout=stdout,
            stderr=stderr,
            executable=executable,
            soft_limits=soft,
            hard_limits=hard,
            user=self.user_ids(),
            nice=self.nice,
            umask=self.umask,
            cgroup=cgroup,
            sockets=sockets,
            inherited=inherited,
        )

    def _search(self, name: str, path: str | None) -> str:
        known = self._found.executables
        if known is None:
            known = self._found.executables = {}
        if (name, path) not in known:
            known[name, path] = resolve_executable(name, path, self.cwd)
        return known[name, path]

    def _limits_here(self) -> tuple[dict[int, int], dict[int, tuple[int, int]]]:
        """(soft, hard): a soft limit above our own hard one needs the hard one raised with it."""
        soft: dict[int, int] = {}
        hard: dict[int, tuple[int, int]] = {}
        for limit in self.limits:
            if limit.hard is not None:
                hard[limit.number] = (limit.soft, limit.hard)
            elif _above(limit.soft, resource.getrlimit(limit.number)[1]):
                hard[limit.number] = (limit.soft, limit.soft)
            else:
                soft[limit.number] = limit.soft
        return soft, hard


def _above(one: int, other: int) -> bool:
    if other == resource.RLIM_INFINITY or one == other:
        return False
    return one == resource.RLIM_INFINITY or one > other


def _environment_source(section: Mapping[str, Any], tree: Variables) -> EnvironmentSource:
    files = tuple(EnvironmentFile(**each) for each in section["environment_files"])
    return EnvironmentSource(tree, files, section["environment"])


def limit_of(name: str, bound: Any) -> Limit:
    """One entry of a `limits` section in normal form; without memory_max, which is no resource limit."""
    number = RESOURCES[name]
    if not isinstance(bound, Mapping):
        return Limit(number, _bound(bound), None)
    hard = _bound(bound["hard"]) if "hard" in bound else None
    soft = _bound(bound["soft"]) if "soft" in bound else hard
    assert soft is not None  # noqa: S101 the section holds one of them
    return Limit(number, soft, hard)


def _bound(bound: Any) -> int:
    return resource.RLIM_INFINITY if bound == UNLIMITED else int(bound)


def _commands(commands: list[dict[str, Any]]) -> tuple[Command, ...]:
    return tuple(Command(tuple(each["command"]), each["timeout"]) for each in commands)


def _readiness(section: Mapping[str, Any]) -> Notify | Probe | Completed:
    for kind in get_args(ProbeKind):
        if kind in section:
            return Probe(
                kind, section[kind], section["interval"], section["timeout"], section["start_period"]
            )
    return Completed() if "completed" in section else Notify()


def _deadline(section: Mapping[str, Any]) -> float | None:
    deadline = section.get("deadline", INFINITY if "completed" in section else READY_WITHIN_S)
    return None if deadline == INFINITY else deadline
