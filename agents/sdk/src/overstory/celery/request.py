"""What a worker does with one task, told as it happens; and the task of a dead pool child, brought back with its count.

Celery builds a request class for each task, out of the task's own (`create_request_cls`). We put ours in front of that one,
whatever it is, so a user's own request class stays.
"""

import functools
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry
from celery.worker import state, strategy

from . import lifecycle, lost


class Watching:
    """Before Celery's request class; each method tells first and leaves the work to Celery."""

    __slots__ = ()

    def on_accepted(self: Any, pid: int, time_accepted: float) -> None:
        self.worker_pid = pid
        super().on_accepted(pid, time_accepted)  # type: ignore[misc]  # Celery's
        lifecycle.started(self)

    def on_success(self: Any, failed__retval__runtime: Any, **kwargs: Any) -> Any:
        if not failed__retval__runtime[0]:
            lifecycle.ended(self, "done", "normal")
        return super().on_success(failed__retval__runtime, **kwargs)  # type: ignore[misc]

    def on_failure(self: Any, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError | SystemExit | KeyboardInterrupt) and lost.bring_back(
            self, error
        ):
            return None
        if isinstance(error, Ignore) or (isinstance(error, WorkerLostError) and lost.was_done(self)):
            lifecycle.ended(self, "done", "normal")
        elif isinstance(error, Reject):
            if not error.requeue:
                lifecycle.ended(self, "failed", lifecycle.exception_reason(error), error)
        elif not isinstance(error, Terminated | Retry):
            reason = _reason(error)
            lifecycle.ended(self, "failed", reason, error, str(exc_info.traceback))
        return super().on_failure(exc_info, send_failed_event, return_ok)  # type: ignore[misc]

    def on_retry(self: Any, exc_info: Any) -> Any:
        lifecycle.retried(self, exc_info)
        return super().on_retry(exc_info)  # type: ignore[misc]

    def on_timeout(self: Any, soft: bool, timeout: float) -> Any:
        if not soft and not state.should_terminate:
            lifecycle.ended(self, "failed", "timeout", TimeLimitExceeded(timeout))
        return super().on_timeout(soft, timeout)  # type: ignore[misc]

    def _announce_revoked(self: Any, reason: str, terminated: bool, signum: Any, expired: bool) -> Any:
        lifecycle.ended(self, "revoked", "shutdown" if not expired else "timeout")
        return super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]


def _reason(error: BaseException) -> str:
    if isinstance(error, WorkerLostError):
        return "lost"
    if isinstance(error, TimeLimitExceeded):
        return "timeout"
    return lifecycle.exception_reason(error)


def install() -> None:
    """Put `Watching` before every request class that Celery makes from here on."""
    made_by_celery = strategy.create_request_cls

    @functools.wraps(made_by_celery)
    def create(*args: Any, **kwargs: Any) -> Any:
        made = made_by_celery(*args, **kwargs)
        return type("Request", (Watching, made), {"__slots__": ()})

    strategy.create_request_cls = create
