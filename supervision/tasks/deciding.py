"""What becomes of a supervised task whose attempt ended. Pure: no clock, no rows.

The restart types are OTP's: `permanent` is always run again, `transient` only after an abnormal end, `temporary` never.
An attempt whose worker died says nothing about the task, until it happens too often: `max_lost` such attempts park it, as
poison. All other restarts count against the intensity of the task's name under its supervisor, and against the budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from supervision.kernel.backoff import Backoff
from supervision.kernel.intensity import within
from supervision.tasks.states import Outcome, RunState


class Restart(StrEnum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


BUDGET_FREE = 10
"""Restarts in a minute that no budget counts: a quiet pool may still retry."""
BUDGET_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How one task is run again.

    intensity, period   restarts of its name under its supervisor that are allowed in so many seconds (OTP)
    max_lost            attempts that may end with a dead worker before the task is parked
    backoff             the wait before each restart; None: at once
    budget              restarts as a part of starts, over a minute, past which nothing is run again; 1.0: no bound
    """

    restart: Restart = Restart.TRANSIENT
    intensity: int = 3
    period: float = 5.0
    max_lost: int = 5
    backoff: Backoff | None = field(
        default_factory=lambda: Backoff(initial=0.2, factor=2.0, cap=30.0, jitter=0.5)
    )
    budget: float = 1.0

    @classmethod
    def from_json(cls, spec: dict[str, Any]) -> Self:
        """Any: the JSON of a row. Raises ValueError for what cannot be meant."""
        backoff = spec.get("backoff")
        made = cls(
            restart=Restart(spec.get("restart", Restart.TRANSIENT)),
            intensity=int(spec.get("intensity", 3)),
            period=float(spec.get("period", 5.0)),
            max_lost=int(spec.get("max_lost", 5)),
            backoff=Backoff.from_json(backoff) if isinstance(backoff, dict) else None,
            budget=float(spec.get("budget", 1.0)),
        )
        if made.intensity < 0 or made.period <= 0 or made.max_lost < 1 or not 0 <= made.budget <= 1:
            raise ValueError(
                "intensity is at least 0, period more than 0, max_lost at least 1, budget 0 to 1"
            )
        return made


@dataclass(frozen=True, slots=True)
class History:
    """What is known when an attempt ends.

    restarts   when tasks of this name were run again under this supervisor, Unix seconds
    lost       attempts of this task that ended with a dead worker, this one included
    attempts   attempts so far, this one included
    starts, restarted   of the name under its supervisor, in the last BUDGET_WINDOW_S
    """

    restarts: Sequence[float] = ()
    lost: int = 0
    attempts: int = 1
    starts: int = 0
    restarted: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that follows; `delay_s` until it is queued again where it is `retrying`; why it is given up, else ""."""

    state: RunState
    delay_s: float = 0.0
    why: str = ""


def after_attempt(
    policy: Policy, outcome: Outcome, history: History, *, task_id: str, now: float, revoked: bool = False
) -> Verdict:
    """What becomes of the task. `outcome` is one of done, failed, lost, revoked; `revoked`: somebody asked for that."""
    if outcome == Outcome.REVOKED or (revoked and outcome != Outcome.DONE):
        return Verdict(RunState.REVOKED)
    if outcome == Outcome.LOST:
        return _after_loss(policy, history)
    if policy.restart == Restart.TEMPORARY or (
        policy.restart == Restart.TRANSIENT and outcome == Outcome.DONE
    ):
        return Verdict(RunState.DONE if outcome == Outcome.DONE else RunState.FAILED)
    if revoked:  # a permanent task that ended well, and is not wanted any more
        return Verdict(RunState.REVOKED)
    return _run_again(policy, history, task_id=task_id, now=now)


def _after_loss(policy: Policy, history: History) -> Verdict:
    if policy.restart == Restart.TEMPORARY:
        return Verdict(RunState.FAILED, why="its worker died, and it is temporary")
    if history.lost >= policy.max_lost:
        return Verdict(RunState.PARKED, why=f"{history.lost} attempts ended with a dead worker")
    return Verdict(RunState.RETRYING)


def _run_again(policy: Policy, history: History, *, task_id: str, now: float) -> Verdict:
    used = len(within(history.restarts, now=now, period=policy.period)) + 1
    if used > policy.intensity:
        return Verdict(
            RunState.PARKED,
            why=f"restart {used} in {policy.period:g} s, {policy.intensity} are allowed",
        )
    if history.restarted >= BUDGET_FREE and history.restarted >= policy.budget * max(1, history.starts):
        return Verdict(
            RunState.PARKED,
            why=f"the budget is spent: {history.restarted} restarts to {history.starts} starts in a minute",
        )
    delay = policy.backoff.delay(history.attempts, task_id) if policy.backoff is not None else 0.0
    return Verdict(RunState.RETRYING, delay_s=delay)
