"""Supervised tasks as calls: committed by question, then published; their outcomes are asked for, from rows.

Who publishes may die before it has: the row is due then, and a worker of the application publishes it. So a task that was
started is run, and the same id never becomes two tasks.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .. import channel
from ..errors import Refused, Unavailable
from .names import PUBLICATION, SUPERVISOR, app_name
from .outcome import Outcome, of_row
from .supervisedtask import publishing
from .taskerrors import PoolCannotKill, PoolFull
from .transporting import Call

logger = logging.getLogger("overstory.celery")

LEAST_S, MOST_S = 0.01, 0.1
"""Between two questions for outcomes: shorter while there are some."""
ASKED_AT_ONCE = 500
START_WITHIN_S = 5.0
"""A start that is not committed by then fails by name."""
AGAIN_S = 0.2
NAMED: Mapping[str, type[Exception]] = {"pool_cannot_kill": PoolCannotKill, "pool_full": PoolFull}


def start_of(app: Any, call: Call, supervisor: str, **more: Any) -> dict[str, Any]:
    """What is asked for one call. Any: JSON; `more` changes the policy of the task."""
    task = call.task
    options = task._get_exec_options()
    spec = {**task.policy(), **more, "args": list(call.args), "kwargs": dict(call.kwargs)}
    if call.timeout_s is not None:
        spec["timeout_s"] = call.timeout_s
    return {
        "id": call.id, "name": task.name, "app": app_name(app), "supervisor": supervisor,
        "queue": queue_of(app, task, options), "spec": spec,
    }  # fmt: skip


def queue_of(app: Any, task: Any, options: Mapping[str, Any]) -> str:
    """Where Celery would route it."""
    if options.get("queue"):
        return str(options["queue"])
    found = app.amqp.router.route(dict(options), task.name).get("queue")
    return str(getattr(found, "name", found) or app.conf.task_default_queue)


def ask(kind: str, body: Mapping[str, Any], timeout_s: float = START_WITHIN_S) -> dict[str, Any]:
    """A question whose refusals have names of their own here."""
    try:
        return channel.default().ask(kind, body, timeout_s)
    except Refused as error:
        named = NAMED.get(error.code)
        if named is not None:
            raise named(error.message) from error
        raise


def _commit(starts: Sequence[Mapping[str, Any]]) -> None:
    """Asked again, with the same ids, where the answer was lost on its way; for START_WITHIN_S in all."""
    until = time.monotonic() + START_WITHIN_S
    while True:
        left = until - time.monotonic()
        try:
            ask("task.start", {"starts": starts}, left)
            return
        except Unavailable:
            if until - time.monotonic() < AGAIN_S:
                raise
            time.sleep(AGAIN_S)


def publish(app: Any, message: Mapping[str, Any]) -> None:
    """Put one committed task into the broker, and tell that it is there. `message`: as the control plane says it."""
    _put(app, message)
    channel.default().event("task.published", {"id": message["id"], "publication": message["publication"]})


def _put(app: Any, message: Mapping[str, Any]) -> None:
    spec = message["spec"]
    options: dict[str, Any] = {
        "task_id": message["id"],
        "headers": {PUBLICATION: message["publication"], SUPERVISOR: message.get("supervisor", "")},
    }
    if message.get("queue"):
        options["queue"] = message["queue"]
    if spec.get("timeout_s"):
        options["time_limit"] = spec["timeout_s"]
    if spec.get("priority") is not None:
        options["priority"] = spec["priority"]
    task = app.tasks.get(message["name"])
    args, kwargs = spec.get("args") or [], spec.get("kwargs") or {}
    with publishing():
        if task is None:
            app.send_task(message["name"], args=args, kwargs=kwargs, **options)
        else:
            task.apply_async(args=args, kwargs=kwargs, **options)


def give_up(ids: Collection[str], within_s: float) -> None:
    """Those of them that no worker has begun are given up."""
    words = f"no worker took it within {within_s:g} s"
    ask("task.give_up", {"ids": list(ids), "reason": f"start_failed({words})", "message": words})


class CeleryTransport:
    """Runs calls in the workers of `app`, for the supervisor of that name."""

    def __init__(self, app: Any, supervisor: str, **policy: Any) -> None:
        self._app, self._supervisor, self._policy = app, supervisor, policy
        self._wait_s = LEAST_S

    def start(self, calls: Sequence[Call]) -> None:
        """Raises what the channel raises, `store_unavailable` among it, within 5 s; then nothing was started that runs."""
        starts = [start_of(self._app, call, self._supervisor, **self._policy) for call in calls]
        _commit(starts)
        told: dict[str, int] = {}
        for start in starts:
            try:
                _put(self._app, {**start, "publication": 1})
            except Exception as error:  # noqa: BLE001  whatever the broker's client raises: the row is due, a worker publishes
                logger.warning("overstory: task %s is not published yet: %r", start["id"], error)
                continue
            told[start["id"]] = 1
        if told:
            channel.default().event("task.published", {"ids": told})
        self._wait_s = LEAST_S

    def outcomes(self, ids: Collection[str], wait_s: float) -> dict[str, Outcome]:
        until = time.monotonic() + wait_s
        wanted = list(ids)[:ASKED_AT_ONCE]
        while True:
            found = self._ask(wanted)
            if found:
                self._wait_s = LEAST_S
                return found
            left = until - time.monotonic()
            if left <= 0:
                return {}
            time.sleep(min(left, self._wait_s))
            self._wait_s = min(MOST_S, self._wait_s * 1.5)

    @staticmethod
    def _ask(ids: Sequence[str]) -> dict[str, Outcome]:
        try:
            answer = channel.default().ask("task.outcomes", {"ids": list(ids)})
        except Unavailable:
            return {}  # the rows are there when the store is
        return {str(each): of_row(row) for each, row in answer.get("ended", {}).items()}

    def give_up(self, ids: Collection[str], within_s: float) -> None:
        give_up(ids, within_s)

    def withdraw(self, ids: Collection[str]) -> None:
        ask("task.withdraw", {"ids": list(ids), "by": self._supervisor})
