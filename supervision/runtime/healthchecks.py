"""The node's watch over the health of running children: asks the checkers helper, counts answers, acts through supervisors.

Each check of each running child has a timer of its own, so one that hangs delays no other; the helper ends what takes longer
than its time-out. A helper that is replaced while it was asked is asked again: an answer that never comes is no failure of
the child. What follows from `fall` failures is done once, and by the child's supervisor: the process is killed as
`unhealthy`, which the kernel hears as any other end.
"""

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervision.runtime.clock import Clock
from supervision.runtime.healthstate import Health, Tally
from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.link import Message
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.process_driver import ProcessDriver
from supervision.runtime.processdoc import HealthCheck
from supervision.runtime.run import Run

CALLABLE = str(Path(__file__).with_name("callable_probe.py"))
SLACK_S = 5.0
"""An answer that is later than the time-out by this got lost with its helper."""
SILENT = "no answer within"
"""How the checkers helper begins to tell of a time-out."""
DETAIL_CHARS = 200
BEFORE_WATCHDOG = 0.75
"""Of a worker's watchdog: it speaks at half of it, and a check that waited for all of it would be as late as the kill."""
FIRST_WITHIN = 0.2
"""The first checks of many children are spread over this part of their interval."""


@dataclass(slots=True, eq=False)
class Watched:
    """One check of one life. Moments are Unix seconds."""

    run: Run
    check: HealthCheck
    tally: Tally
    since: float
    begun_at: float
    """On the machine's clock, as `asked_at`."""
    asked_at: float = 0.0
    checked_at: float | None = None
    took_s: float | None = None
    detail: str = ""
    timer: Timer | None = None
    probe_id: int | None = None
    seq: int = 0
    """Grows with each answer, over all checks of this node."""

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.run.key,
            "incarnation": self.run.incarnation,
            "name": self.check.name,
            "kind": self.check.kind,
            "state": str(self.tally.state),
            "since": self.since,
            "checked_at": self.checked_at,
            "took_s": self.took_s,
            "detail": self.detail,
            "failures": self.tally.failures,
            "successes": self.tally.successes,
            "interval_s": self.check.interval_s,
            "timeout_s": self.check.timeout_s,
            "on_unhealthy": self.check.on_unhealthy,
        }


def _felt(kind: str, age_s: float, *, ok: bool) -> str:
    """A heartbeat in words. A Celery worker has one only while it consumes."""
    if kind != "consumes":
        return f"last heartbeat {age_s:.1f} s ago"
    told = f"said {age_s:.1f} s ago that it consumes"
    return f"takes tasks, {told}" if ok else f"takes nothing, last {told}"


@dataclass(slots=True)
class HealthChecks:
    """Of all running children. `escalate` (key, incarnation, why) makes its supervisor fail; `say` is the node's log."""

    loop: Loop
    clock: Clock
    driver: ProcessDriver
    escalate: Callable[[str, int, str], None]
    say: Callable[..., None]
    checkers: HelperProcess | None = None
    life: str = field(default_factory=lambda: os.urandom(4).hex())
    """Names this watch: numbers of another one mean nothing here."""
    _watched: dict[Run, list[Watched]] = field(default_factory=dict)
    _asked: dict[int, Watched] = field(default_factory=dict)
    _seq: int = 1
    _members_seq: int = 1
    """When a check came or went."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(-1, -1))
    """Below zero: those of readiness probes are above."""

    def begin(self, run: Run) -> None:
        """The child is ready: watch it from now on."""
        if run in self._watched or not run.body.health:
            return
        watched = self._watched[run] = [
            Watched(
                run,
                check,
                Tally(check.rise, check.fall),
                self.clock.wall(),
                self.clock.boot(),
                seq=self._seq + 1,
            )
            for check in run.body.health
        ]
        self._membership()
        for one in watched:
            spread = one.check.interval_s * FIRST_WITHIN * os.urandom(1)[0] / 256
            self._later(one, one.check.start_period_s + spread)

    def end(self, run: Run) -> None:
        """It is asked to stop, or gone."""
        watched = self._watched.pop(run, ())
        if watched:
            self._membership()
        for one in watched:
            if one.timer is not None:
                one.timer.cancel()
            number = one.probe_id
            if number is not None and self._asked.pop(number, None) is not None and self.checkers is not None:
                self.checkers.send("cancel", id=number)

    def helper_started(self) -> None:
        """A new checkers helper knows nothing of what its predecessor was asked."""
        lost, self._asked = list(self._asked.values()), {}
        for one in lost:
            self._later(one, 0.0)

    def on_message(self, message: Message) -> None:
        """An answer from the helper."""
        one = self._asked.pop(message.body.get("id", 0), None) if message.op == "result" else None
        if one is not None:
            self._heard(one, ok=bool(message.body.get("ok")), detail=str(message.body.get("detail", "")))

    def changed(self, since: int) -> dict[str, Any]:
        """`seq`, checks that were answered after number `since`, and, when some came or went, which there are."""
        everything = [one for watched in self._watched.values() for one in watched]
        membership = self._members_seq > since
        return {
            "life": self.life,
            "seq": self._seq,
            "checks": [one.to_json() for one in everything if one.seq > since],
            "living": [[one.run.key, one.check.name] for one in everything] if membership else None,
        }

    def _membership(self) -> None:
        self._seq += 1
        self._members_seq = self._seq

    # -- one check --------------------------------------------------------------------------------------------------

    def _later(self, one: Watched, seconds: float) -> None:
        if one.timer is not None:
            one.timer.cancel()
        one.timer = self.loop.call_later(seconds, lambda: self._ask(one))

    def _ask(self, one: Watched) -> None:
        if self.driver.runs.get(one.run.key) is not one.run:
            return
        one.asked_at = self.clock.boot()
        if one.check.kind in ("heartbeat", "consumes"):
            self._feel_heartbeat(one)
            return
        try:
            settings = self._settings(one)
        except (LaunchError, OSError, ValueError) as error:
            self._heard(one, ok=False, detail=str(error))
            return
        number = one.probe_id = next(self._ids)
        if self.checkers is not None and self.checkers.send("probe", id=number, **settings):
            self._asked[number] = one
            one.timer = self.loop.call_later(one.check.timeout_s + SLACK_S, lambda: self._unanswered(number))
        else:
            self._later(one, min(1.0, one.check.interval_s))

    def _unanswered(self, number: int) -> None:
        one = self._asked.pop(number, None)
        if one is not None:
            self._later(one, 0.0)

    def _feel_heartbeat(self, one: Watched) -> None:
        """The last WATCHDOG=1 is told to the node itself: nobody has to be asked."""
        limit_s = float(one.check.settings.get("within", one.run.body.watchdog_s or one.check.interval_s))
        if one.check.kind == "consumes":
            limit_s *= BEFORE_WATCHDOG
        if one.run.petted_at:
            age_s = self.clock.boot() - one.run.petted_at
            self._heard(
                one,
                ok=age_s <= limit_s,
                detail=_felt(one.check.kind, age_s, ok=age_s <= limit_s),
                silent=True,
            )
        elif self.clock.boot() - one.begun_at <= limit_s:
            self._later(one, one.check.interval_s)
        else:
            words = "takes nothing yet" if one.check.kind == "consumes" else "no heartbeat yet"
            self._heard(one, ok=False, detail=words, silent=True)

    def _settings(self, one: Watched) -> dict[str, Any]:
        check, run = one.check, one.run
        section: dict[str, Any] = dict(check.settings)
        kind = check.kind
        if kind == "python":
            interpreter = str(section.get("interpreter") or sys.executable)
            kind, section = "exec", {"command": [interpreter, CALLABLE, str(section["call"])]}
        settings: dict[str, Any] = {"probe": {kind: section}, "deadline_s": check.timeout_s}
        if kind == "exec":  # as the child itself would run it
            settings["cwd"] = run.body.cwd
            settings["environment"] = self.driver.plans.environment(run)
            user = run.body.user_ids()
            if user is not None:
                settings["user"] = {"uid": user.uid, "gid": user.gid, "groups": list(user.groups)}
        return settings

    def _heard(self, one: Watched, *, ok: bool, detail: str, silent: bool = False) -> None:
        now = self.clock.wall()
        before = one.tally.state
        fell = one.tally.heard(ok=ok, silent=not ok and (silent or detail.startswith(SILENT)))
        one.probe_id = None
        self._seq += 1
        one.seq = self._seq
        one.checked_at, one.detail = now, detail[:DETAIL_CHARS]
        one.took_s = round(self.clock.boot() - one.asked_at, 4)
        if one.tally.state is not before:
            one.since = now
            self.say(
                "health", key=one.run.key, check=one.check.name, state=str(one.tally.state), why=one.detail
            )
        self._later(one, max(0.0, one.check.interval_s - one.took_s))
        if fell:
            self._act(one)

    def _act(self, one: Watched) -> None:
        run = one.run
        if one.check.on_unhealthy == "escalate":
            self.escalate(run.key, run.incarnation, f"{one.check.name}: {one.detail}"[:DETAIL_CHARS])
        elif one.check.on_unhealthy == "restart" and run.leader is not None and not run.leader.ended:
            run.status_text = f"{one.check.name}: {one.detail}"[:DETAIL_CHARS]
            self.driver.deadlines.disarm(run)
            self.driver.table.kill(run.leader, str(Health.UNHEALTHY))
