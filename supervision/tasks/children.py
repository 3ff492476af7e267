"""Tasks that are children of a tree: each start of the child is an attempt of one and the same task.

The id follows from the child's key and from what the task is, so every life of the child has the same one: an idempotency
key. A start that finds an attempt still running asks for its end first, and waits: two lives never run at once, as far as
anybody can see the worker. Where its worker is silent the attempt is over for us, and its end is refused by its epoch. Who
restarts it is the tree's supervisor: the row's own policy is `temporary`, so a dead worker ends the attempt, and the child.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from supervision.tasks.attempts import Ending, settle
from supervision.tasks.exceptions import TaskError
from supervision.tasks.filing import file_parked
from supervision.tasks.models import MAX_KEY, TaskRun, TaskWorker
from supervision.tasks.starting import PUBLISH_WITHIN, Start, start_runs
from supervision.tasks.states import Outcome, RunState
from supervision.trees.models import Placement

NAMESPACE = uuid.UUID("6d6b8e2f-6a6c-4f43-9a4f-5d3f3f8a6d11")
SILENT = timedelta(seconds=15)
"""A worker that told nothing for so long is not waited for."""
BY_RESTART = "its child was started again"


@dataclass(frozen=True, slots=True)
class ChildTask:
    """What a child is. `spec`: args, kwargs, timeout_s, priority, max_lost. Any: JSON."""

    key: str
    node_id: str
    name: str
    app: str
    queue: str
    digest: str
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """`wait`: ask again, an attempt is being ended; `parked`: it is not started any more, for this reason."""

    id: str
    publication: int = 0
    wait: bool = False
    parked: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "publication": self.publication, "wait": self.wait, "parked": self.parked}


def id_of(task: ChildTask) -> str:
    """The same for every life; another one on each node where the tree runs on several at once."""
    tree = task.key.partition("/")[0]
    several = Placement.objects.filter(tree__name=tree).values("node_id").distinct().count() > 1
    place = task.node_id if several else ""
    return str(uuid.uuid5(NAMESPACE, f"{place}/{task.key}/{task.digest}"))


@transaction.atomic
def start_child_task(*, task: ChildTask, now: datetime) -> ChildStarted:
    """Commit the next attempt; who asked publishes it next. Raises TaskError, PoolCannotKillError."""
    if not 0 < len(task.key) <= MAX_KEY:
        raise TaskError("a task of a tree has the key of its child")
    run_id = id_of(task)
    spec = {**task.spec, "restart": "temporary", "backoff": None}
    run = TaskRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        start = Start(run_id, task.name, task.app, queue=task.queue, key=task.key, spec=spec)
        [made] = start_runs(starts=[start], node_id=task.node_id, now=now)
        return ChildStarted(made.pk, made.publication)
    if run.state == RunState.RUNNING and not _end_running(run, now):
        return ChildStarted(run.pk, wait=True)
    if run.lost >= int(spec.get("max_lost", 5)):
        return ChildStarted(run.pk, parked=_park(run, now))
    _again(run, task, spec, now)
    return ChildStarted(run.pk, run.publication)


def _end_running(run: TaskRun, now: datetime) -> bool:
    """Whether nothing of it runs any more as far as we go: else its worker is told to kill it."""
    alive = TaskWorker.objects.filter(holder=run.holder, seen_at__gt=now - SILENT).exists()
    attempt = run.attempts.filter(number=run.attempt, outcome=Outcome.RUNNING).first()
    if alive and attempt is not None:
        if run.revoke_requested_at is None:
            run.revoke_requested_at, run.revoked_by, run.changed_at = now, BY_RESTART, now
            run.save(update_fields=["revoke_requested_at", "revoked_by", "changed_at"])
        return False
    if attempt is not None:
        settle(run, attempt, Ending(Outcome.LOST, "lost", "its worker is silent"), now)
    return True


def _park(run: TaskRun, now: datetime) -> str:
    why = f"{run.lost} attempts ended with a dead worker"
    if run.state != RunState.PARKED:
        run.state, run.ended_at, run.changed_at = RunState.PARKED, run.ended_at or now, now
        run.message, run.due_at = why, None
        run.save(update_fields=["state", "ended_at", "changed_at", "message", "due_at"])
        file_parked(run, now)
    return why


def _again(run: TaskRun, task: ChildTask, spec: Mapping[str, Any], now: datetime) -> None:
    """Back into its queue as the next publication: older copies of its message do not begin any more."""
    run.publication += 1  # audit: ignore[SUP701] the caller holds the lock
    run.name, run.app, run.queue, run.spec = task.name, task.app, task.queue, dict(spec)
    run.state, run.ended_at, run.result = RunState.QUEUED, None, None
    run.reason = run.message = run.traceback = run.revoked_by = ""
    run.revoke_requested_at = run.claimed_until = run.published_at = None
    run.due_at, run.changed_at, run.node_id = now + PUBLISH_WITHIN, now, task.node_id
    run.save()


def state_of(run_id: str) -> dict[str, Any]:
    """What the process that stands for a task is told of it. Any: JSON."""
    row = (
        TaskRun.objects.filter(pk=run_id)
        .values("state", "attempt", "epoch", "holder", "pid", "reason", "message", "publication")
        .first()
    )
    return dict(row) if row is not None else {"state": "unknown"}
