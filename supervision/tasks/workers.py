"""Workers and queues: what a worker tells of itself each second, and what it is asked to do in return.

The broker's credentials stay with the users' processes, so whatever has to be done in the broker is done by a worker: to
publish what is due, to look into a queue, to empty it. One row is given to one worker at a time; a worker that dies with it
is followed by another one.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from supervision.journal.columns import storable
from supervision.tasks.folding import seconds
from supervision.tasks.holders import read_holder
from supervision.tasks.models import (
    MAX_APP,
    MAX_QUEUE,
    RequestState,
    TaskQueue,
    TaskRun,
    TaskWorker,
    WorkerRequest,
)
from supervision.tasks.states import WAITING, RunState

CLAIM = timedelta(seconds=15)
PUBLISH_AT_ONCE = 200
REVOKED_AT_ONCE = 500
LOST_IN_BROKER = timedelta(seconds=60)
"""What was published so long ago, is in no queue and held by nobody, was lost by the broker: it is published again."""
TOLD_TO_ALL = timedelta(seconds=2.5)
"""After so long every worker has reported, and heard who is revoked."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells. `queues`: name to {length, oldest_s}; `unacked`: messages that any worker of the broker holds;
    `looks_only`: it is no worker, and stands in for a pool that has none."""

    holder: str
    worker: str = ""
    app: str = ""
    pool: str = ""
    concurrency: int = 0
    running: int = 0
    tasks_total: int = 0
    memory_bytes: int | None = None
    unacked: int | None = None
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    looks_only: bool = False


@dataclass(frozen=True, slots=True)
class Errands:
    """What the worker is to do: messages to publish, tasks to end, requests to answer. Any: JSON."""

    publish: list[dict[str, Any]] = field(default_factory=list)
    revoked: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"publish": self.publish, "revoked": self.revoked, "requests": self.requests}


@transaction.atomic
def take_report(*, report: Report, now: datetime) -> Errands:
    """Store it, and hand out what is to be done."""
    holder = read_holder(report.holder)
    if holder is None:
        return Errands()
    app = report.app[:MAX_APP]
    values = {
        "node_id": holder.node_id[:32], "key": holder.key, "tree": holder.tree[:64], "incarnation": holder.incarnation,
        "pid": holder.pid, "name": report.worker[:255], "app": app, "pool": report.pool[:40],
        "concurrency": report.concurrency, "queues": sorted(name[:MAX_QUEUE] for name in report.queues)[:100],
        "running": report.running, "tasks_total": report.tasks_total, "memory_bytes": report.memory_bytes,
        "seen_at": now,
    }  # fmt: skip
    expire_requests(now=now)
    if not report.looks_only:
        TaskWorker.objects.update_or_create(
            holder=report.holder, defaults=values, create_defaults={**values, "started_at": now}
        )
    _store_queues(app, report, now)
    return Errands(
        _publish(app, report, now), _revoked(app, report.holder, now), _requests(app, report.holder, now)
    )


def _store_queues(app: str, report: Report, now: datetime) -> None:
    rows = [
        TaskQueue(
            app=app, name=name[:MAX_QUEUE], length=max(0, int(seconds(told, "length") or 0)),
            oldest_s=seconds(told, "oldest_s"), seen_at=now, seen_by=report.holder,
        )
        for name, told in sorted(report.queues.items())[:100]
        if name and isinstance(told, Mapping)
    ]  # fmt: skip
    if rows:
        TaskQueue.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["app", "name"],
            update_fields=["length", "oldest_s", "seen_at", "seen_by"],
        )  # fmt: skip


def _publish(app: str, report: Report, now: datetime) -> list[dict[str, Any]]:
    if report.unacked == 0:
        _due_again(app, report, now)
    # Only what its own queues are for: two applications of one name may have two brokers.
    due = TaskRun.objects.select_for_update(skip_locked=True).filter(
        Q(claimed_until=None) | Q(claimed_until__lt=now), app=app, due_at__lte=now, state__in=sorted(WAITING),
        queue__in=["", *report.queues],
    )  # fmt: skip
    runs = list(due.order_by("due_at", "pk")[:PUBLISH_AT_ONCE])
    for run in runs:
        run.claimed_until = now + CLAIM
        run.publication += 1
    TaskRun.objects.bulk_update(runs, ["claimed_until", "publication"])
    return [message_of(run) for run in runs]


def claim_due(*, run_id: str, now: datetime) -> dict[str, Any] | None:
    """Give a run that is due now to its asker, who publishes it; None where it is not. Any: JSON."""
    won = TaskRun.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lt=now),
        pk=run_id,
        due_at__lte=now,
        state__in=sorted(WAITING),
    ).update(claimed_until=now + CLAIM)
    return message_of(TaskRun.objects.get(pk=run_id)) if won else None


def message_of(run: TaskRun) -> dict[str, Any]:
    """What is needed to publish a run. Any: JSON."""
    return {
        "id": run.pk, "name": run.name, "queue": run.queue, "supervisor": run.supervisor,
        "publication": run.publication, "spec": run.spec,
    }  # fmt: skip


def _due_again(app: str, report: Report, now: datetime) -> None:
    """Nothing is held and the queue is empty: what was published into it a while ago is not there any more."""
    empty = [name for name, told in report.queues.items() if told.get("length") == 0]
    if empty:
        TaskRun.objects.filter(
            Q(key__gt="") | Q(supervisor__gt=""), app=app, queue__in=empty, due_at=None,
            state__in=sorted(WAITING), changed_at__lt=now - LOST_IN_BROKER,
        ).update(due_at=now, claimed_until=None, changed_at=now)  # fmt: skip


def _revoked(app: str, holder: str, now: datetime) -> list[dict[str, Any]]:
    """Tasks that nobody wants any more. Who runs one kills it; of a plain one all workers are told first, as its message
    comes back then, and the one that takes it has to know."""
    open_ones = TaskRun.objects.filter(revoke_requested_at__isnull=False, ended_at=None)
    mine = Q(holder=holder, state=RunState.RUNNING)
    plain = Q(supervisor="", key="")
    rows = open_ones.filter(mine | plain & Q(app__in=["", app])).order_by("pk")[:REVOKED_AT_ONCE]
    return [
        {
            "id": run.pk,
            "epoch": run.epoch,
            "pid": run.pid,
            "supervised": run.is_supervised,
            "kill": run.holder == holder and (run.is_supervised or _is_known_to_all(run, now)),
        }
        for run in rows
    ]


def _is_known_to_all(run: TaskRun, now: datetime) -> bool:
    return run.revoke_requested_at is not None and now - run.revoke_requested_at >= TOLD_TO_ALL


def _requests(app: str, holder: str, now: datetime) -> list[dict[str, Any]]:
    pending = WorkerRequest.objects.select_for_update(skip_locked=True).filter(
        app=app, state=RequestState.PENDING, deadline_at__gt=now
    )
    taken = list(pending.order_by("created_at")[:10])
    WorkerRequest.objects.filter(pk__in=[one.pk for one in taken]).update(
        state=RequestState.CLAIMED, claimed_by=holder
    )
    return [{"request": str(one.pk), "kind": one.kind, "queue": one.queue, "body": one.body} for one in taken]


def answer_request(*, request_id: str, answer: Mapping[str, Any], now: datetime) -> bool:
    """A worker's answer: {"error": words} or what was asked for. Whether the request was still open."""
    try:
        known = uuid.UUID(request_id)
    except ValueError:
        return False
    state = RequestState.FAILED if "error" in answer else RequestState.DONE
    return (
        WorkerRequest.objects.filter(pk=known, state__in=[RequestState.PENDING, RequestState.CLAIMED]).update(
            state=state, answer=storable(dict(answer)), finished_at=now
        )
        == 1
    )


def expire_requests(*, now: datetime) -> int:
    """Requests that no worker answered in time; how many."""
    late = WorkerRequest.objects.filter(
        state__in=[RequestState.PENDING, RequestState.CLAIMED], deadline_at__lte=now
    )
    return late.update(
        state=RequestState.FAILED,
        finished_at=now,
        answer={"error": "no worker of this application answered in time"},
    )


def outcomes_of(run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How tasks ended that did. Any: JSON."""
    rows = TaskRun.objects.filter(pk__in=run_ids, ended_at__isnull=False).values(
        "pk", "state", "reason", "message", "result", "attempt"
    )
    return {str(row["pk"]): {name: value for name, value in row.items() if name != "pk"} for row in rows}
