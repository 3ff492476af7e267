"""What an operator does with tasks and queues. Each is one transaction with its audit entry."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.tasks.exceptions import NoSuchTaskError, TaskStateError
from supervision.tasks.models import RequestKind, TaskRun, WorkerRequest
from supervision.tasks.states import DEAD_LETTERS, RunState, is_ended

ANSWER_WITHIN = timedelta(seconds=15)
MOST_AT_ONCE = 1000


@auditlog.audited()
def revoke_run(*, run_id: str, actor: Actor, reason: str, now: datetime) -> TaskRun:
    """Nobody wants the task any more: what waits never begins, what runs is killed by its worker.

    Raises NoSuchTaskError; TaskStateError when it has ended.
    """
    run = _locked(run_id)
    _revoke(run, by=actor.name, now=now)
    auditlog.record(
        actor=actor,
        action="task.revoke",
        target=run.pk,
        tree=run.tree,
        reason=reason,
        details={"name": run.name},
    )
    return run


@transaction.atomic
def withdraw_run(*, run_id: str, by: str, now: datetime) -> str:
    """Its own starter does not want it any more (a stream's item that is too late, a child that is stopped); its state."""
    run = TaskRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        return "unknown"
    if not is_ended(run.state):
        _revoke(run, by=by, now=now)
    return run.state


@transaction.atomic
def give_up_run(*, run_id: str, reason: str, message: str, now: datetime) -> bool:
    """Its own starter waits no longer for a worker to begin it: it has failed. Whether it had not begun."""
    run = TaskRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None or is_ended(run.state) or run.state == RunState.RUNNING or not run.is_supervised:
        return False
    run.state, run.ended_at, run.changed_at, run.due_at = RunState.FAILED, now, now, None
    run.reason, run.message = reason[:300], message[:1000]
    run.save(update_fields=["state", "ended_at", "changed_at", "due_at", "reason", "message"])
    return True


def _revoke(run: TaskRun, *, by: str, now: datetime) -> None:
    if is_ended(run.state):
        raise TaskStateError(f"the task has ended: it is {run.state}")
    run.revoke_requested_at = run.revoke_requested_at or now
    run.revoked_by, run.changed_at = by[:200], now
    if run.state != RunState.RUNNING and run.is_supervised:
        # Its message may still be in the broker: whoever takes it is told that it ended.
        run.state, run.ended_at, run.due_at = RunState.REVOKED, now, None
    run.save(update_fields=["revoke_requested_at", "revoked_by", "changed_at", "state", "ended_at", "due_at"])


@auditlog.audited()
def replay_run(*, run_id: str, actor: Actor, reason: str, now: datetime) -> TaskRun:
    """Run a dead letter again: the same id, a new attempt. Raises NoSuchTaskError, TaskStateError."""
    run = _locked(run_id)
    _replay(run, now)
    auditlog.record(
        actor=actor,
        action="task.replay",
        target=run.pk,
        tree=run.tree,
        reason=reason,
        details={"name": run.name},
    )
    return run


@auditlog.audited()
def replay_runs(*, name: str, queue: str, actor: Actor, reason: str, now: datetime) -> int:
    """Run the dead letters of a name, a queue or both again, oldest first, MOST_AT_ONCE at most; how many."""
    rows = TaskRun.objects.select_for_update(skip_locked=True).filter(state__in=sorted(DEAD_LETTERS))
    if name:
        rows = rows.filter(name=name)
    if queue:
        rows = rows.filter(queue=queue)
    replayed = 0
    for run in rows.order_by("ended_at", "pk")[:MOST_AT_ONCE]:
        if run.is_supervised or run.state == RunState.PARKED:
            _replay(run, now)
            replayed += 1
    auditlog.record(
        actor=actor,
        action="task.replay_all",
        target=name or queue,
        reason=reason,
        details={"count": replayed},
    )
    return replayed


def _replay(run: TaskRun, now: datetime) -> None:
    if run.state not in DEAD_LETTERS:
        raise TaskStateError(f"only what failed or is parked is replayed; the task is {run.state}")
    if not run.is_supervised and run.state != RunState.PARKED:
        raise TaskStateError("its arguments are not kept: it was not started through a TaskSupervisor")
    run.replays += 1
    run.state, run.ended_at, run.lost = RunState.QUEUED, None, 0
    run.revoke_requested_at, run.revoked_by, run.changed_at = None, "", now
    if run.is_supervised:
        run.due_at, run.claimed_until = now, None
    else:
        # The message of a plain task that is parked is kept in the broker; a worker puts it back.
        WorkerRequest.objects.create(
            kind=RequestKind.RETURN, app=run.app, queue=run.queue, body={"id": run.pk}, requested_by="replay",
            created_at=now, deadline_at=now + ANSWER_WITHIN,
        )  # fmt: skip
    run.save()


@transaction.atomic
def request_peek(*, app: str, queue: str, limit: int, actor: Actor, now: datetime) -> WorkerRequest:
    """Ask a worker what waits in a queue. Not audited: it changes nothing."""
    return _request(RequestKind.PEEK, app, queue, {"limit": limit}, actor, now)


@auditlog.audited()
def request_purge(*, app: str, queue: str, actor: Actor, reason: str, now: datetime) -> WorkerRequest:
    """Ask a worker to throw away everything that waits in a queue; supervised tasks among it become `revoked`."""
    made = _request(RequestKind.PURGE, app, queue, {}, actor, now)
    auditlog.record(
        actor=actor,
        action="queue.purge",
        target=queue,
        reason=reason,
        details={"app": app, "request": str(made.pk)},
    )
    return made


def _request(
    kind: RequestKind, app: str, queue: str, body: dict[str, Any], actor: Actor, now: datetime
) -> WorkerRequest:
    return WorkerRequest.objects.create(
        kind=kind, app=app, queue=queue, body=body, requested_by=actor.name[:200], created_at=now,
        deadline_at=now + ANSWER_WITHIN,
    )  # fmt: skip


@transaction.atomic
def note_purged(*, run_ids: Sequence[str], now: datetime) -> int:
    """Messages that a worker threw away when it was asked to; how many had a row that waited."""
    waiting = TaskRun.objects.filter(
        pk__in=run_ids, state__in=[RunState.QUEUED, RunState.RETRYING], ended_at=None
    )
    return waiting.update(
        state=RunState.REVOKED, ended_at=now, due_at=None, changed_at=now, message="its queue was purged",
        revoke_requested_at=now, revoked_by="purge",
    )  # fmt: skip


def _locked(run_id: str) -> TaskRun:
    run = TaskRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise NoSuchTaskError("there is no such task")
    return run
