"""What is due of a running child: that it is ready by its deadline, a word for its watchdog, the end of a reload.

Armed when the main process runs, disarmed when it ends or is asked to. What is overdue is killed; the reason says why.
"""

from collections.abc import Callable
from typing import Protocol

from supervision.runtime.clock import Clock
from supervision.runtime.loop import Loop
from supervision.runtime.process_table import ProcessTable
from supervision.runtime.run import MAIN, Run

NOT_READY = "not ready: "
"""How the status text begins while a probe fails; it says so no more once the child is ready."""


class ReadinessProbes(Protocol):
    """Who finds out that a child with a probe is ready, and whether it stays well."""

    def begin(self, run: Run) -> None: ...

    def ready(self, run: Run) -> None:
        """It is: from now on its health counts."""

    def end(self, run: "Run") -> None: ...


class RunDeadlines:
    """A part of the process driver. `on_ready(key, incarnation)` is called once for a child that says, or shows, that it is
    ready."""

    def __init__(
        self, *, loop: Loop, clock: Clock, table: ProcessTable, on_ready: Callable[[str, int], None]
    ) -> None:
        self.loop, self.clock, self.table = loop, clock, table
        self._on_ready = on_ready
        self.probes: ReadinessProbes | None = None

    def arm(self, run: Run) -> None:
        """Start waiting for readiness and watchdog."""
        body = run.body
        if run.asked:
            return
        if body.watchdog_s is not None:
            self.pet(run)
        if run.is_ready:
            if self.probes is not None:
                self.probes.ready(run)
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
            self.probes.ready(run)
        if run.body.readiness is not None or run.body.pre_start:
            self._on_ready(run.key, run.incarnation)

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
        waiting, run.on_reloaded = run.on_reloaded, ()
        for tell in waiting:
            tell(problem)
