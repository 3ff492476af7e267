"""The process driver: turns the kernel's Start, Signal and Kill into operating-system processes, and back.

It translates and holds no policy. One incarnation passes through stages: `pre_start` commands in order, the main process,
`post_stop` commands; the kernel hears Started when the first of them runs and Exited when the last one, and every process
that descended from them, is gone. A pre_start command that fails ends the incarnation as start_failed(...).
"""

import os
import signal
from collections.abc import Mapping
from functools import partial
from typing import Any

from supervision.runtime.agent_driver import LAUNCH_ERRORS, Forks
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.clock import Clock
from supervision.runtime.exits import exit_reason
from supervision.runtime.kinship import Leader
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_plans import LaunchPlans, Reports, nothing_given
from supervision.runtime.launch_spec import LaunchPlan, NextLife
from supervision.runtime.listeners import Listeners
from supervision.runtime.loop import Loop
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.output import OutputStore
from supervision.runtime.process_table import ProcessTable
from supervision.runtime.processdoc import Command
from supervision.runtime.run import MAIN, POST_STOP, PRE_START, ChildEvents, Run
from supervision.runtime.run_deadlines import RunDeadlines
from supervision.runtime.spare_files import Pair
from supervision.runtime.spare_naming import SpareNaming
from supervision.runtime.template_order import Forked


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
        reporting: Reports = nothing_given,
    ) -> None:
        self.loop, self.clock, self.table, self.events = loop, clock, table, events
        self.output, self.listeners, self.cgroup = output, listeners, cgroup
        self.plans = LaunchPlans(
            output=output,
            listeners=listeners,
            cgroup=cgroup,
            node_id=node_id,
            notify_path=notify_path,
            agent_path=agent_path,
            environment=environment,
            allow=allow,
            as_root=as_root,
            reporting=reporting,
        )
        self.deadlines = RunDeadlines(
            loop=loop, clock=clock, table=table, on_ready=lambda *life: events.ready(*life)
        )
        self._naming = SpareNaming(output.spares, loop, clock, lambda: table.stand_by(output.spares.ledger))
        self.runs: dict[str, Run] = {}
        self.forks: Forks | None = None

    # -- the kernel's actions ---------------------------------------------------------------------------------------

    def start(self, key: str, incarnation: int, body: Mapping[str, Any], *, announced: bool = False) -> None:
        """Begin an incarnation; answers through `events`, perhaps before it returns. `announced`: a dead node has said that
        it began, and got no process for it."""
        try:
            parsed = self.plans.body(key, body)
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
            self.deadlines.disarm(run)
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
            self.deadlines.disarm(run)
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
        parsed = self.plans.body(key, body)
        run = Run(
            key, incarnation, parsed, body, stage, job, leader,
            announced=True, is_ready=ready, asked=asked, since=self.clock.wall(), reason=reason,
        )  # fmt: skip
        leader.on_gone = partial(self._gone, run)
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
            self.deadlines.arm(run)
            if run.body.forking is not None and self.forks is not None:
                self.forks.need(run, run.body.forking)
        else:
            jobs = run.body.pre_start if run.stage == PRE_START else run.body.post_stop
            if run.job < len(jobs):
                self._limit(run, leader, jobs[run.job])

    def forget(self, key: str) -> None:
        """The child was removed: nothing of it is kept, its kept descendants end."""
        self.plans.forget(key)
        if self.forks is not None:
            self.forks.templates.forget(key)
        self.table.relatives.end_owned(key)

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
        leader = spare = plan = None
        try:
            is_first = job is None and not run.announced and run.body.forking is None
            life = self.plans.next_life(run) if is_first else None
            if life is None:
                plan = self.plans.plan(run, job)
                if is_first:
                    life = self.plans.keep(run, plan, self.table.prebuild)
            if life is not None:
                leader = self._spawn_next(run, life)
            if leader is None:
                plan = plan or self.plans.plan(run, job)
                spare = plan.spare = self._take_spare(run, plan)
                leader = self._spawn(run, stage, plan)
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

    def _spawn_next(self, run: Run, life: NextLife) -> Leader | None:
        """The shortest way to the first process of a life; None where it failed."""
        life.spare = self._naming.take(run.key, run.incarnation, life.stdout, life.stderr)
        takes_files = life.spare is not None and bool(life.spare.out)
        if not takes_files:
            self.output.make_directory(run.key)
        leader = self.table.spawn_next(
            life,
            key=run.key,
            incarnation=run.incarnation,
            role=MAIN,
            keep_descendants=run.body.descendants == "keep",
            on_gone=partial(self._gone, run),
        )
        if takes_files:
            self._naming.taken()
            if leader is None:
                self.output.spares.spoil(life.stdout)
        return leader

    def _spawn(self, run: Run, stage: str, plan: LaunchPlan) -> Leader:
        if plan.spare is None or not plan.spare.out:
            self.output.make_directory(run.key)
        try:
            return self._spawn_as(run, stage, plan)
        except LaunchError as error:
            if error.what != "output" or not self.output.make_directory(run.key):
                raise
        # it found no pair, or could not use it, and no directory for files of its own
        self.output.spares.spoil(plan.stdout)
        plan.spare = None
        return self._spawn_as(run, stage, plan)

    def _spawn_as(self, run: Run, stage: str, plan: LaunchPlan) -> Leader:
        return self.table.spawn(
            plan,
            key=run.key,
            incarnation=run.incarnation,
            role=stage,
            keep_descendants=run.body.descendants == "keep",
            on_gone=partial(self._gone, run),
        )

    def _take_spare(self, run: Run, plan: LaunchPlan) -> Pair | None:
        """For the first process of an incarnation; those behind it go on in its files, which need their names by then."""
        if run.announced:
            self.output.spares.settle_one(plan.stdout)
            return None
        if run.body.forking is not None:
            return None  # a fork that came to nothing may have made the files
        pair = self._naming.take(run.key, run.incarnation, plan.stdout, plan.stderr)
        if pair is not None and pair.out:
            self._naming.taken()
        return pair

    def _no_spare(self, spare: Pair | None, plan: LaunchPlan | None) -> None:
        """Remember it, if the launch could not use the one it was given."""
        if spare is not None and plan is not None and plan.spare is None:
            self.output.spares.not_taken(plan.stdout)

    def take_forked(self, run: Run, forked: Forked) -> None:
        """The main process of `run`, out of a template. What it was asked meanwhile it hears now."""
        leader = self.table.take_forked(
            forked,
            key=run.key,
            incarnation=run.incarnation,
            role=MAIN,
            keep_descendants=run.body.descendants == "keep",
            on_gone=partial(self._gone, run),
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
            self.deadlines.arm(run)

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
        run.unrecorded = ()

    def not_launched(self, run: Run, why: str) -> None:
        run.leader = None
        self.plans.forget(run.key)  # resolved anew at the next try
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
            self.deadlines.disarm(run)
        run.unrecorded += (leader,)
        if run.stage == MAIN:
            if run.started_by in ("template", "spare") and not run.is_ready and self.forks is not None:
                self.forks.templates.drain()  # it may have said why it could not begin
            if run.is_reloading or run.on_reloaded:
                self.deadlines.reloaded(run, "it ended")
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
        if run.told_reason and os.WIFEXITED(leader.status) and leader.asked_signal is None:
            return run.told_reason
        return exit_reason(
            leader.status, requested=leader.asked_signal, killed_for=leader.killed_for, oom=oom
        )

    def _run(self, key: str, incarnation: int) -> Run | None:
        run = self.runs.get(key)
        return run if run is not None and run.incarnation == incarnation else None
