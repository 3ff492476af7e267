"""What workers tell of tasks becomes rows: a batch of events in one transaction, with a bounded number of statements.

Most tasks are short, and everything about them is told at once: such a task is folded before it has a row, and its row is
written once, as it ended. What has a row already is locked, read, and changed.

Of plain tasks the events are all there is. A supervised task was begun and ended by question; of it the events count where
the process that ran it could not say any more how it ended: killed at its time limit, or dead with its worker.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from django.db import connection, transaction
from django.db.models import AutoField

from supervision.tasks.attempts import Ending, end_attempt, park, settle
from supervision.tasks.filing import file_attempts, file_parked
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
from supervision.tasks.monitoring import monitor
from supervision.tasks.operating import note_purged
from supervision.tasks.starting import note_published
from supervision.tasks.states import Outcome, RunState, is_ended

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
        new = _write_new(of_tasks, now)
        _file(list(new.values()), dict.fromkeys(new, UNTOLD), now)
        _of_known([event for event in of_tasks if text(event.body, "id", MAX_ID) not in new], now)
        monitor(((event.kind, event.body) for event in of_tasks), now)
        for event in events:
            if event.kind.startswith("worker."):
                _of_worker(event, now)


PLAIN = frozenset(
    {
        "task.started", "task.ended", "task.retried", "task.lost", "task.returned", "task.parked", "task.found",
    }
)  # fmt: skip


def _columns(model: type[TaskRun] | type[TaskAttempt]) -> list[str]:
    """All but those that the database fills in."""
    return [str(field.column) for field in model._meta.concrete_fields if not isinstance(field, AutoField)]


def _inserting(model: type[TaskRun] | type[TaskAttempt]) -> str:
    """The statement that inserts rows out of a JSON array of them: a tenth of the work of naming each value by itself."""
    table, columns = model._meta.db_table, ", ".join(_columns(model))
    return (
        f"INSERT INTO {table} ({columns}) "  # noqa: S608  names are the model's own
        f"SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)"
    )


INSERT_RUNS = _inserting(TaskRun) + " ON CONFLICT (id) DO NOTHING RETURNING id"
"""Rows that are not there yet; it waits for whoever inserts the same one meanwhile."""
INSERT_ATTEMPTS = _inserting(TaskAttempt)


def _rows(made: Sequence[TaskRun] | Sequence[TaskAttempt]) -> str:
    """As the statements above take them. Texts were made fit for jsonb when they were read."""
    columns = _columns(type(made[0])) if made else []
    return orjson.dumps([{name: getattr(row, name) for name in columns} for row in made]).decode()


def _write_new(events: Sequence[Told], now: datetime) -> dict[str, Folded]:
    """Plain tasks that nothing was told of before, written with all that `events` say of them."""
    told: dict[str, Folded] = {}
    for event in events:
        run_id = text(event.body, "id", MAX_ID)
        if event.kind in PLAIN and run_id:
            if run_id not in told:
                told[run_id] = Folded(new_run(event.body, now))
            fold(told[run_id], event.kind, event.body, now)
    if not told:
        return {}
    with connection.cursor() as cursor:
        # In one order, as everywhere: two batches must not wait for each other.
        cursor.execute(INSERT_RUNS, [_rows([told[run_id].run for run_id in sorted(told)])])
        new = {run_id: told[run_id] for (run_id,) in cursor.fetchall()}
        attempts = [each for one in new.values() for each in one.attempts.values()]
        if attempts:
            cursor.execute(INSERT_ATTEMPTS, [_rows(attempts)])
    return new


def _of_known(events: Sequence[Told], now: datetime) -> None:
    """Of tasks that have a row. What is of no task that is known says nothing."""
    ids = {text(event.body, "id", MAX_ID) for event in events}
    locked = TaskRun.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    known = {run.pk: Folded(run) for run in locked}
    _load_attempts(known)
    before = {run_id: Before.of(folded) for run_id, folded in known.items()}
    for event in events:
        folded = known.get(text(event.body, "id", MAX_ID))
        if folded is None:
            continue
        if folded.run.is_supervised:
            _of_supervised(folded, event, now)
        else:
            fold(folded, event.kind, event.body, now)
    plain = [folded for folded in known.values() if not folded.run.is_supervised]
    _write(plain)
    _file(plain, before, now)


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


@dataclass(frozen=True, slots=True)
class Before:
    """How a task stood before a batch of events."""

    outcomes: Mapping[int, str]
    state: str

    @classmethod
    def of(cls, folded: Folded) -> "Before":
        return cls({number: each.outcome for number, each in folded.attempts.items()}, folded.run.state)


UNTOLD = Before({}, RunState.QUEUED)
"""Of a task that is new."""


def _file(folded: Sequence[Folded], before: Mapping[str, Before], now: datetime) -> None:
    """What failed, was lost or was parked just now, as errors."""
    file_attempts(
        [
            (one.run, one.attempts[number])
            for one in folded
            for number in sorted(one.changed)
            if one.attempts[number].outcome != before[one.run.pk].outcomes.get(number)
        ],
        now,
    )
    for one in folded:
        if one.run.state == RunState.PARKED != before[one.run.pk].state:
            file_parked(one.run, now)


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
