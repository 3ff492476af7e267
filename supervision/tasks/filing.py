"""Failed, lost and parked tasks are filed as errors of their tree: once for each attempt, with the traceback it left.

An SDK in the worker may tell of the same failure; by the task's id the error store knows that the two are one.
"""

from collections.abc import Iterable
from datetime import datetime

from supervision.errors.store.seen import TASK, TASK_TAG, Seen, file
from supervision.errors.tracebacks import read_traceback
from supervision.tasks.holders import read_holder
from supervision.tasks.models import TaskAttempt, TaskRun
from supervision.tasks.states import Outcome

FILED = frozenset({Outcome.FAILED, Outcome.LOST})


def file_attempts(attempts: Iterable[tuple[TaskRun, TaskAttempt]], now: datetime) -> int:
    """Of attempts that have just ended, those that failed or were lost. In the transaction that writes their end."""
    return file(
        _of_attempt(run, attempt, now)
        for run, attempt in attempts
        if attempt.outcome in FILED and _tree_of(run, attempt.holder)
    )


def file_parked(run: TaskRun, now: datetime) -> int:
    """It will not be tried again by itself. Of a plain task the worker that had its last attempt is the child."""
    last = TaskAttempt.objects.filter(run=run).exclude(holder="").order_by("-number").first()
    holder = read_holder(run.holder or (last.holder if last is not None else ""))
    tree = run.tree or (holder.tree if holder is not None else "")
    if not tree:
        return 0
    key = run.key or (holder.key if holder is not None else "")
    seen = Seen(
        name=f"task {run.pk} parked {run.attempt} {run.replays}",
        tree=tree,
        at=run.ended_at or now,
        child=key,
        incarnation=holder.incarnation if holder is not None and holder.key == key else None,
        kind="TaskParked",
        value=f"{run.name}: {run.message or run.reason}",
        fingerprint=("TaskParked", run.name),
        fields={**_fields(run), "level": "error"},
    )
    return file([seen])


def _of_attempt(run: TaskRun, attempt: TaskAttempt, now: datetime) -> Seen:
    holder = read_holder(attempt.holder)
    lost = attempt.outcome == Outcome.LOST
    raised = () if lost else read_traceback(attempt.traceback)
    kind = "TaskLost" if lost else _type_of(attempt.reason)
    said = f"its worker is gone: {attempt.reason}" if lost and attempt.reason else attempt.message
    return Seen(
        name=f"task {run.pk} attempt {attempt.number} {attempt.outcome} {run.replays}",
        tree=_tree_of(run, attempt.holder),
        at=attempt.ended_at or now,
        child=holder.key if holder is not None else run.key,
        incarnation=holder.incarnation if holder is not None else None,
        raised=raised,
        mechanism=TASK,
        kind=kind,
        value=f"{run.name}: {said}" if said else run.name,
        fingerprint=(kind, run.name) if lost else (kind, run.name, attempt.reason),
        fields={
            **_fields(run),
            "level": "warning" if lost else "error",
            "extra": {"attempt": attempt.number, "ran_s": attempt.run_s},
        },
    )


def _fields(run: TaskRun) -> dict[str, object]:
    tags = {TASK_TAG: run.pk, "task": run.name, "queue": run.queue, "task_supervisor": run.supervisor}
    return {"transaction": run.name, "tags": {name: value for name, value in tags.items() if value}}


def _tree_of(run: TaskRun, holder: str) -> str:
    known = read_holder(holder)
    return run.tree or (known.tree if known is not None else "")


def _type_of(reason: str) -> str:
    """`exception(ValueError)` is a ValueError."""
    inner = reason.removeprefix("exception(").removesuffix(")")
    return inner.rpartition(".")[2] if reason.startswith("exception(") and inner else "TaskFailed"
