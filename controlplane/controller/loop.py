"""The controller's loop: become or stay the leader, then everything that only one in the fleet may do, once a second.

Level-triggered: each tick reads all there is and does one step of each thing; what failed is tried again at the next one.
Guarantee: whatever is written is written in a transaction that holds the leadership in the writer's term. Limits: while the
database is away nothing is decided; nodes go on with what they have.
"""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from agents.configs.canaries import advance_canary, running_canaries
from controlplane.controller.wakeups import Wakeups
from controlplane.deadlines import Deadlines
from supervision.fleet import services as fleet
from supervision.fleet.leading import CONTROLLER, LEADER_TTL_S, Leader, NotLeadingError, led
from supervision.fleet.services import database_now
from supervision.fleet.silence import mark_silent_nodes
from supervision.leakwatch.acting import act_on_leaks
from supervision.runtime.clock import Clock, SystemClock
from supervision.tasks.pools import scale_pools
from supervision.tasks.recycles import recycle_workers
from supervision.trees.commands import expire_commands
from supervision.trees.notices import notify_desired
from supervision.trees.placing import Placing
from supervision.trees.rollouts import advance_rollout, running_rollouts

EVERY_S = 1.0
LEAST_S = 0.25
"""Between two ticks, however often something asks for one."""
SCALE_S = 2.0
LEAKS_S = 2.0
ROUND_S = 5.0
"""For everything of one duty; each statement has its own, shorter limit on the server."""

log = logging.getLogger("overstory.controller")


def holder_name() -> str:
    """One life of one controller."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"


@dataclass(slots=True)
class Controller:
    """Runs until `stop`. `alive` is called each round, whether the database answers or not."""

    wakeups: Wakeups
    alive: Callable[[str], None] = lambda _status: None
    holder: str = field(default_factory=holder_name)
    clock: Clock = field(default_factory=SystemClock)
    ttl_s: float = LEADER_TTL_S
    leader: Leader | None = None
    _placing: Placing = field(default_factory=Placing)
    _stopping: bool = False
    _trouble: str = ""
    _scale_at: float = 0.0
    _leaks_at: float = 0.0
    _rolled: int = 0
    """The rollout that was looked at last."""

    def stop(self) -> None:
        """From a signal handler: the loop ends within a round, and another controller may lead at once."""
        self._stopping = True
        self.wakeups.wake()

    def run(self) -> None:
        deadlines = Deadlines(self.clock)
        deadlines.start()
        try:
            while not self._stopping:
                began = self.clock.boot()
                self._round(deadlines)
                self.alive(self.status)
                self._pause(began)
            self._resign(deadlines)
        finally:
            connection.close()

    @property
    def status(self) -> str:
        if self._trouble:
            return f"waits for the database: {self._trouble}"
        return "follows" if self.leader is None else f"leads in term {self.leader.term}"

    def _pause(self, began: float) -> None:
        """Until the next second, or until something changed; never sooner than LEAST_S."""
        spent = self.clock.boot() - began
        if not self._stopping:
            self.wakeups.wait(max(LEAST_S, EVERY_S - spent), self.clock.boot())
        spent = self.clock.boot() - began
        if spent < LEAST_S and not self._stopping:
            self.wakeups.wait(LEAST_S - spent, self.clock.boot())

    def _round(self, deadlines: Deadlines) -> None:
        duties: tuple[Callable[[], None], ...] = (
            self._lead,
            self._silence,
            self._place,
            self._roll,
            self._try,
            self._expire,
            self._scale,
            self._leaks,
        )
        for duty in duties:
            try:
                with deadlines.within(ROUND_S):
                    duty()
            except NotLeadingError as error:
                self._follow(str(error))
                return
            except (OperationalError, InterfaceError) as error:
                self._lost(error)
                return
            except DatabaseError as error:  # such as a deadlock with somebody's apply: the others go on
                log.warning("duty failed: %s: %s", duty.__name__, error)
                connection.close()
        if self._trouble:
            log.info("the database answers again")
            self._trouble = ""

    def _lost(self, error: Exception) -> None:
        connection.close()
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if not self._trouble:
            log.warning("the database does not answer: %s", words)
        self._trouble = words

    # -- duties ---------------------------------------------------------------------------------------------------------

    def _lead(self) -> None:
        """Renew, or take over when nobody leads."""
        leader = self.leader
        if leader is not None:
            if fleet.renew(name=CONTROLLER, holder=self.holder, term=leader.term, ttl_s=self.ttl_s):
                return
            self._follow("another controller leads")
        term = fleet.acquire(name=CONTROLLER, holder=self.holder, ttl_s=self.ttl_s)
        if term is None:
            return
        self.leader = Leader(CONTROLLER, self.holder, term)
        log.info("%s leads in term %d", self.holder, term)

    def _follow(self, why: str) -> None:
        log.info("follows: %s", why)
        self.leader = None

    def _silence(self) -> None:
        if self.leader is None:
            return
        with led(self.leader):
            changed = mark_silent_nodes()
            if changed:
                notify_desired()
        for one in changed:
            log.warning("node %s is silent: %s", one.name, one.state)

    def _place(self) -> None:
        if self.leader is None:
            return
        decision = self._placing.tick(self.leader)
        for step in decision.steps:
            log.info("placement: %r", step)

    def _roll(self) -> None:
        if self.leader is None:
            return
        began = self.clock.boot()
        running = running_rollouts()
        for pk in [pk for pk in running if pk > self._rolled] + [pk for pk in running if pk <= self._rolled]:
            if self.clock.boot() - began > ROUND_S / 2:
                return  # the next tick goes on behind this one
            self._rolled = pk
            rollout = advance_rollout(self.leader, pk)
            if rollout is None:
                continue
            log.info("rollout %d ended: %s %s", rollout.pk, rollout.state, rollout.reason)

    def _try(self) -> None:
        """Revisions of agent configs that one agent tries first."""
        if self.leader is None:
            return
        for pk in running_canaries():
            row = advance_canary(self.leader, pk)
            if row is not None:
                log.info("canary %d of %s ended: %s %s", row.pk, row.config, row.state, row.reason)

    def _expire(self) -> None:
        if self.leader is None:
            return
        with led(self.leader):
            expired = expire_commands()
        if expired:
            log.info("%d commands expired", len(expired))

    def _scale(self) -> None:
        """Pools of Celery workers, looked at every SCALE_S: their queues are told each second."""
        now = self.clock.boot()
        if self.leader is None or now < self._scale_at:
            return
        self._scale_at = now + SCALE_S
        for step in (scale_pools, recycle_workers):
            for words in step(leader=self.leader, now=database_now()):
                log.info("pool: %s", words)

    def _leaks(self) -> None:
        """What leaks and is to be recycled by itself, every LEAKS_S."""
        now = self.clock.boot()
        if self.leader is None or now < self._leaks_at:
            return
        self._leaks_at = now + LEAKS_S
        for words in act_on_leaks(leader=self.leader, now=database_now()):
            log.info("leak: %s", words)

    def _resign(self, deadlines: Deadlines) -> None:
        leader = self.leader
        if leader is None:
            return
        try:
            with deadlines.within(ROUND_S):
                fleet.resign(name=CONTROLLER, holder=self.holder, term=leader.term)
        except DatabaseError as error:
            log.info("could not resign: %s", error)
