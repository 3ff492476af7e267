"""The kernel's front: one object for one tree."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from supervision.kernel.actions import Action
from supervision.kernel.events import Event
from supervision.kernel.plan import PlanStep
from supervision.kernel.spec import ChildSpec, SupervisorSpec


@dataclass(frozen=True, slots=True)
class ChildView:
    """One child or supervisor as a page shows it. Times are on the scale of `now`.

    supervisor      key of its supervisor, None for the root
    incarnation     of the life now, or the last one; 0 before the first
    restarts        how often its supervisor started it again
    wanted          False while an operator's stop stands
    held            a hold stands; held_until None: without expiry
    waiting_for     keys that are not ready, while the state is `waiting`
    backoff_until   while the state is `backoff`
    window_used     for a running supervisor: restarts that count against its intensity now
    alive           a process (or a supervisor that is at work) exists
    dynamic         added by start_child, not declared
    """

    key: str
    id: str
    spec: ChildSpec
    supervisor: str | None
    state: str
    incarnation: int
    restarts: int
    since: float
    wanted: bool
    held: bool
    held_until: float | None
    waiting_for: tuple[str, ...]
    backoff_until: float | None
    window_used: int
    alive: bool
    dynamic: bool


class Kernel:
    """Decides for one tree. Same state, same event, same `now`: same actions.

    Raises SpecError when the tree cannot be (an unknown dependency, a cycle).
    """

    def __init__(
        self, name: str, spec: SupervisorSpec, *, incarnations: dict[str, int] | None = None
    ) -> None:
        """incarnations: numbers already used, per key (a fresh kernel after a reboot carries them on)."""
        raise NotImplementedError

    def handle(self, event: Event, *, now: float) -> tuple[list[Action], float | None]:
        """The actions to take, in order, and the next deadline: hand in a Tick then. now: seconds, any monotonic scale."""
        raise NotImplementedError

    def plan(self, new: SupervisorSpec) -> list[PlanStep]:
        """Exactly what `Apply(new)` would do now, in order."""
        raise NotImplementedError

    def children(self) -> Iterator[ChildView]:
        """Every child and supervisor, the root first, then in start order, depth first."""
        raise NotImplementedError

    def child(self, key: str) -> ChildView | None:
        raise NotImplementedError

    def incarnations(self) -> dict[str, int]:
        raise NotImplementedError

    def dump(self) -> dict[str, Any]:
        """The complete state as JSON, versioned."""
        raise NotImplementedError

    @classmethod
    def load(cls, state: dict[str, Any]) -> "Kernel":
        raise NotImplementedError
