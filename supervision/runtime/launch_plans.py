"""How a child is started: its whole environment, its files, its limits, looked up once and kept for its next lives.

Most of a start is the same for all lives of a child. A child that needs no more than the plain spawn keeps that as two
strings (`vfork.Prebuilt`), so that nothing of it is put together between a death and the replacement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.environmentdoc import RESERVED
from supervision.runtime.forking import TemplateKey
from supervision.runtime.kinds import body_of
from supervision.runtime.launch_spec import LaunchPlan, NextLife
from supervision.runtime.listeners import Listeners
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.output import OutputStore
from supervision.runtime.processdoc import Command, ProcessBody
from supervision.runtime.reporting import GIVEN
from supervision.runtime.run import MAIN, Run
from supervision.runtime.vfork import Inherited, Prebuilt

INCARNATION, MARK = "OVERSTORY_INCARNATION", "OVERSTORY_MARK"
"""They differ from life to life, as what a life is given to report its errors with."""
OURS = ("OVERSTORY_SECRET", "OVERSTORY_GUARDIAN", "OVERSTORY_STORES")
"""Environment of ours that never reaches a child, by prefix; NEVER by name."""
NEVER = RESERVED | {
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "OVERSTORY_EMAIL_URL",
    "OVERSTORY_HEARTBEAT_URL",
    "DJANGO_SETTINGS_MODULE",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "MAINPID",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
}
"""Beside secrets of ours what a service manager told the guardian: of a child it would not be true (WATCHDOG_PID makes a
child believe that its watchdog is not meant for it)."""


class Reports(Protocol):
    """What a life is given to report its errors with, beside the environments it has."""

    def __call__(self, key: str, incarnation: int, /, *environments: Mapping[str, str]) -> dict[str, str]: ...


def nothing_given(_key: str, _incarnation: int, /, *_environments: Mapping[str, str]) -> dict[str, str]:
    """Of a driver whose owner knows no place."""
    return {}


class Prebuild(Protocol):
    """Launcher.prebuild, out of who launches."""

    def __call__(self, plan: LaunchPlan, *, without: Iterable[str]) -> Prebuilt | None: ...


@dataclass(slots=True)
class Prepared:
    """What every incarnation of a child shares; made anew for each where files or secrets have to be read."""

    source: Mapping[str, Any]
    body: ProcessBody
    environment: dict[str, str] | None
    """Its own variables. None where the next life needs no more than `prebuilt`."""
    constant: bool
    """Whether the next start finds the same variables, without asking."""
    allowed: tuple[tuple[str, ...], ...] = ()
    """Commands that the node's allow-list was asked about: once each, not on the restart path."""
    template: TemplateKey | None = None
    """Which template it comes out of, once somebody asked."""
    prebuilt: Prebuilt | None = None
    """Of its main process, where that is started by the plain spawn."""
    says_where: Mapping[str, str] | None = None
    """Those of its variables that say where it reports errors, where it has any."""


class LaunchPlans:
    """A part of the process driver: plans for the runs of all children."""

    def __init__(
        self,
        *,
        output: OutputStore,
        listeners: Listeners,
        cgroup: NodeCgroup | None,
        node_id: str,
        notify_path: str,
        agent_path: str,
        environment: Mapping[str, str],
        allow: AllowList,
        as_root: bool,
        reporting: Reports,
    ) -> None:
        self.output, self.listeners, self.cgroup = output, listeners, cgroup
        self.node_id, self.notify_path, self.agent_path = node_id, notify_path, agent_path
        self.base = {
            name: value
            for name, value in environment.items()
            if name not in NEVER and not name.startswith(OURS)
        }
        self._inherited = Inherited(self.base)
        self._mark_prefix = f"{node_id[:8]}:"
        self.secrets = environment
        self.allow, self.as_root = allow, as_root
        self._reporting = reporting
        self._prepared: dict[str, Prepared] = {}

    def body(self, key: str, source: Mapping[str, Any]) -> ProcessBody:
        """`source` typed: once, with what was looked up for it, for all lives that are started with it. ValueError."""
        known = self._prepared.get(key)
        return known.body if known is not None and known.source is source else body_of(source)

    def forget(self, key: str) -> None:
        """Resolve it anew at the next start."""
        self._prepared.pop(key, None)

    def prepare(self, run: Run) -> tuple[Prepared, dict[str, str]]:
        """What all lives of this child share, and its own variables; made anew where files or secrets are read. Raises
        LaunchError, ValueError, OSError."""
        key, body = run.key, run.body
        known = self._prepared.get(key)
        if known is None or known.body is not body or not known.constant:
            known = Prepared(run.source, body, None, body.environment_source.is_constant)
            self._prepared[key] = known
        if known.environment is None:
            known.environment = self._own_environment(key, body)
        return known, known.environment

    def _own_environment(self, key: str, body: ProcessBody) -> dict[str, str]:
        whole = body.spawn_environment(self.base, self.secrets, self.allow.trusts_file)
        # Only what is its own: a thousand copies of what all inherit would be megabytes.
        environment = {name: value for name, value in whole.items() if self.base.get(name) != value}
        environment |= body.told
        environment["OVERSTORY_CHILD"] = key
        environment["OVERSTORY_NODE"] = self.node_id
        environment["OVERSTORY_SOCKET"] = self.agent_path
        if body.uses_notify:
            environment["NOTIFY_SOCKET"] = self.notify_path
        if body.heartbeat_s is not None:
            environment["WATCHDOG_USEC"] = str(int(body.heartbeat_s * 1_000_000))
        return environment

    def environment(self, run: Run) -> dict[str, str]:
        """What every process of `run` gets. Raises LaunchError, ValueError, OSError where a file or secret is gone."""
        return self.base | self.prepare(run)[1]

    def plan(self, run: Run, job: Command | None) -> LaunchPlan:
        """How to start the main process of `run`, or `job`. Raises LAUNCH_ERRORS."""
        body = run.body
        prepared, own = self.prepare(run)
        environment = own.copy()
        environment |= self._reporting(run.key, run.incarnation, self.base, environment)
        environment[INCARNATION] = str(run.incarnation)
        environment[MARK] = f"{self._mark_prefix}{run.key}:{run.incarnation}:{run.stage if job else MAIN}"
        if job is not None:
            environment.pop("NOTIFY_SOCKET", None)
            environment.pop("WATCHDOG_USEC", None)
        out, err = self.output.names(run.key, run.incarnation)
        sockets: tuple[tuple[str, int], ...] = ()
        if body.sockets and job is None:
            tree = run.key.partition("/")[0]
            sockets = tuple((spec.name, self.listeners.get(tree, spec)) for spec in body.sockets)
        if body.memory_max is not None and self.cgroup is not None and run.cgroup is None:
            run.cgroup = self.cgroup.child_group(run.key, body.memory_max)
        plan = body.launch_plan(
            argv=None if job is None else job.argv,
            environment=environment,
            inherited=self._inherited,
            stdout=out,
            stderr=err,
            sockets=sockets,
            cgroup=run.cgroup,
        )
        command = body.command if job is None else job.argv
        if command not in prepared.allowed:
            self.allow.check(plan, as_root=self.as_root)
            prepared.allowed += (command,)
        return plan

    # -- the next life, put together beforehand -----------------------------------------------------------------------

    def next_life(self, run: Run) -> NextLife | None:
        """How to start the main process of `run` where a life before it left all but its number; None: by a plan."""
        known = self._prepared.get(run.key)
        if known is None or known.prebuilt is None or known.body is not run.body:
            return None
        key, number = run.key, run.incarnation
        own = f"{INCARNATION}={number}\0{MARK}={self._mark_prefix}{key}:{number}:{MAIN}\0"
        given = self._reporting(key, number, self.base, known.says_where or {})
        for name, value in given.items():
            own += f"{name}={value}\0"
        if own.count("\0") != 2 + len(given):
            return None  # the plan says in words what is wrong with it
        out, err = self.output.names(key, number)
        return NextLife(known.prebuilt, out, err, own, None)

    def keep(self, run: Run, plan: LaunchPlan, prebuild: Prebuild) -> NextLife | None:
        """What the lives of this child have in common, of a plan for its main process; the answer is as `next_life`'s.
        Raises LAUNCH_ERRORS."""
        known, own = self.prepare(run)
        if not known.constant:
            return None
        known.prebuilt = prebuild(plan, without={INCARNATION, MARK} | (GIVEN - own.keys()))
        if known.prebuilt is not None:
            known.environment = None
            known.says_where = {name: own[name] for name in GIVEN & own.keys()} or None
        return self.next_life(run)
