"""What workers tell of tasks becomes rows: a batch of events in one transaction, with a bounded number of statements.

Of plain tasks the events are all there is. A supervised task was begun and ended by question; of it the events count where
the process that ran it could not say any more how it ended: killed at its time limit, or dead with its worker.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from supervision.tasks.attempts import Ending, end_attempt, park, settle
from supervision.tasks.folding import (
    MAX_TRACEBACK,
    Body,
    Folded,
    fold,
    new_run,
    seconds,
    text,
    time_of,
    whole,
)
from supervision.tasks.models import MAX_HOLDER, MAX_ID, MAX_QUEUE, TaskAttempt, TaskRun, TaskWorker
from supervision.tasks.operating import note_purged
from supervision.tasks.starting import note_published
from supervision.tasks.states import Outcome, is_ended

RUN_FIELDS = [
    field.name for field in TaskRun._meta.concrete_fields if field.name not in ("id", "created_at", "spec")
]
ATTEMPT_FIELDS = [
    "holder", "pid", "outcome", "reason", "message", "traceback", "started_at", "ended_at", "run_s", "name",
]  # fmt: skip
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a program."""

    kind: str
    body: Body


def take_in(*, events: Sequence[Told], now: datetime) -> None:
    """Rows from events, in the caller's transaction if there is one; the caller sees that each event comes once."""
    with transaction.atomic():
        _publications(events, now)
        of_tasks = [event for event in events if event.kind.startswith("task.")]
        _insert_unknown(of_tasks, now)
        ids = {text(event.body, "id", MAX_ID) for event in of_tasks}
        locked = TaskRun.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        known = {run.pk: Folded(run) for run in locked}
        _load_attempts(known)
        for event in of_tasks:
            folded = known.get(text(event.body, "id", MAX_ID))
            if folded is None:
                continue
            if folded.run.is_supervised:
                _of_supervised(folded, event, now)
            else:
                fold(folded, event.kind, event.body, now)
        _write([folded for folded in known.values() if not folded.run.is_supervised])
        for event in events:
            if event.kind.startswith("worker."):
                _of_worker(event, now)


PLAIN = frozenset(
    {
        "task.started", "task.ended", "task.retried", "task.lost", "task.returned", "task.parked", "task.found",
    }
)  # fmt: skip


def _insert_unknown(events: Sequence[Told], now: datetime) -> None:
    """A row for each plain task that is told of for the first time; it waits for whoever inserts the same one meanwhile."""
    rows = {
        run_id: new_run(event.body, now)
        for event in reversed(events)
        if event.kind in PLAIN and (run_id := text(event.body, "id", MAX_ID))
    }
    if rows:
        TaskRun.objects.bulk_create(
            [rows[run_id] for run_id in sorted(rows)], ignore_conflicts=True, batch_size=AT_ONCE
        )


def _load_attempts(known: dict[str, Folded]) -> None:
    for attempt in TaskAttempt.objects.filter(run_id__in=known).order_by("run_id", "number"):
        known[attempt.run_id].attempts[attempt.number] = attempt


def _write(folded: Iterable[Folded]) -> None:
    """The rows are there and locked: this only changes them, many in one statement."""
    rows = sorted(folded, key=lambda one: one.run.pk)
    if not rows:
        return
    TaskRun.objects.bulk_create(
        [one.run for one in rows], update_conflicts=True, unique_fields=["id"], update_fields=RUN_FIELDS,
        batch_size=AT_ONCE,
    )  # fmt: skip
    attempts = [one.attempts[number] for one in rows for number in sorted(one.changed)]
    for attempt in attempts:
        attempt.pk = None
    TaskAttempt.objects.bulk_create(
        attempts, update_conflicts=True, unique_fields=["run", "number"], update_fields=ATTEMPT_FIELDS,
        batch_size=AT_ONCE,
    )  # fmt: skip


def _publications(events: Sequence[Told], now: datetime) -> None:
    told: dict[str, int] = {}
    for event in events:
        if event.kind == "task.published":
            ids = event.body.get("ids")
            many = (
                ids
                if isinstance(ids, Mapping)
                else {text(event.body, "id", MAX_ID): event.body.get("publication")}
            )
            told |= {str(each)[:MAX_ID]: number for each, number in many.items() if isinstance(number, int)}
        elif event.kind == "task.purged" and isinstance(event.body.get("ids"), list):
            note_purged(run_ids=[str(each)[:MAX_ID] for each in event.body["ids"]], now=now)
    if told:
        note_published(publications=told, now=now)


def _of_supervised(folded: Folded, event: Told, now: datetime) -> None:
    """Only what the process itself did not tell: `settled` is its own word, sent while the store was away."""
    run, body = folded.run, event.body
    if event.kind == "task.settled":
        outcome = {"done": Outcome.DONE, "failed": Outcome.FAILED, "revoked": Outcome.REVOKED}.get(
            text(body, "outcome", 10)
        )
        if outcome is not None:
            end_attempt(run_id=run.pk, epoch=whole(body, "epoch"), ending=_ending(outcome, body), now=now)
            run.refresh_from_db()
            folded.attempts = {each.number: each for each in run.attempts.all()}
        return
    if is_ended(run.state):
        return
    at = time_of(body, "at", now)
    if event.kind == "task.parked":
        park(run, text(body, "reason", 300), at)
        return
    present = folded.newest_running(body)
    if present is None:
        return
    if event.kind == "task.lost":
        settle(run, present, _ending(Outcome.LOST, body), at)
    elif event.kind == "task.ended":
        outcome = {"done": Outcome.DONE, "failed": Outcome.FAILED, "revoked": Outcome.REVOKED}.get(
            text(body, "state", 10)
        )
        if outcome is not None:
            settle(run, present, _ending(outcome, body), at)


def _ending(outcome: Outcome, body: Body) -> Ending:
    return Ending(
        outcome,
        reason=text(body, "reason", 300),
        message=text(body, "message", 1000),
        traceback=text(body, "traceback", MAX_TRACEBACK),
        result=body.get("result"),
        run_s=seconds(body, "run_s"),
    )


def _of_worker(event: Told, now: datetime) -> None:
    """A worker that tells that it consumes, or that it does not."""
    holder = text(event.body, "holder", MAX_HOLDER)
    if event.kind == "worker.stalled":
        TaskWorker.objects.filter(holder=holder).update(
            consumes=False, stalled_queue=text(event.body, "queue", MAX_QUEUE)
        )
    elif event.kind == "worker.consuming":
        TaskWorker.objects.filter(holder=holder, seen_at__lte=now + timedelta(days=1)).update(
            consumes=True, stalled_queue=""
        )
