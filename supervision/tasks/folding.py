"""From what workers tell of tasks to rows. Works on rows in memory; asks and writes nothing.

Workers tell through their own nodes, so what two of them say of one task may come in any order, and twice. An attempt's
number says which is newer; an attempt ends once, and so does a task: what is told later of either adds nothing.
docs/celery.md has the fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from supervision.journal.columns import moment, storable
from supervision.tasks.holders import read_holder
from supervision.tasks.models import (
    MAX_APP,
    MAX_HOLDER,
    MAX_ID,
    MAX_NAME,
    MAX_QUEUE,
    TaskAttempt,
    TaskRun,
)
from supervision.tasks.states import Outcome, RunState, is_ended

MAX_TRACEBACK = 16_384
MAX_ATTEMPT = 1_000_000

Body = Mapping[str, Any]
"""Of an event. Any: JSON of a program, of which every field is checked here."""


@dataclass(slots=True)
class Folded:
    """A run and those of its attempts that are known so far."""

    run: TaskRun
    attempts: dict[int, TaskAttempt] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)

    def attempt(self, number: int, at: datetime) -> TaskAttempt:
        """The attempt with this number, new if need be."""
        known = self.attempts.get(number)
        if known is None:
            known = TaskAttempt(run_id=self.run.pk, number=number, name=self.run.name, started_at=at)
            self.attempts[number] = known
        self.changed.add(number)
        return known

    def newest_running(self, body: Body) -> TaskAttempt | None:
        """Of a supervised run: the present attempt, if it has not ended and it is the one that a worker speaks of.

        A worker may speak late of the attempt before: the publication of its message tells, or, where the worker does not
        know that, that it began before the one before had ended.
        """
        present = self.attempts.get(self.run.attempt)
        if present is None or present.outcome != Outcome.RUNNING:
            return None
        pid = whole(body, "pid")
        if text(body, "holder", MAX_HOLDER) != present.holder or (pid and pid != present.pid):
            return None
        if isinstance(body.get("publication"), int):
            return present if body["publication"] == present.publication else None
        before = self.attempts.get(self.run.attempt - 1)
        began = moment(seconds(body, "started_at")) or moment(seconds(body, "at"))
        if before is None or before.ended_at is None or began is None:
            return present
        return present if began > before.ended_at else None


def text(body: Body, name: str, most: int) -> str:
    value = body.get(name)
    clean: str = storable(value) if isinstance(value, str) else ""
    return clean[:most]


def whole(body: Body, name: str) -> int:
    """A whole number from 0 on; 0 for what is none."""
    value = body.get(name)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, 0), MAX_ATTEMPT * 1000) if is_number and value is not None else 0


def whole_or_none(body: Body, name: str) -> int | None:
    """A whole number from 0 on that a column can hold; None for what is none."""
    value = body.get(name)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and value is not None and 0 <= value < 2**62 else None


def seconds(body: Body, name: str) -> float | None:
    value = body.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e11:
        return None
    return float(value)


def time_of(body: Body, name: str, default: datetime) -> datetime:
    return moment(seconds(body, name)) or default


def new_run(body: Body, now: datetime) -> TaskRun:
    """A plain task that a worker tells of for the first time."""
    at = time_of(body, "at", now)
    published = moment(seconds(body, "published_at"))
    run = TaskRun(
        id=text(body, "id", MAX_ID), name=text(body, "name", MAX_NAME), state=RunState.QUEUED,
        created_at=published or at, published_at=published, changed_at=now,
        parent=text(body, "parent_id", MAX_ID), app=text(body, "app", MAX_APP),
    )  # fmt: skip
    return run


def note_place(run: TaskRun, body: Body) -> None:
    """Where it is, as far as that is told."""
    run.name = run.name or text(body, "name", MAX_NAME)
    run.app = text(body, "app", MAX_APP) or run.app
    run.queue = text(body, "queue", MAX_QUEUE) or run.queue
    holder = read_holder(text(body, "holder", MAX_HOLDER))
    if holder is not None and not run.key:
        run.tree = holder.tree[:64]


def fold(folded: Folded, kind: str, body: Body, now: datetime) -> None:
    """Add one event about a plain task. An unknown kind says nothing."""
    step = _STEPS.get(kind)
    if step is None:
        return
    note_place(folded.run, body)
    number = min(max(1, whole(body, "attempt")), MAX_ATTEMPT)
    step(folded, number, body, time_of(body, "at", now))
    folded.run.changed_at = now


def _started(folded: Folded, number: int, body: Body, at: datetime) -> None:
    run, attempt = folded.run, folded.attempt(number, at)
    attempt.started_at = at
    _note_holder(attempt, body)
    if is_ended(run.state) or number < run.attempt:
        return
    run.attempt = number
    if attempt.outcome == Outcome.RUNNING:
        run.state, run.started_at = RunState.RUNNING, at
        run.reason = run.message = run.traceback = ""
        _hold(run, attempt)


def _ended(folded: Folded, number: int, body: Body, at: datetime) -> None:
    known = {"done": Outcome.DONE, "failed": Outcome.FAILED, "revoked": Outcome.REVOKED}
    outcome = known.get(text(body, "state", 10))
    if outcome is None:
        return
    began = time_of(body, "started_at", at)
    _end_attempt(folded, number, body, outcome, began=began, at=at)
    if folded.run.attempt <= number and not is_ended(folded.run.state):
        _end_run(folded.run, folded.attempts[number], RunState(str(outcome)), at)


def _retried(folded: Folded, number: int, body: Body, at: datetime) -> None:
    _end_attempt(folded, number, body, Outcome.RETRIED, began=time_of(body, "started_at", at), at=at)
    _wait_again(folded.run, number, RunState.RETRYING)


def _lost(folded: Folded, number: int, body: Body, at: datetime) -> None:
    known = folded.attempts.get(number)
    began = known.started_at if known is not None else time_of(body, "started_at", at)
    if known is None or known.outcome == Outcome.RUNNING:
        folded.run.lost = max(folded.run.lost, whole(body, "lost") + 1)
    _end_attempt(folded, number, body, Outcome.LOST, began=began, at=at)
    _wait_again(folded.run, number, RunState.RETRYING)


def _returned(folded: Folded, number: int, _body: Body, _at: datetime) -> None:
    """`number` is the attempt that comes."""
    _wait_again(folded.run, number - 1, RunState.QUEUED)


def _parked(folded: Folded, number: int, body: Body, at: datetime) -> None:
    run = folded.run
    if is_ended(run.state):
        return
    run.attempt = max(run.attempt, number)
    run.state, run.ended_at = RunState.PARKED, at
    run.reason = text(body, "reason", 300) or run.reason
    bound = whole(body, "bound")
    run.message = run.message or (f"lost as often as it may be: {bound}" if bound else "")
    _release(run)


def _found(folded: Folded, _number: int, _body: Body, _at: datetime) -> None:
    if folded.run.state == RunState.RETRYING:
        folded.run.state = RunState.QUEUED


_STEPS: Mapping[str, Callable[[Folded, int, Body, datetime], None]] = {
    "task.started": _started,
    "task.ended": _ended,
    "task.retried": _retried,
    "task.lost": _lost,
    "task.returned": _returned,
    "task.parked": _parked,
    "task.found": _found,
}


def _end_attempt(
    folded: Folded, number: int, body: Body, outcome: Outcome, *, began: datetime, at: datetime
) -> None:
    attempt = folded.attempt(number, began)
    if attempt.outcome != Outcome.RUNNING:
        return
    _note_holder(attempt, body)
    attempt.outcome, attempt.ended_at = outcome, at
    attempt.reason = text(body, "reason", 300)
    attempt.message = text(body, "message", 1000)
    attempt.traceback = text(body, "traceback", MAX_TRACEBACK)
    attempt.run_s = seconds(body, "run_s")
    if attempt.run_s is None:
        attempt.run_s = max(0.0, (at - attempt.started_at).total_seconds())


def _end_run(run: TaskRun, attempt: TaskAttempt, state: RunState, at: datetime) -> None:
    run.attempt = max(run.attempt, attempt.number)
    run.state, run.ended_at = state, at
    run.started_at = run.started_at or attempt.started_at
    run.reason, run.message, run.traceback = attempt.reason, attempt.message, attempt.traceback
    run.run_s = attempt.run_s
    _hold(run, attempt)


def _wait_again(run: TaskRun, number: int, state: RunState) -> None:
    """The attempt `number` is over, and the task is not."""
    if is_ended(run.state) or number < run.attempt:
        return
    run.attempt, run.state = number, state
    _release(run)


def _note_holder(attempt: TaskAttempt, body: Body) -> None:
    attempt.holder = attempt.holder or text(body, "holder", MAX_HOLDER)
    attempt.pid = attempt.pid or whole(body, "pid") or None


def _hold(run: TaskRun, attempt: TaskAttempt) -> None:
    holder = read_holder(attempt.holder)
    run.holder, run.pid = attempt.holder, attempt.pid
    run.node_id = holder.node_id[:32] if holder is not None else ""


def _release(run: TaskRun) -> None:
    run.holder, run.pid, run.node_id = "", None, ""
