"""How many workers a pool should have: by queue length and age of the oldest message, between two bounds. Pure.

One worker at a time, and none within the cooldown; out of its bounds a pool is brought back at once. What is not known
changes nothing: a queue that nobody has told of lately is neither empty nor full.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

CALM = 0.5
"""One less only when what waits is under this part of what one less may have waiting: no swinging to and fro."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The `scale` section. `queue_length`: messages for each worker; `oldest_s`, `cooldown_s`: seconds."""

    least: int
    most: int
    queue_length: int | None = None
    oldest_s: float | None = None
    cooldown_s: float = 60.0

    @classmethod
    def of_section(cls, scale: Mapping[str, Any]) -> Self:
        """Any: the normal form of the section."""
        return cls(
            int(scale["min"]),
            int(scale["max"]),
            scale.get("queue_length"),
            scale.get("oldest"),
            float(scale["cooldown"]),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a pool now. `length`, `oldest_s`: of its queues together; None: not known, or nothing waits."""

    workers: int
    since_change_s: float
    length: int | None = None
    oldest_s: float | None = None
    by_hand: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """So many workers, and why."""

    workers: int
    why: str


def decide(bounds: Bounds, seen: Seen) -> Change | None:
    """The next step; None: it is as it should be, or nothing is known."""
    if seen.by_hand is not None:
        wanted = min(max(seen.by_hand, bounds.least), bounds.most)
        return _to(seen, wanted, "by hand")
    if not bounds.least <= seen.workers <= bounds.most:
        return _to(seen, min(max(seen.workers, bounds.least), bounds.most), "its bounds are others")
    if seen.since_change_s < bounds.cooldown_s or seen.length is None:
        return None
    if seen.workers < bounds.most and (why := _too_few(bounds, seen)):
        return Change(seen.workers + 1, why)
    if seen.workers > bounds.least and _too_many(bounds, seen):
        return Change(seen.workers - 1, f"{seen.length} wait, one less is enough")
    return None


def _to(seen: Seen, wanted: int, why: str) -> Change | None:
    return Change(wanted, why) if wanted != seen.workers else None


def _too_few(bounds: Bounds, seen: Seen) -> str:
    length = seen.length or 0
    if seen.workers == 0 and length:
        return f"{length} wait, and nobody works"
    if bounds.queue_length is not None and length > bounds.queue_length * seen.workers:
        return f"{length} wait, more than {bounds.queue_length} for each of {seen.workers}"
    if bounds.oldest_s is not None and seen.oldest_s is not None and seen.oldest_s > bounds.oldest_s:
        return f"the oldest waits for {seen.oldest_s:.0f} s, more than {bounds.oldest_s:g}"
    return ""


def _too_many(bounds: Bounds, seen: Seen) -> bool:
    left, length = seen.workers - 1, seen.length or 0
    if bounds.queue_length is None and bounds.oldest_s is None:
        return False
    if left == 0 and length:
        return False
    if bounds.queue_length is not None and length > CALM * bounds.queue_length * left:
        return False
    return bounds.oldest_s is None or (seen.oldest_s or 0.0) <= CALM * bounds.oldest_s
