"""What is told of each task, in the words of docs/celery.md, from the worker's main process."""

import json
import os
import time
import traceback
from typing import Any

from .. import channel
from . import names
from .held import HELD, Held, Stage
from .holder import Holder
from .starts import Starts

MESSAGE_CHARS = 1000
TRACEBACK_CHARS = 16 * 1024


STARTS = Starts(lambda body: channel.default().event("task.started", body))


def now() -> float:
    return time.time()


def holder_text() -> str:
    found = Holder.of_this_process()
    return "" if found is None else str(found)


def of_request(request: Any) -> dict[str, Any]:
    """The fields that every event of a task has."""
    headers = request.request_dict
    carried = names.ours(headers)
    return (
        names.publication(headers)
        | names.of_beat(headers)
        | {
            "id": request.id,
            "name": request.type,
            "app": names.app_name(request.app),
            "attempt": names.attempt(headers),
            "retries": int(headers.get("retries") or 0),
            "lost": int(carried.get("lost") or 0),
            "holder": holder_text(),
            "pid": request.worker_pid or os.getpid(),
            "worker": request.hostname,
            "queue": request.delivery_info.get("routing_key"),
            "at": now(),
            "published_at": carried.get("at"),
            "root_id": request.root_id,
            "parent_id": request.parent_id,
        }
    )


def held_by(request: Any) -> Held | None:
    return HELD.get(request.message.delivery_tag)


def started(request: Any) -> None:
    """A pool process took it."""
    held = held_by(request)
    if held is not None:
        held.stage, held.pid = Stage.RUNNING, request.worker_pid or 0
    if names.publication(request.request_dict):
        return  # the control plane gave it its epoch
    STARTS.begun(of_request(request) | {"redelivered": bool(request.delivery_info.get("redelivered"))})


def ended(
    request: Any, state: str, reason: str, error: BaseException | None = None, trace: str | None = None
) -> None:
    """It will not run again. To be called before the broker is told: the outcome rides with the acknowledgement."""
    body = of_request(request) | {
        "state": state,
        "reason": reason,
        **_words(error, trace),
        "started_at": request.time_start,
        "run_s": None if request.time_start is None else round(time.time() - request.time_start, 6),
    }
    STARTS.ended(body)
    held = held_by(request)
    if held is not None:
        held.stage, held.final = Stage.ENDED, True
    ours = channel.default()
    # It rides with the acknowledgement too: should we be killed before it is sent, others tell it.
    if ours.event("task.ended", body, can_wait=held is not None) and held is not None:
        held.outcome_field = f"{body['id']}/{body['attempt']}"
        held.outcome = json.dumps(body)
        held.mark = ours.mark()


def retried(request: Any, info: Any) -> None:
    """It raised Retry and is published again."""
    held = held_by(request)
    if held is not None:
        held.stage = Stage.ENDED
    error = info.exception
    cause = getattr(error, "exc", None)
    when: Any = getattr(error, "when", None)
    body = of_request(request) | {
        "reason": exception_reason(cause) if cause is not None else "exception(Retry)",
        **_words(cause or error, info.traceback),
        "eta": when.isoformat() if hasattr(when, "isoformat") else when,
        "started_at": request.time_start,
    }
    STARTS.ended(body)
    channel.default().event("task.retried", body)


def exception_reason(error: BaseException | None) -> str:
    """The vocabulary's `exception(type)`."""
    return f"exception({type(error).__name__})"


def _words(error: BaseException | None, trace: str | None) -> dict[str, Any]:
    if error is None:
        return {"message": None, "traceback": None}
    text = trace or "".join(traceback.format_exception(error))
    return {"message": str(error)[:MESSAGE_CHARS], "traceback": str(text)[-TRACEBACK_CHARS:]}
