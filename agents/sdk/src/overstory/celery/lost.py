"""A task whose pool child died: its message goes back at once, counted, after everything the child left behind is ended."""

import re
from typing import Any

from celery.worker.state import task_ready

from .. import channel
from . import lifecycle, names, processes
from .recovery import Recovery, Taken

_HOW = re.compile(r"(?:signal (\d+)|exitcode (\d+))")


class LostTooOften(Exception):  # noqa: N818  what a caller who waits for the result gets to read
    """The processes that ran this task died as often as they may; it is parked."""


def was_done(request: Any) -> bool:
    """Whether the child stored the task's success before it died: nothing is to run again. Celery 5.6 cannot say."""
    ask = getattr(request, "_success_was_stored", None)
    return bool(ask is not None and ask())


def bring_back(request: Any, error: BaseException) -> bool:
    """Whether the message was taken back here; else Celery goes on with it as it would without us."""
    held, task = lifecycle.held_by(request), request.task
    if held is None or not lifecycle.holder_text() or not task.acks_late or not task.reject_on_worker_lost:
        return False
    if request._already_cancelled or request._already_revoked or was_done(request):
        return False
    pid = request.worker_pid or 0
    if pid and not processes.end_below(pid):
        return False
    task_ready(request)
    request.acknowledged = True
    held.lost, held.lost_reason = True, how(error)
    broker = request.message.channel
    if held.stale or broker.connection is None:
        held.stale = True  # the channel is gone: the custodian brings it back when the broker is there again
        return True
    try:
        taken = Recovery(request.app, broker).take(held.tag, lifecycle.holder_text(), counted=True)
        broker.qos.forget(held.tag)
    except request.connection_errors:
        held.stale = True
        return True
    if taken is not None:
        tell(request.app, taken, held.lost_reason, pid=pid)
    return True


def how(error: BaseException) -> str:
    """The exit reason that billiard's words tell."""
    found = _HOW.search(str(error))
    if found is None:
        return "lost"
    return f"signal({found[1]})" if found[1] else f"exit({found[2]})"


def tell(app: Any, taken: Taken, reason: str, *, pid: int = 0, known_s: float | None = None) -> None:
    """`task.lost`, then what became of it; who waits for the result of a parked one is answered.

    `lost` counts the attempts before the one that is spoken of.
    """
    body = names.publication(taken.headers) | {
        "id": taken.task_id, "name": taken.name, "app": names.app_name(app), "attempt": taken.attempt,
        "retries": taken.retries, "lost": taken.lost - 1, "holder": taken.holder, "pid": pid,
        "worker": taken.headers.get("origin"),
        "queue": taken.queue, "at": lifecycle.now(), "published_at": taken.published_at,
        "root_id": taken.headers.get("root_id"), "parent_id": taken.headers.get("parent_id"),
    }  # fmt: skip
    ours = channel.default()
    lifecycle.STARTS.tell_older(0.0)
    ours.event("task.lost", body | {"reason": reason, "known_s": known_s})
    if taken.fate == "return":
        ours.event("task.returned", body | {"attempt": taken.attempt + 1, "lost": taken.lost})
        return
    ours.event("task.parked", body | {"reason": reason, "bound": taken.lost})
    if not taken.headers.get("ignore_result"):
        app.backend.mark_as_failure(taken.task_id, LostTooOften(f"lost {taken.lost} times, and parked"))
