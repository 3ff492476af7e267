"""Agents that come out of templates: the part of the process driver that asks for a fork and takes what comes.

A fork is answered a moment later, not at once as a spawn is. The kernel's supervisor waits for an answer, so when none
comes within ANSWER_LIMIT_S (the template still imports, or has many to fork) the start is announced without a process, in
the stage FORKING, and the process follows as its next stage: nothing else of the tree waits for a template. What cannot be
forked is exec'd, and says why.
"""

from typing import TYPE_CHECKING

from supervision.runtime.cgroups import CgroupUnsupported
from supervision.runtime.environmentdoc import RESERVED
from supervision.runtime.forking import Forking, TemplateKey
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.listeners import ListenError
from supervision.runtime.loop import Loop
from supervision.runtime.recovery import FORKING
from supervision.runtime.reporting import GIVEN
from supervision.runtime.template_order import Forked, ForkOrder, kill
from supervision.runtime.template_port import TemplatePort

__all__ = ["FORKING", "LAUNCH_ERRORS", "Forks"]

if TYPE_CHECKING:
    from supervision.runtime.process_driver import ProcessDriver
    from supervision.runtime.run import Run

ANSWER_LIMIT_S = 0.05
LAUNCH_ERRORS = (LaunchError, ListenError, CgroupUnsupported, OSError, ValueError, KeyError)
SHARED = RESERVED - {"OVERSTORY_NODE"}
"""What a template does not have in its environment: it is said to one agent alone."""


class Forks:
    """See the module's docstring. A part of the driver, which owns the runs."""

    def __init__(self, driver: "ProcessDriver", templates: TemplatePort, loop: Loop) -> None:
        self.driver, self.templates, self.loop = driver, templates, loop

    def begin(self, run: "Run", forking: Forking) -> None:
        """Ask for the main process of `run`."""
        driver = self.driver
        try:
            plan = driver.plans.plan(run, None)
            driver.output.make_directory(run.key)
            order = self._order(run, forking, plan)
        except LAUNCH_ERRORS as error:
            driver.not_launched(run, str(error))
            return
        run.leader, run.stage, run.order = None, FORKING, order
        soon = self.templates.start(order)
        if run.order is not order:
            return  # answered
        if soon:
            self.loop.call_later(ANSWER_LIMIT_S, lambda: self._announce(run, order))
        else:
            self._announce(run, order)

    def _order(self, run: "Run", forking: Forking, plan: LaunchPlan) -> ForkOrder:
        _, shared = self.driver.plans.prepare(run)
        order = ForkOrder(
            key=self._key(run, forking),
            owner=run.key,
            spares=forking.spares,
            entry_point=forking.entry_point,
            plan=plan,
            own={
                name: value
                for name, value in plan.environment.items()
                if name in RESERVED or (name in GIVEN and name not in shared)
            },
            comm=run.key.rpartition("/")[2],
            on_forked=lambda forked: self._forked(run, order, forked),
            on_refused=lambda why: self._refused(run, order, why),
            on_broken=lambda why: self._broken(run, why),
            user=plan.user,
        )  # fmt: skip
        return order

    def _key(self, run: "Run", forking: Forking) -> TemplateKey:
        prepared, _ = self.driver.plans.prepare(run)
        if prepared.template is None:
            user = run.body.user_ids()
            whole = self.driver.plans.environment(run)
            prepared.template = TemplateKey.of(
                forking,
                cwd=run.body.cwd,
                user=None if user is None else (user.uid, user.gid, user.groups),
                environment={name: value for name, value in whole.items() if name not in SHARED},
            )
        return prepared.template

    def need(self, run: "Run", forking: Forking) -> None:
        """An adopted agent: its template is started now, off the path of its next restart."""
        try:
            key = self._key(run, forking)
            user = run.body.user_ids()
        except LAUNCH_ERRORS:
            return  # its next start says why
        self.templates.need(key, user, run.key, forking.spares)

    def stop(self, run: "Run") -> None:
        """`run` is asked to end before it has a process."""
        order = run.order
        if order is not None and self.templates.cancel(order):
            run.order = None
            self.driver.never_launched(run)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _announce(self, run: "Run", order: ForkOrder) -> None:
        if run.order is order and not run.announced:
            run.announced = True
            self.driver.events.forking(run.key, run.incarnation)

    def _forked(self, run: "Run", order: ForkOrder, forked: Forked) -> None:
        if run.order is not order:  # nobody waits for it
            kill(forked.pidfd)
            return
        run.order, run.started_by, run.why_exec = None, forked.source, ""
        self.driver.take_forked(run, forked)

    def _refused(self, run: "Run", order: ForkOrder, why: str) -> None:
        if run.order is not order:
            return
        run.order = None
        if run.asked:
            self.driver.never_launched(run)
        else:
            run.why_exec = why
            self.driver.spawn(run)

    @staticmethod
    def _broken(run: "Run", why: str) -> None:
        """The process could not become the agent, and exits."""
        if run.leader is not None and not run.is_ready:
            run.reason = run.reason or f"start_failed({why})"
