"""How the node learns that a child is ready, alive or busy: sd_notify messages and probes of the checkers helper.

The notify socket is bound by the guardian, so that READY=1 sent while no node lives waits in it. A message counts for the
child whose process sent it, or whose session the sender is in; others are ignored, as systemd's NotifyAccess=all does
within a unit.
"""

import itertools
import re
import socket
from collections.abc import Callable
from typing import Any

from supervision.runtime import notify
from supervision.runtime.healthchecks import HealthChecks
from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.identity import read_stat
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.link import Message
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.process_driver import ProcessDriver
from supervision.runtime.processdoc import Notify, Probe
from supervision.runtime.run import MAIN, Run
from supervision.runtime.run_deadlines import NOT_READY

STATUS_CHARS = 200
REASON = re.compile(
    r"normal|shutdown|timeout|lost|oom|signal\(\d{1,3}\)|exception\([\w.]{1,200}\)|start_failed\([^\n]{1,300}\)"
)
"""What a child may say of its end: the words of docs/glossary.md."""
ANSWER_SLACK_S = 5.0
"""A probe whose answer is later than its own time-out by this (the helper was replaced) is asked again."""


class NotifyReceiver:
    """Applies sd_notify messages to the runs of the driver; `on_status` hears of a new STATUS= text."""

    def __init__(
        self, loop: Loop, sock: socket.socket, driver: ProcessDriver, on_status: Callable[[Run], None]
    ) -> None:
        self.loop, self.sock, self.driver, self.on_status = loop, sock, driver, on_status
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._readable)

    def close(self) -> None:
        """Stop listening; the socket is the guardian's and stays open."""
        self.loop.unwatch(self.sock.fileno())
        self.sock.detach()

    def _readable(self) -> None:
        for message in notify.receive(self.sock):
            run = self._run_of(message.pid)
            if run is not None:
                self._apply(run, message.fields)

    def _run_of(self, pid: int) -> Run | None:
        run = self._known(pid)
        if run is None and self.driver.forks is not None:
            # A forked process announces itself first, on another socket, which we may not have read yet.
            self.driver.forks.templates.drain()
            run = self._known(pid)
        return run

    def _known(self, pid: int) -> Run | None:
        leader = self.driver.table.leaders.get(pid)
        if leader is None:
            stat = read_stat(pid)
            leader = self.driver.table.leaders.get(stat.session) if stat is not None else None
        if leader is None:
            return None
        run = self.driver.runs.get(leader.key)
        return run if run is not None and run.leader is leader else None

    def _apply(self, run: Run, fields: dict[str, str]) -> None:
        if "STATUS" in fields:
            run.status_text = fields["STATUS"][:STATUS_CHARS]
            self.on_status(run)
        if fields.get("WATCHDOG") == "1" and run.watchdog is None:
            run.petted_at = self.driver.clock.boot()
        elif fields.get("WATCHDOG") == "1":
            self.driver.deadlines.pet(run)
        if fields.get("WATCHDOG") == "trigger" and run.leader is not None:
            self.driver.table.kill(run.leader, run.body.watchdog_reason)
        if run.body.tells_reason and REASON.fullmatch(fields.get("OVERSTORY_REASON", "")):
            run.told_reason = fields["OVERSTORY_REASON"]
        if fields.get("RELOADING") == "1" and run.stage == MAIN:
            run.is_reloading = True
        elif fields.get("READY") == "1" and run.stage == MAIN:
            if run.is_reloading:
                self.driver.deadlines.reloaded(run)
            if isinstance(run.body.readiness, Notify):  # a probe, or its end, decides for the others
                self.driver.deadlines.mark_ready(run)


class Probes:
    """Asks the checkers helper about each starting child until a probe succeeds; one probe of a child at a time."""

    def __init__(self, loop: Loop, driver: ProcessDriver) -> None:
        self.loop, self.driver = loop, driver
        self.checkers: HelperProcess | None = None
        self.health: HealthChecks | None = None
        self._ids = itertools.count(1)
        self._asked: dict[int, Run] = {}
        self._timers: dict[Run, Timer] = {}

    def begin(self, run: Run) -> None:
        probe = run.body.probe
        if probe is not None:
            self._timers[run] = self.loop.call_later(probe.start_period_s, lambda: self._ask(run))

    def ready(self, run: Run) -> None:
        self._stop(run)
        if self.health is not None:
            self.health.begin(run)

    def end(self, run: Run) -> None:
        self._stop(run)
        if self.health is not None:
            self.health.end(run)

    def _stop(self, run: Run) -> None:
        timer = self._timers.pop(run, None)
        if timer is not None:
            timer.cancel()
        for probe_id in [probe_id for probe_id, asked in self._asked.items() if asked is run]:
            del self._asked[probe_id]
            if self.checkers is not None:
                self.checkers.send("cancel", id=probe_id)

    def helper_started(self) -> None:
        """A new checkers helper knows nothing of what its predecessor was asked."""
        lost, self._asked = list(self._asked.values()), {}
        for run in lost:
            self._again(run)

    def on_message(self, message: Message) -> None:
        """A probe's result from the helper."""
        run = self._asked.pop(message.body.get("id", 0), None) if message.op == "result" else None
        if run is None:
            return
        if message.body.get("ok"):
            self.driver.deadlines.mark_ready(run)
        else:
            run.status_text = f"{NOT_READY}{message.body.get('detail', '')}"[:STATUS_CHARS]
            self._again(run)

    def _ask(self, run: Run) -> None:
        probe = run.body.probe
        if probe is None or run.is_ready or self.driver.runs.get(run.key) is not run:
            return
        probe_id = next(self._ids)
        try:
            settings = self._settings(run, probe)
        except (LaunchError, OSError, ValueError) as error:
            run.status_text = f"{NOT_READY}{error}"[:STATUS_CHARS]
            self._again(run)
            return
        sent = self.checkers is not None and self.checkers.send("probe", id=probe_id, **settings)
        if sent:
            self._asked[probe_id] = run
            self._timers[run] = self.loop.call_later(
                probe.timeout_s + ANSWER_SLACK_S, lambda: self._unanswered(probe_id)
            )
        else:
            self._again(run)

    def _settings(self, run: Run, probe: Probe) -> dict[str, Any]:
        settings: dict[str, Any] = {"probe": probe.to_json(), "deadline_s": probe.timeout_s}
        if probe.kind == "exec":  # as the child itself would run it
            settings["cwd"] = run.body.cwd
            settings["environment"] = self.driver.plans.environment(run)
            user = run.body.user_ids()
            if user is not None:
                settings["user"] = {"uid": user.uid, "gid": user.gid, "groups": list(user.groups)}
        return settings

    def _unanswered(self, probe_id: int) -> None:
        run = self._asked.pop(probe_id, None)
        if run is not None:
            self._ask(run)

    def _again(self, run: Run) -> None:
        probe = run.body.probe
        timer = self._timers.pop(run, None)
        if timer is not None:
            timer.cancel()
        if probe is not None:
            self._timers[run] = self.loop.call_later(probe.interval_s, lambda: self._ask(run))
