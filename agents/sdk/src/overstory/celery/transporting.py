"""What a stream needs from where its items run. Two implementations: Celery (calls.py), and forks of our own (memory.py)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .outcome import Outcome


@dataclass(frozen=True, slots=True)
class Call:
    """One item to run. Any: the task is Celery's, or a function; arguments are JSON."""

    id: str
    task: Any
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None


class Transport(Protocol):
    """Runs calls."""

    def start(self, calls: Sequence[Call]) -> None:
        """Begin them, all or none: when this returns each of them has an outcome sooner or later."""

    def outcomes(self, ids: Collection[str], wait_s: float) -> dict[str, Outcome]:
        """Outcomes of those that ended, after `wait_s` at the latest; sooner where one is there."""

    def give_up(self, ids: Collection[str], within_s: float) -> None:
        """Those that nobody has begun have failed, as no worker took them within so many seconds."""

    def withdraw(self, ids: Collection[str]) -> None:
        """They are not wanted any more: what waits never begins, what runs is killed."""
