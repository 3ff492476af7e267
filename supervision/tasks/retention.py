"""How long tasks are kept: rows that ended go by age, a bounded part at a time; what is open stays."""

from datetime import datetime, timedelta

from django.db.models import Model, QuerySet

from supervision.tasks.models import RequestState, TaskQueue, TaskRun, TaskWorker, WorkerRequest
from supervision.tasks.states import DEAD_LETTERS, ENDED, RunState

DONE_KEPT = timedelta(days=7)
DEAD_LETTERS_KEPT = timedelta(days=30)
SILENT_KEPT = timedelta(days=30)
"""A plain task that was told of as running and never again: its node is gone for good."""
WORKERS_KEPT = timedelta(days=1)
QUEUES_KEPT = timedelta(days=1)
REQUESTS_KEPT = timedelta(days=7)
AT_ONCE = 20_000


def drop_old(now: datetime) -> int:
    """Remove what is too old; how many runs, their attempts with them."""
    dead = sorted(DEAD_LETTERS)
    ended = sorted(ENDED - DEAD_LETTERS)
    dropped = _drop(
        TaskRun.objects.filter(state__in=ended, ended_at__lt=now - DONE_KEPT).order_by("ended_at")
    )
    dropped += _drop(
        TaskRun.objects.filter(state__in=dead, ended_at__lt=now - DEAD_LETTERS_KEPT).order_by("ended_at")
    )
    dropped += _drop(
        TaskRun.objects.filter(
            state__in=[RunState.RUNNING, RunState.RETRYING, RunState.QUEUED], supervisor="", key="",
            changed_at__lt=now - SILENT_KEPT,
        ).order_by("changed_at")
    )  # fmt: skip
    _drop(TaskWorker.objects.filter(seen_at__lt=now - WORKERS_KEPT).order_by("seen_at"))
    _drop(TaskQueue.objects.filter(seen_at__lt=now - QUEUES_KEPT).order_by("seen_at"))
    answered = [RequestState.DONE, RequestState.FAILED]
    _drop(
        WorkerRequest.objects.filter(state__in=answered, created_at__lt=now - REQUESTS_KEPT).order_by(
            "created_at"
        )
    )
    return dropped


def _drop(rows: QuerySet[Model]) -> int:
    """The first of them in their order; their count, not that of what went with them."""
    keys = list(rows.values_list("pk", flat=True)[:AT_ONCE])
    rows.model._default_manager.filter(pk__in=keys).delete()
    return len(keys)
