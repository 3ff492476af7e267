"""The process driver: turns the kernel's Start, Signal and Kill into operating-system processes, and back.

It translates and holds no policy. One incarnation passes through stages: `pre_start` commands in order, the main process,
`post_stop` commands; the kernel hears Started when the first of them runs and Exited when the last one, and every process
that descended from them, is gone. A pre_start command that fails ends the incarnation as start_failed(...).
"""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from supervision.runtime.agent_driver import LAUNCH_ERRORS, Forks
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.clock import Clock
from supervision.runtime.environmentdoc import RESERVED
from supervision.runtime.exits import exit_reason
from supervision.runtime.forking import TemplateKey
from supervision.runtime.kinds import body_of
from supervision.runtime.kinship import Leader
from supervision.runtime.launch import LaunchPlan
from supervision.runtime.listeners import Listeners
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.output import OutputStore
from supervision.runtime.process_table import ProcessTable
from supervision.runtime.processdoc import Command, ProcessBody
from supervision.runtime.spare_files import Pair
from supervision.runtime.template_order import Forked, ForkOrder
from supervision.runtime.vfork import Inherited

NOT_READY = "not ready: "
"""How the status text begins while a probe fails; it says so no more once the child is ready."""
SETTLE_S = 0.02
"""After a start: when the files that it took as spares get their names."""
MAIN, PRE_START, POST_STOP = "main", "pre_start", "post_stop"
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


class ChildEvents(Protocol):
    """What the driver tells the kernel's owner."""

    def started(self, key: str, incarnation: int, leader: Leader) -> None: ...

    def forking(self, key: str, incarnation: int) -> None:
        """Started, and its process follows as its next stage."""

    def stage(self, run: "Run", leader: Leader) -> bool:
        """The next process of an incarnation; whether that, and how the one before ended, is on record."""

    def start_failed(self, key: str, incarnation: int, reason: str) -> None: ...

    def ready(self, key: str, incarnation: int) -> None: ...

    def exited(self, run: "Run", reason: str, leader: Leader | None) -> None:
        """Everything of the incarnation is gone. `ProcessDriver.recorded(run)` is due once that is on record."""


class ReadinessProbes(Protocol):
    """Who finds out that a child with a probe is ready."""

    def begin(self, run: "Run") -> None: ...

    def end(self, run: "Run") -> None: ...


@dataclass(slots=True, eq=False)
class Run:
    """One incarnation in our hands."""

    key: str
    incarnation: int
    body: ProcessBody
    source: Mapping[str, Any]
    stage: str = PRE_START
    job: int = 0
    leader: Leader | None = None
    announced: bool = False
    is_ready: bool = False
    asked: bool = False
    status_text: str = ""
    since: float = 0.0
    reason: str | None = None
    """Set by whoever ends it for a cause the exit status cannot tell (readiness deadline)."""
    watchdog: Timer | None = None
    deadline: Timer | None = None
    cgroup: str | None = None
    petted_at: float = 0.0
    is_reloading: bool = False
    on_reloaded: list[Callable[[str], None]] = field(default_factory=list)
    """Called once it is ready again ("") or cannot be any more (why)."""
    order: ForkOrder | None = None
    """What was asked of a template and is not answered yet."""
    killed_for: str | None = None
    """The cause of a kill that came before there was a process."""
    started_by: str = ""
    """Of its main process: exec, template or spare."""
    why_exec: str = ""
    """Why its main process was exec'd although it was to be forked."""
    unrecorded: list[Leader] = field(default_factory=list)
    """Processes of it that ended, and how is not on record yet: they stay zombies."""


@dataclass(slots=True)
class Prepared:
    """What every incarnation of a child shares; made anew for each where files or secrets have to be read."""

    source: Mapping[str, Any]
    body: ProcessBody
    environment: dict[str, str]
    constant: bool
    """Whether the next start finds the same variables, without asking."""
    allowed: list[tuple[str, ...]] = field(default_factory=list)
    """Commands that the node's allow-list was asked about: once each, not on the restart path."""
    template: TemplateKey | None = None
    """Which template it comes out of, once somebody asked."""


class ProcessDriver:
    """Children of kind `process`, by key; at most one incarnation of each."""

    def __init__(
        self,
        *,
        loop: Loop,
        clock: Clock,
        table: ProcessTable,
        events: ChildEvents,
        output: OutputStore,
        listeners: Listeners,
        cgroup: NodeCgroup | None,
        node_id: str,
        notify_path: str,
        agent_path: str,
        environment: Mapping[str, str],
        allow: AllowList,
        as_root: bool,
    ) -> None:
        self.loop, self.clock, self.table, self.events = loop, clock, table, events
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
        self.runs: dict[str, Run] = {}
        self.probes: ReadinessProbes | None = None
        self.forks: Forks | None = None
        self._prepared: dict[str, Prepared] = {}
        self._settling = False

    # -- the kernel's actions ---------------------------------------------------------------------------------------

    def start(self, key: str, incarnation: int, body: Mapping[str, Any], *, announced: bool = False) -> None:
        """Begin an incarnation; answers through `events`, perhaps before it returns. `announced`: a dead node has said that
        it began, and got no process for it."""
        try:
            parsed = self._body(key, body)
        except (ValueError, KeyError) as error:
            self.events.start_failed(key, incarnation, f"start_failed({error})")
            return
        run = Run(key, incarnation, parsed, body, since=self.clock.wall(), announced=announced)
        self.runs[key] = run
        self._next(run)

    def signal(self, key: str, incarnation: int) -> None:
        """Ask it to stop: its stop signal, and SIGCONT so that a stopped one can hear it."""
        run = self._run(key, incarnation)
        if run is None:
            return
        run.asked = True
        leader = run.leader
        if run.order is not None and self.forks is not None:
            self.forks.stop(run)
            return
        if leader is None or leader.ended or run.stage == POST_STOP:
            return  # what is left of it is on its way out
        if run.stage == MAIN:
            self.disarm(run)
        leader.asked_signal = run.body.stop_signal
        self.table.signal(leader, run.body.stop_signal)
        self.table.signal(leader, signal.SIGCONT)

    def kill(self, key: str, incarnation: int, cause: str) -> None:
        """SIGKILL the whole tree; `cause` is what the exit will be called if nothing ended it before. Of post_stop commands
        the one under way is the last."""
        run = self._run(key, incarnation)
        if run is None:
            return
        run.asked = run.asked or cause in ("timeout", "brutal_kill")
        if run.order is not None and self.forks is not None:
            run.asked, run.killed_for = True, run.killed_for or cause
            self.forks.stop(run)
            return
        if run.stage == POST_STOP:
            run.job = len(run.body.post_stop)
        if run.leader is not None and not run.leader.ended:
            self.disarm(run)
            self.table.kill(run.leader, cause)

    def adopt(
        self,
        key: str,
        incarnation: int,
        body: Mapping[str, Any],
        leader: Leader,
        *,
        stage: str = MAIN,
        job: int = 0,
        reason: str | None = None,
        ready: bool = False,
        asked: bool = False,
    ) -> Run:
        """Take over an incarnation from a dead node, at the stage it was in; `resume` follows.

        `leader` lives, or ended while no node lived (`table.missing`). Its environment is not made again: a file or secret
        that is gone by now does not concern what runs already.
        """
        parsed = self._body(key, body)
        run = Run(
            key, incarnation, parsed, body, stage, job, leader,
            announced=True, is_ready=ready, asked=asked, since=self.clock.wall(), reason=reason,
        )  # fmt: skip
        leader.on_gone = lambda ended: self._gone(run, ended)
        leader.keep_descendants = parsed.descendants == "keep"
        if asked:
            leader.asked_signal = parsed.stop_signal
        self.runs[key] = run
        if parsed.memory_max is not None and self.cgroup is not None:
            run.cgroup = self.cgroup.child_path(key)
        return run

    def resume(self, run: Run) -> None:
        """Arm the timers of an adopted incarnation; ask it once more to stop when it was asked to."""
        leader = run.leader
        if leader is None or leader.ended:
            return
        if leader.killed_for is not None:
            self.table.kill(leader, leader.killed_for)
        elif run.asked and run.stage != POST_STOP:
            self.table.signal(leader, run.body.stop_signal)
            self.table.signal(leader, signal.SIGCONT)
        if run.stage == MAIN:
            self.arm(run)
            if run.body.forking is not None and self.forks is not None:
                self.forks.need(run, run.body.forking)
        else:
            jobs = run.body.pre_start if run.stage == PRE_START else run.body.post_stop
            if run.job < len(jobs):
                self._limit(run, leader, jobs[run.job])

    def forget(self, key: str) -> None:
        """The child was removed: nothing of it is kept, its kept descendants end."""
        self._prepared.pop(key, None)
        if self.forks is not None:
            self.forks.templates.forget(key)
        self.table.end_owned(key)

    # -- stages -----------------------------------------------------------------------------------------------------

    def _next(self, run: Run) -> None:
        """Run the next command or the main process of `run`."""
        jobs = run.body.pre_start if run.stage == PRE_START else run.body.post_stop
        if run.job < len(jobs):
            self._launch(run, run.stage, jobs[run.job])
        elif run.stage == PRE_START:
            self._launch(run, MAIN, None)
        else:
            self._finish(run)

    def _launch(self, run: Run, stage: str, job: Command | None) -> None:
        if job is None and self.forks is not None and run.body.forking is not None:
            self.forks.begin(run, run.body.forking)
        else:
            self.spawn(run, stage, job)

    def spawn(self, run: Run, stage: str = MAIN, job: Command | None = None) -> None:
        """Exec the next process of `run`."""
        plan = spare = None
        try:
            plan = self.plan(run, job)
            spare = plan.spare = self._take_spare(run, plan)
            leader = self.table.spawn(
                plan,
                key=run.key,
                incarnation=run.incarnation,
                role=stage,
                keep_descendants=run.body.descendants == "keep",
                on_gone=lambda ended: self._gone(run, ended),
            )
        except LAUNCH_ERRORS as error:
            self._no_spare(spare, plan)
            self.not_launched(run, str(error))
            return
        self._no_spare(spare, plan)
        if stage == MAIN:
            run.started_by = "exec"
        self._launched(run, stage, leader)
        if job is not None:
            self._limit(run, leader, job)

    def take_forked(self, run: Run, forked: Forked) -> None:
        """The main process of `run`, out of a template. What it was asked meanwhile it hears now."""
        leader = self.table.take_forked(
            forked,
            key=run.key,
            incarnation=run.incarnation,
            role=MAIN,
            keep_descendants=run.body.descendants == "keep",
            on_gone=lambda ended: self._gone(run, ended),
        )
        self._launched(run, MAIN, leader)
        if run.killed_for is not None:
            self.kill(run.key, run.incarnation, run.killed_for)
        elif run.asked:
            self.signal(run.key, run.incarnation)

    def _launched(self, run: Run, stage: str, leader: Leader) -> None:
        run.leader, run.stage = leader, stage
        if not run.announced:
            run.announced = True
            self.events.started(run.key, run.incarnation, leader)
        elif self.events.stage(run, leader):
            self.recorded(run)
        if stage == MAIN:
            self.arm(run)

    def never_launched(self, run: Run) -> None:
        """It was asked to end before its process was forked, and none will be."""
        if not run.announced:
            self.not_launched(run, "it was stopped")
            return
        run.reason = "timeout" if run.killed_for == "timeout" else "shutdown"
        run.stage, run.job = POST_STOP, 0
        self._next(run)

    def _limit(self, run: Run, leader: Leader, job: Command) -> None:
        run.deadline = self.loop.call_later(job.timeout_s, lambda: self.table.kill(leader, "timeout"))

    def recorded(self, run: Run) -> None:
        """How the processes of `run` that ended did so is on record: they may be reaped."""
        for leader in run.unrecorded:
            self.table.reap(leader)
        run.unrecorded.clear()

    def not_launched(self, run: Run, why: str) -> None:
        run.leader = None
        self._prepared.pop(run.key, None)  # resolved anew at the next try
        self.output.forget(run.key)
        if run.stage == POST_STOP:
            run.job += 1
            self._next(run)
        elif run.announced:
            run.reason = f"start_failed({why})"
            run.stage, run.job = POST_STOP, 0
            self._next(run)
        else:
            self.runs.pop(run.key, None)
            self.events.start_failed(run.key, run.incarnation, f"start_failed({why})")

    def _gone(self, run: Run, leader: Leader) -> None:
        """A process of `run` and everything below it is gone."""
        if not run.is_ready or run.watchdog is not None or run.stage != MAIN:
            self.disarm(run)
        run.unrecorded.append(leader)
        if run.stage == MAIN:
            if run.started_by in ("template", "spare") and not run.is_ready and self.forks is not None:
                self.forks.templates.drain()  # it may have said why it could not begin
            if run.is_reloading or run.on_reloaded:
                self.reloaded(run, "it ended")
            run.reason = run.reason or self._reason(run, leader)
            run.stage, run.job = POST_STOP, 0
            self._next(run)
        elif run.stage == PRE_START:
            self._pre_start_ended(run, leader)
        else:
            run.job += 1
            self._next(run)

    def _pre_start_ended(self, run: Run, leader: Leader) -> None:
        if run.asked:
            run.reason = "timeout" if leader.killed_for == "timeout" else "shutdown"
        elif leader.status != 0:
            command = " ".join(run.body.pre_start[run.job].argv)
            ended = exit_reason(leader.status, requested=None, killed_for=leader.killed_for, oom=False)
            run.reason = f"start_failed(pre_start `{command}`: {ended})"
        else:
            run.job += 1
            self._next(run)
            return
        run.stage, run.job = POST_STOP, 0
        self._next(run)

    def _finish(self, run: Run) -> None:
        leader, run.leader = run.leader, None
        self.runs.pop(run.key, None)
        if run.cgroup is not None and self.cgroup is not None:
            self.cgroup.remove_child(run.cgroup)
        self.events.exited(run, run.reason or "lost", leader)

    def _reason(self, run: Run, leader: Leader) -> str:
        oom = run.cgroup is not None and self.cgroup is not None and self.cgroup.oom_killed(run.cgroup)
        if leader.status is None:
            return "lost"
        return exit_reason(
            leader.status, requested=leader.asked_signal, killed_for=leader.killed_for, oom=oom
        )

    # -- readiness and watchdog -------------------------------------------------------------------------------------

    def arm(self, run: Run) -> None:
        """Start waiting for readiness and watchdog."""
        body = run.body
        if run.asked:
            return
        if body.watchdog_s is not None:
            self.pet(run)
        if run.is_ready:
            return
        if body.readiness is None:
            self.mark_ready(run)
            return
        if body.readiness_deadline_s is not None:
            run.deadline = self.loop.call_later(
                body.readiness_deadline_s, lambda: self._not_ready_in_time(run)
            )
        if self.probes is not None:
            self.probes.begin(run)

    def disarm(self, run: Run) -> None:
        for timer in (run.watchdog, run.deadline):
            if timer is not None:
                timer.cancel()
        run.watchdog = run.deadline = None
        if self.probes is not None:
            self.probes.end(run)

    def mark_ready(self, run: Run) -> None:
        """READY=1 or a probe that answered: tell the kernel, once."""
        if run.is_ready or run.stage != MAIN:
            return
        run.is_ready = True
        if run.status_text.startswith(NOT_READY):
            run.status_text = ""
        if run.deadline is not None:
            run.deadline.cancel()
            run.deadline = None
        if self.probes is not None:
            self.probes.end(run)
        if run.body.readiness is not None or run.body.pre_start:
            self.events.ready(run.key, run.incarnation)

    def _not_ready_in_time(self, run: Run) -> None:
        if run.leader is not None and not run.is_ready:
            run.reason = f"start_failed(not ready within {run.body.readiness_deadline_s:g} s)"
            self.table.kill(run.leader, "timeout")

    def pet(self, run: Run) -> None:
        """WATCHDOG=1: the next one is due within the limit."""
        run.petted_at = self.clock.boot()
        if run.watchdog is None:
            self._watch_dog(run)

    def _watch_dog(self, run: Run) -> None:
        """One timer, however often a child pets: when it is due, the last time decides."""
        limit = run.body.watchdog_s
        if limit is None or run.leader is None:
            return
        if self.clock.boot() >= run.petted_at + limit:
            self.table.kill(run.leader, run.body.watchdog_reason)
        else:
            run.watchdog = self.loop.call_at(run.petted_at + limit, lambda: self._watch_dog(run))

    def reloaded(self, run: Run, problem: str = "") -> None:
        """Tell those who wait for a reload that it is over, or why it will never be."""
        run.is_reloading = False
        waiting, run.on_reloaded = run.on_reloaded, []
        for tell in waiting:
            tell(problem)

    # -- plans ------------------------------------------------------------------------------------------------------

    def _run(self, key: str, incarnation: int) -> Run | None:
        run = self.runs.get(key)
        return run if run is not None and run.incarnation == incarnation else None

    def _body(self, key: str, source: Mapping[str, Any]) -> ProcessBody:
        """`source` typed: once, with what was looked up for it, for all lives that are started with it. ValueError."""
        known = self._prepared.get(key)
        return known.body if known is not None and known.source is source else body_of(source)

    def prepare(self, run: Run) -> Prepared:
        """What all lives of this child share; made anew where files or secrets are read. Raises
        LaunchError, ValueError, OSError."""
        key, source, body = run.key, run.source, run.body
        known = self._prepared.get(key)
        if known is not None and known.body is body and known.constant:
            return known
        whole = body.spawn_environment(self.base, self.secrets, self.allow.trusts_file)
        # Only what is its own: a thousand copies of what all inherit would be megabytes.
        environment = {name: value for name, value in whole.items() if self.base.get(name) != value}
        environment |= body.told
        environment["OVERSTORY_CHILD"] = key
        environment["OVERSTORY_NODE"] = self.node_id
        environment["OVERSTORY_SOCKET"] = self.agent_path
        if body.uses_notify:
            environment["NOTIFY_SOCKET"] = self.notify_path
        if body.watchdog_s is not None:
            environment["WATCHDOG_USEC"] = str(int(body.watchdog_s * 1_000_000))
        prepared = Prepared(source, body, environment, body.environment_source.is_constant)
        self._prepared[key] = prepared
        return prepared

    def environment(self, run: Run) -> dict[str, str]:
        """What every process of `run` gets. Raises LaunchError, ValueError, OSError where a file or secret is gone."""
        return self.base | self.prepare(run).environment

    def _take_spare(self, run: Run, plan: LaunchPlan) -> Pair | None:
        """For the first process of an incarnation; those behind it go on in its files, which need their names by then."""
        spares = self.output.spares
        if run.announced:
            spares.settle()
            return None
        if run.body.forking is not None:
            return None  # a fork that came to nothing may have made the files
        spare = spares.take(run.key, run.incarnation, plan.stdout, plan.stderr)
        if spare is not None and not self._settling:
            self._settling = True
            self.loop.call_later(SETTLE_S, self._settle)
        return spare

    def _no_spare(self, spare: Pair | None, plan: LaunchPlan | None) -> None:
        """Remember it, if the launch could not use the one it was given."""
        if spare is not None and plan is not None and plan.spare is None:
            self.output.spares.not_taken(plan.stdout)

    def _settle(self) -> None:
        self._settling = False
        self.output.spares.settle()

    def plan(self, run: Run, job: Command | None) -> LaunchPlan:
        """How to start the main process of `run`, or `job`. Raises LAUNCH_ERRORS."""
        body = run.body
        prepared = self.prepare(run)
        environment = prepared.environment.copy()
        environment["OVERSTORY_INCARNATION"] = str(run.incarnation)
        environment["OVERSTORY_MARK"] = (
            f"{self._mark_prefix}{run.key}:{run.incarnation}:{run.stage if job else MAIN}"
        )
        if job is not None:
            environment.pop("NOTIFY_SOCKET", None)
            environment.pop("WATCHDOG_USEC", None)
        out, err = self.output.paths(run.key, run.incarnation)
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
            prepared.allowed.append(command)
        return plan
