"""Attempts of supervised tasks: begun by one holder under a new epoch, ended once, under the epoch that was given.

`begin` refuses what must not run: a task that ended or was revoked, and a message that is older than the row. `end` refuses
an epoch that is over: somebody else runs the task by then, or it is not wanted any more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q

from supervision.tasks.deciding import BUDGET_WINDOW_S, History, Policy, Verdict, after_attempt
from supervision.tasks.filing import file_attempts, file_parked
from supervision.tasks.holders import read_holder
from supervision.tasks.models import TaskAttempt, TaskRun
from supervision.tasks.states import Outcome, RunState, is_ended

LOST_AGAIN = timedelta(seconds=30)
"""A message whose holder died is returned by a worker well before; what nobody returned by then is published again."""
MOST_RESTARTS = 1000


@dataclass(frozen=True, slots=True)
class Begun:
    """The answer to whoever wants to run a task. `why` where it must not."""

    run: bool
    attempt: int = 0
    epoch: int = 0
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run, "attempt": self.attempt, "epoch": self.epoch, "why": self.why}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, as its holder tells. Any: `result` is JSON."""

    outcome: Outcome
    reason: str = ""
    message: str = ""
    traceback: str = ""
    result: Any = None
    run_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """Whether the end counts, and what follows from it."""

    accepted: bool
    state: str
    delay_s: float = 0.0
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"accepted": self.accepted, "state": self.state, "delay_s": self.delay_s, "why": self.why}


@transaction.atomic
def begin_attempt(
    *, run_id: str, publication: int, holder: str, pid: int | None, token: str = "", now: datetime
) -> Begun:
    """Give the task to a holder: a new attempt, a new epoch. What ran before under an older epoch is refused from now on.

    The same `token` again is the same question again, and has the same answer.
    """
    run = TaskRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        return Begun(False, why="unknown: there is no such task")
    if is_ended(run.state):
        return Begun(False, why=f"ended: the task is {run.state}")
    given = run.attempts.filter(number=run.attempt, token=token).first() if token else None
    if given is not None and run.state == RunState.RUNNING:
        return Begun(True, run.attempt, run.epoch)
    if publication < run.publication:
        return Begun(False, why="superseded: the task was published again after this message")
    if run.revoke_requested_at is not None:
        _end_without_attempt(run, RunState.REVOKED, "revoked before it began", now)
        return Begun(False, why="revoked")
    if run.state == RunState.RUNNING and not _take_from_holder(run, now):
        return Begun(False, why=f"ended: the task is {run.state}")
    run.attempt += 1
    run.epoch += 1
    run.state, run.started_at, run.changed_at = RunState.RUNNING, now, now
    run.published_at = run.published_at or now
    run.due_at = run.claimed_until = None
    run.holder, run.pid = holder, pid
    known = read_holder(holder)
    run.node_id = known.node_id[:32] if known is not None else ""
    run.tree = run.tree or (known.tree[:64] if known is not None else "")
    run.save()
    TaskAttempt.objects.create(
        run=run, number=run.attempt, epoch=run.epoch, publication=run.publication, supervisor=run.supervisor,
        name=run.name, holder=holder, pid=pid, token=token[:32], started_at=now,
    )  # fmt: skip
    return Begun(True, run.attempt, run.epoch)


@transaction.atomic
def end_attempt(*, run_id: str, epoch: int, ending: Ending, now: datetime) -> Ended:
    """Take an attempt's end, if its epoch is the present one; else it is refused, and is on record as that."""
    run = TaskRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        return Ended(False, "unknown", why="there is no such task")
    attempt = run.attempts.filter(epoch=epoch).first() if epoch else None
    if attempt is None:
        return Ended(False, run.state, why=f"epoch {epoch} was never given to this task")
    if attempt.outcome != Outcome.RUNNING and attempt.ended_at is not None and attempt.number == run.attempt:
        same = attempt.outcome == ending.outcome  # asked again, as a connection was lost before the answer
        return Ended(same, run.state, why="" if same else "this attempt has ended already")
    if epoch != run.epoch or run.state != RunState.RUNNING:
        why = f"epoch {epoch} is over, the task is {run.state} under epoch {run.epoch}"
        if attempt.outcome in (Outcome.RUNNING, Outcome.LOST):
            attempt.outcome, attempt.ended_at, attempt.message = Outcome.REFUSED, now, why[:1000]
            attempt.save(update_fields=["outcome", "ended_at", "message"])
        return Ended(False, run.state, why=why)
    verdict = settle(run, attempt, ending, now)
    return Ended(True, run.state, delay_s=verdict.delay_s, why=verdict.why)


def settle(run: TaskRun, attempt: TaskAttempt, ending: Ending, now: datetime) -> Verdict:
    """The present attempt of `run`, whose row is locked, ended: write that and what follows from it."""
    attempt.outcome, attempt.ended_at = ending.outcome, now
    attempt.reason, attempt.message = ending.reason[:300], ending.message[:1000]
    attempt.traceback = ending.traceback[-16_384:]
    attempt.run_s = ending.run_s
    if attempt.run_s is None:
        attempt.run_s = max(0.0, (now - attempt.started_at).total_seconds())
    attempt.save(update_fields=["outcome", "ended_at", "reason", "message", "traceback", "run_s"])
    run.lost += ending.outcome == Outcome.LOST  # audit: ignore[SUP701] the caller holds the lock
    policy = Policy.from_json(run.spec)
    verdict = after_attempt(
        policy, ending.outcome, _history(run, policy, ending.outcome, now), task_id=run.pk,
        now=now.timestamp(), revoked=run.revoke_requested_at is not None,
    )  # fmt: skip
    run.state, run.changed_at = verdict.state, now
    run.reason, run.traceback, run.run_s = attempt.reason, attempt.traceback, attempt.run_s
    run.message = "; ".join(word for word in (verdict.why, attempt.message) if word)[:1000]
    run.holder, run.pid, run.node_id = "", None, ""
    if is_ended(verdict.state):
        run.ended_at, run.due_at = now, None
        run.result = ending.result if ending.outcome == Outcome.DONE else None
        run.holder, run.pid = attempt.holder, attempt.pid
    elif ending.outcome == Outcome.LOST:
        run.due_at = now + LOST_AGAIN
    else:
        run.publication += 1  # audit: ignore[SUP701] as above
        run.due_at = now + timedelta(seconds=verdict.delay_s)
        run.claimed_until = None
    run.save()
    file_attempts([(run, attempt)], now)
    if verdict.state == RunState.PARKED:
        file_parked(run, now)
    return verdict


def park(run: TaskRun, reason: str, now: datetime) -> None:
    """A worker took the message out of the broker, as it was lost too often; `run` is locked, and has not ended."""
    running = run.attempts.filter(number=run.attempt, outcome=Outcome.RUNNING)
    running.update(outcome=Outcome.LOST, reason=reason[:300], ended_at=now)
    run.reason = reason[:300]
    _end_without_attempt(run, RunState.PARKED, "lost as often as it may be", now)
    file_parked(run, now)


def _take_from_holder(run: TaskRun, now: datetime) -> bool:
    """The message came again although an attempt runs: its holder is gone, or is told from now on that it is."""
    attempt = run.attempts.filter(number=run.attempt, outcome=Outcome.RUNNING).first()
    if attempt is None:
        return True
    settle(run, attempt, Ending(Outcome.LOST, "lost", "its message came again"), now)
    return not is_ended(run.state)


def _end_without_attempt(run: TaskRun, state: RunState, message: str, now: datetime) -> None:
    run.state, run.ended_at, run.changed_at = state, now, now
    run.message, run.due_at = message, None
    run.save(update_fields=["state", "ended_at", "changed_at", "message", "reason", "due_at"])


def _history(run: TaskRun, policy: Policy, outcome: Outcome, now: datetime) -> History:
    """Asked only where a restart is to be decided about."""
    if outcome not in (Outcome.FAILED, Outcome.DONE) or policy.restart == "temporary":
        return History(lost=run.lost, attempts=run.attempt)
    if outcome == Outcome.DONE and policy.restart == "transient":
        return History(lost=run.lost, attempts=run.attempt)
    of_name = TaskAttempt.objects.filter(supervisor=run.supervisor, name=run.name)
    if not run.supervisor:  # a child of a tree: its supervisor there counts, this row is alone
        of_name = TaskAttempt.objects.filter(run=run)
    since = now - timedelta(seconds=policy.period)
    restarts = of_name.filter(started_at__gte=since, number__gt=1).values_list("started_at", flat=True)
    minute = of_name.filter(started_at__gte=now - timedelta(seconds=BUDGET_WINDOW_S)).aggregate(
        starts=Count("pk", filter=Q(number=1)), restarted=Count("pk", filter=Q(number__gt=1))
    )
    return History(
        restarts=[at.timestamp() for at in restarts.order_by("started_at")[:MOST_RESTARTS]],
        lost=run.lost, attempts=run.attempt, starts=minute["starts"], restarted=minute["restarted"],
    )  # fmt: skip
