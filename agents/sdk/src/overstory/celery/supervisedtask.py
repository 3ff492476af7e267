"""Supervised tasks: run only under a supervisor, each attempt under an epoch of its own.

    from overstory.celery import SupervisedTask, supervised

    @supervised(app, restart="transient", intensity=3, period=5, timeout=30)
    def charge(order): ...                     # or: @app.task(base=SupervisedTask, timeout=30)

`restart` is OTP's: `permanent` is always run again, `transient` (the default) after an abnormal end, `temporary` never; more
than `intensity` restarts of the name in `period` seconds park what fails next. A task that knows side effects uses
`attempt()`: its `id` is the same in every attempt and so an idempotency key; its `epoch` only grows and so a fencing token.

Before the function runs the control plane gives the attempt its epoch, or says that there is nothing to run: it was revoked,
it has ended, the message is a copy. Its end counts only under that epoch; one that comes too late is refused. A store that
is away is waited for before the attempt, and does not lose its end: the node keeps that.
"""

import contextlib
import contextvars
import dataclasses
import json
import logging
import os
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.worker.request import Request

from .. import channel
from ..errors import NotSupervised, Refused, Unavailable
from . import processes, runclock
from .holder import Holder
from .names import PUBLICATION
from .taskerrors import NotUnderSupervisor, PoolCannotKill, ResultNotJson

logger = logging.getLogger("overstory.celery")

MAX_RESULT_BYTES = 64 * 1024
TRACEBACK_CHARS, MESSAGE_CHARS = 16 * 1024, 1000
WAIT_FOR_STORE_S = 60.0
"""So long an attempt waits for its epoch; then its message goes back into the queue."""
AGAIN_S = 0.5
FLUSH_S = 2.0

_publishing: contextvars.ContextVar[bool] = contextvars.ContextVar("overstory_publishing", default=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a running task may know of itself. `id`: idempotency key; `epoch`: fencing token; `number`: from 1."""

    id: str
    number: int
    epoch: int


_attempt: contextvars.ContextVar[Attempt | None] = contextvars.ContextVar("overstory_attempt", default=None)


def attempt() -> Attempt:
    """Of the supervised task that runs here. Raises NotSupervised elsewhere."""
    found = _attempt.get()
    if found is None:
        raise NotSupervised("no supervised task runs here")
    return found


@contextlib.contextmanager
def publishing() -> Iterator[None]:
    """Within it a supervised task may be put into the broker: its row is committed."""
    token = _publishing.set(True)
    try:
        yield
    finally:
        _publishing.reset(token)


class SupervisedRequest(Request):  # type: ignore[misc]  # celery has no types
    """In the worker's main process: what runs past its time ends with everything below it."""

    timeout_is_of_the_function = True

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        pid = self.worker_pid
        answer = super().on_timeout(soft, timeout)
        if not soft and pid:
            threading.Thread(
                target=_end_below, args=(pid,), name="overstory-timeout", daemon=True
            ).start()  # audit: ignore[SUP101] ends within 5 s
        return answer


def _end_below(pid: int) -> None:
    """Wait for the pool to kill the process, then end what it left behind."""
    until = time.monotonic() + 5.0
    while processes.stat_of(pid) is not None and time.monotonic() < until:
        time.sleep(0.01)
    processes.end_below(pid)


class SupervisedTask(Task):  # type: ignore[misc]  # celery has no types
    """Base of supervised tasks; see the module's docstring for the policy.

    max_lost  attempts that may end with a dead worker before the task is parked
    backoff   {initial, factor, cap, jitter, reset_after} of the waits between restarts; None: at once
    budget    restarts as a part of starts, over a minute, past which nothing of this name is run again; 1.0: no bound
    """

    abstract = True
    Request = SupervisedRequest
    acks_late = True
    reject_on_worker_lost = True
    track_started = False
    ignore_result = True
    restart = "transient"
    intensity = 3
    period = 5.0
    timeout: float | None = None
    max_lost = 5
    backoff: dict[str, float] | None = {
        "initial": 0.2, "factor": 2.0, "cap": 30.0, "jitter": 0.5, "reset_after": 60.0,
    }  # fmt: skip
    budget = 1.0

    def policy(self) -> dict[str, Any]:
        """As it is kept with each task that is started. Any: JSON."""
        return {
            "restart": self.restart, "intensity": self.intensity, "period": self.period, "max_lost": self.max_lost,
            "backoff": self.backoff, "budget": self.budget, "timeout_s": self.timeout,
        }  # fmt: skip

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Raises NotUnderSupervisor; a TaskSupervisor is the only one who may."""
        if not _publishing.get():
            raise NotUnderSupervisor(self.name)
        return super().apply_async(*args, **kwargs)

    def apply(self, *args: Any, **kwargs: Any) -> Any:
        raise NotUnderSupervisor(self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Called as a function it is one; run by a worker it is an attempt."""
        if self.request.called_directly:
            return self.run(*args, **kwargs)
        publication = getattr(self.request, PUBLICATION, None)
        if publication is None:
            raise NotUnderSupervisor(self.name)
        mine = _begin(self.request.id, int(publication))
        token = _attempt.set(mine)
        began = time.monotonic()
        try:
            if self.timeout_of_request and not _in_pool_child():
                raise PoolCannotKill(str(PoolCannotKill.__doc__))
            with runclock.running():
                value = self.run(*args, **kwargs)
            result = _storable(value)
        except BaseException as error:
            if not isinstance(error, Exception):
                raise  # the process ends: its worker tells
            _end(self.app, mine, _failed(error), began)
            raise
        finally:
            _attempt.reset(token)
        _end(self.app, mine, {"outcome": "done", "reason": "normal", "result": result}, began)
        return value

    @property
    def timeout_of_request(self) -> float | None:
        """Celery's hard limit of the message that runs."""
        limits = self.request.timelimit or (None, None)
        return limits[0] or None


def supervised(app: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`app.task` with SupervisedTask as its base; `options` are those of the class, and Celery's."""

    def decorate(function: Callable[..., Any]) -> Any:
        return app.task(base=SupervisedTask, **options)(function)

    return decorate


def _in_pool_child() -> bool:
    """Whether this process can be killed without its worker: only prefork's children can."""
    return os.environ.get(processes.MARK) == str(os.getpid())


def _holder() -> str:
    found = Holder.of_this_process()
    if found is None:
        raise NotSupervised("this worker does not run under Overstory")
    return str(dataclasses.replace(found, pid=os.getppid()) if _in_pool_child() else found)


def _begin(task_id: str, publication: int) -> Attempt:
    """Raises Ignore for what must not run, Reject when nobody could say."""
    body = {
        "id": task_id,
        "publication": publication,
        "holder": _holder(),
        "pid": os.getpid(),
        "token": uuid.uuid4().hex,
    }
    until = time.monotonic() + WAIT_FOR_STORE_S
    while True:
        try:
            answer = channel.default().ask("task.begin", body)
            break
        except Unavailable as error:
            if time.monotonic() >= until:
                raise Reject(f"{error.code}: {error}", requeue=True) from error
            time.sleep(AGAIN_S)
    if not answer.get("run"):
        logger.info("overstory: task %s does not run: %s", task_id, answer.get("why"))
        raise Ignore(str(answer.get("why")))
    return Attempt(task_id, int(answer["attempt"]), int(answer["epoch"]))


def _failed(error: Exception) -> dict[str, Any]:
    reason = f"exception({type(error).__name__})"
    if isinstance(error, SoftTimeLimitExceeded):
        reason = "timeout"
    text = "".join(traceback.format_exception(error))
    return {
        "outcome": "failed", "reason": reason, "message": str(error)[:MESSAGE_CHARS],
        "traceback": text[-TRACEBACK_CHARS:],
    }  # fmt: skip


def _storable(value: Any) -> Any:
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ResultNotJson(f"the task answered what JSON cannot say: {error}") from error
    if size > MAX_RESULT_BYTES:
        raise ResultNotJson(f"the task answered {size} bytes of JSON, {MAX_RESULT_BYTES} are kept")
    return value


def _end(app: Any, mine: Attempt, ending: dict[str, Any], began: float) -> None:
    """Tell how it ended. Raises Ignore where that does not count: somebody else runs the task, or it is not wanted."""
    body = {"id": mine.id, "epoch": mine.epoch, "run_s": round(time.monotonic() - began, 6), **ending}
    try:
        answer = channel.default().ask("task.end", body)
    except Unavailable:
        channel.default().event("task.settled", body)
        channel.default().flush(FLUSH_S)
        return
    except Refused as error:
        logger.error("overstory: the end of task %s was refused: %s", mine.id, error)
        return
    if not answer.get("accepted"):
        logger.warning("overstory: the end of task %s does not count: %s", mine.id, answer.get("why"))
        raise Ignore(str(answer.get("why")))
    message = answer.get("publish")
    if message:
        from .calls import publish

        publish(app, message)
