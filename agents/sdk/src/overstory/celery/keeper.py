"""The process that stands for a task in a tree: its start publishes the task, its end is the task's end.

It is ready while a worker runs the task. The task's outcome becomes its own: exit 0 for a task that ended well, else the
reason is said to the node before the exit. Asked to stop it revokes the task, which its worker kills, and ends when that is
done. What it knows of the task are rows, asked for; a store that is away is waited for, and the task goes on meanwhile.
"""

import contextlib
import hashlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from celery.app.utils import find_app

from .. import channel, notify
from ..errors import OverstoryError, Refused, Unavailable
from . import supervise
from .calls import give_up, publish, queue_of
from .names import app_name
from .supervisedtask import SupervisedTask

LEAST_S, MOST_S = 0.05, 0.5
"""Between two questions: shorter while something is about to happen."""
ENDED = frozenset({"done", "failed", "parked", "revoked"})


class NotStartedError(Exception):
    """Nothing runs, for this reason."""


def main(argv: Sequence[str]) -> int:
    """The exit status. `argv`: the application, as `celery -A` takes it."""
    app = find_app(argv[0])
    supervise(app)
    order = json.loads(os.environ["OVERSTORY_TASK"])
    order["args"] = json.loads(os.environ.get("OVERSTORY_TASK_ARGS", "[]"))
    order["kwargs"] = json.loads(os.environ.get("OVERSTORY_TASK_KWARGS", "{}"))
    keeper = Keeper(app, order)
    signal.signal(signal.SIGTERM, keeper.ask_to_stop)
    signal.signal(signal.SIGINT, keeper.ask_to_stop)
    return say(keeper.run())


def say(reason: str) -> int:
    """Tell the node why we end; it has read that when we do."""
    channel.default().flush(2.0)
    if reason == "normal":
        return 0
    notify.send(f"OVERSTORY_REASON={' '.join(reason.split())[:250]}")
    notify.barrier()
    return 0 if reason == "shutdown" else 1


class Keeper:
    """Of one life of the child."""

    def __init__(self, app: Any, order: Mapping[str, Any]) -> None:
        self._app, self._order = app, order
        self._stops = False
        self._is_ready = False
        self._has_watchdog = notify.watchdog_s() > 0
        self._began = time.monotonic()

    def ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops = True

    def run(self) -> str:
        """The reason of the end."""
        try:
            started = self._start()
        except NotStartedError as error:
            return f"start_failed({error})"
        if started is None:
            return "shutdown"
        return self._follow(started)

    # -- the start --------------------------------------------------------------------------------------------------

    def _start(self) -> str | None:
        """Commit and publish; the task's id, or None when we were asked to stop before. Raises NotStartedError."""
        body = self._asked_for()
        while not self._stops:
            try:
                answer = channel.default().ask("task.start_child", body)
            except Unavailable:
                notify.status("waits for the store")
                self._rest(MOST_S)
                continue
            except Refused as error:
                raise NotStartedError(error.message) from None
            if answer.get("parked"):
                raise NotStartedError(f"parked: {answer['parked']}")
            if answer.get("wait"):
                notify.status("an earlier attempt is being ended")
                self._rest(LEAST_S * 2)
                continue
            self._publish(str(answer["id"]), int(answer["publication"]), body)
            return str(answer["id"])
        return None

    def _asked_for(self) -> dict[str, Any]:
        """What the child is. Raises NotStartedError for a task that cannot be supervised."""
        order = self._order
        name = str(order["task"])
        task = self._app.tasks.get(name)
        if task is None:
            raise NotStartedError(f"the application has no task {name}")
        if not isinstance(task, SupervisedTask):
            raise NotStartedError(f"{name} is no supervised task: write @supervised or base=SupervisedTask")
        timeout = order.get("timeout") or task.timeout
        spec = {
            "args": order["args"], "kwargs": order["kwargs"], "timeout_s": timeout, "priority": order.get("priority"),
            "max_lost": order.get("max_attempts", 5),
        }  # fmt: skip
        options = {**task._get_exec_options(), **({"queue": order["queue"]} if order.get("queue") else {})}
        queue = queue_of(self._app, task, options)
        what = json.dumps([name, order["args"], order["kwargs"]], sort_keys=True)
        return {
            "name": name, "app": app_name(self._app), "queue": queue, "spec": spec,
            "digest": hashlib.sha256(what.encode()).hexdigest(),
        }  # fmt: skip

    def _publish(self, task_id: str, publication: int, body: Mapping[str, Any]) -> None:
        """Where the broker is away a worker of the application publishes it later."""
        message = {"id": task_id, "publication": publication, **body}
        with contextlib.suppress(Exception):  # whatever the broker's client raises: the row is due
            publish(self._app, message)
        notify.status(f"task {task_id} waits in {body['queue']}")

    # -- until it ends ----------------------------------------------------------------------------------------------

    def _follow(self, task_id: str) -> str:
        revoked, wait_s = False, LEAST_S
        while True:
            if self._stops and not revoked:
                revoked, wait_s = self._revoke(task_id), LEAST_S
            row = self._row(task_id)
            if row is not None and row["state"] in ENDED:
                return self._reason(row, revoked=revoked)
            if row is not None and row["state"] == "unknown":
                return "lost"
            if row is not None and row["state"] == "running" and not self._is_ready:
                self._is_ready = True
                notify.ready(f"task {task_id}, attempt {row['attempt']}, runs in process {row['pid']}")
            if not self._is_ready and not self._stops and self._is_late():
                self._give_up(task_id)
            self._rest(wait_s)
            wait_s = min(MOST_S, wait_s * 1.3)

    def _row(self, task_id: str) -> dict[str, Any] | None:
        try:
            return channel.default().ask("task.state", {"id": task_id})
        except OverstoryError:
            return None  # the row is there when the store is

    def _revoke(self, task_id: str) -> bool:
        try:
            channel.default().ask("task.withdraw", {"ids": [task_id], "by": "its child was stopped"})
        except OverstoryError:
            return False
        return True

    def _is_late(self) -> bool:
        within = self._order.get("start_within")
        return within is not None and time.monotonic() - self._began > float(within)

    def _give_up(self, task_id: str) -> None:
        """No worker took it in time. One that begins it in this very moment keeps it."""
        with contextlib.suppress(OverstoryError):
            give_up([task_id], float(self._order["start_within"]))

    @staticmethod
    def _reason(row: Mapping[str, Any], *, revoked: bool) -> str:
        state = str(row["state"])
        if state == "done":
            return "normal"
        if state == "revoked" or revoked:
            return "shutdown"
        return str(row.get("reason") or "lost")

    def _rest(self, seconds: float) -> None:
        """A signal ends the wait early. A watchdog hears of us, if the tree wants one."""
        if self._has_watchdog:
            notify.alive()
        until = time.monotonic() + seconds
        while not self._stops and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        if self._stops:
            time.sleep(LEAST_S)
