"""Which worker of a pool has done its share: by memory, by number of tasks, by age, or as all are to be fresh. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The `recycle` section: bytes, tasks, seconds; None: no bound."""

    memory_bytes: int | None = None
    tasks: int | None = None
    age_s: float | None = None

    @classmethod
    def of_section(cls, recycle: Mapping[str, Any] | None) -> Self:
        """Any: the normal form of the section."""
        section = recycle or {}
        return cls(section.get("memory"), section.get("tasks"), section.get("age"))


@dataclass(frozen=True, slots=True)
class Life:
    """One worker as it last told of itself. `is_rolled`: it began before a rolling restart was asked for."""

    node_id: str
    key: str
    incarnation: int
    age_s: float
    tasks: int = 0
    memory_bytes: int | None = None
    is_rolled: bool = False


def why_due(limits: Limits, life: Life, *, roll_reason: str = "") -> str:
    """Why it is to be replaced, in words; "" for no reason."""
    used = life.memory_bytes
    if limits.memory_bytes is not None and used is not None and used > limits.memory_bytes:
        return f"memory: {used / MIB:.0f} MiB, more than {limits.memory_bytes / MIB:.0f} MiB"
    if limits.tasks is not None and life.tasks >= limits.tasks:
        return f"tasks: {life.tasks} run, at most {limits.tasks}"
    if limits.age_s is not None and life.age_s >= limits.age_s:
        return f"age: {life.age_s:.0f} s, at most {limits.age_s:.0f} s"
    return (roll_reason or "rolling restart") if life.is_rolled else ""


def next_due(limits: Limits, lives: Iterable[Life], *, roll_reason: str = "") -> tuple[Life, str] | None:
    """Who goes first, and why: the oldest of those that are due."""
    due = [(life, why) for life in lives if (why := why_due(limits, life, roll_reason=roll_reason))]
    return max(due, key=lambda one: (one[0].age_s, one[0].node_id, one[0].key), default=None)
