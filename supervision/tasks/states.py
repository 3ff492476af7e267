"""The states of a task and of its attempts, and which may follow which. Pure.

docs/tasks.md has the words. `parked` and `failed` are the dead letters: with reason and traceback, to be replayed.
"""

from enum import StrEnum


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"
    PARKED = "parked"
    REVOKED = "revoked"


class Outcome(StrEnum):
    """How an attempt stands or ended. `refused`: it told its end with an epoch that was over."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    RETRIED = "retried"
    LOST = "lost"
    REVOKED = "revoked"
    REFUSED = "refused"


ENDED = frozenset({RunState.DONE, RunState.FAILED, RunState.PARKED, RunState.REVOKED})
OPEN = frozenset(RunState) - ENDED
DEAD_LETTERS = frozenset({RunState.FAILED, RunState.PARKED})
WAITING = frozenset({RunState.QUEUED, RunState.RETRYING})


def is_ended(state: str) -> bool:
    return state in ENDED
