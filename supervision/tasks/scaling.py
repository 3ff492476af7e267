"""How many workers a pool should have. Pure: no rows; the time is told.

What counts first: that it is drained; then what an operator asked for, by hand, until that is taken back; then its bounds,
where the schedule's newest entry stands in the place of `min`; then, between them, queue length and age of the oldest
message.

By what waits it is one worker at a time, and none within the cooldown, but for the first of a pool that has none; out of its
bounds a pool is brought back at once.
What is not known changes nothing: a queue that nobody has told of lately is neither empty nor full.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

CALM = 0.5
"""One less only when what waits is under this part of what one less may have waiting: no swinging to and fro."""
DRAINED, BY_HAND, BY_SCHEDULE, BY_WAITING, BY_TREE = (
    "drained", "by hand", "by its schedule", "by what waits", "as its tree says",
)  # fmt: skip
"""Who decides."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The `scale` section. `queue_length`: messages for each worker; `oldest_s`, `cooldown_s`: seconds."""

    least: int
    most: int
    queue_length: int | None = None
    oldest_s: float | None = None
    cooldown_s: float = 60.0
    schedule: tuple[tuple[str, int, str], ...] = ()
    """Cron line, fewest workers from then on, time zone."""

    @classmethod
    def of_section(cls, scale: Mapping[str, Any]) -> Self:
        """Any: the normal form of the section."""
        return cls(
            int(scale["min"]),
            int(scale["max"]),
            scale.get("queue_length"),
            scale.get("oldest"),
            float(scale["cooldown"]),
            tuple((one["cron"], int(one["workers"]), one["timezone"]) for one in scale.get("schedule", ())),
        )

    @property
    def is_by_clock_alone(self) -> bool:
        """Nothing is said of what waits, and something of the time."""
        return bool(self.schedule) and self.queue_length is None and self.oldest_s is None

    def least_at(self, now: datetime) -> int:
        """Fewest workers now: what the schedule's entry that was due last says, else `min`."""
        due = [(at, workers) for cron, workers, zone in self.schedule if (at := last_due(cron, zone, now))]
        return min(max(due)[1] if due else self.least, self.most)


def last_due(cron: str, zone: str, now: datetime) -> datetime | None:
    """When the line was due last, up to now; None for one that is never due."""
    return _last_due(cron, zone, now.replace(second=0, microsecond=0))


@lru_cache(maxsize=1024)
def _last_due(cron: str, zone: str, minute: datetime) -> datetime | None:
    try:
        local = (minute + timedelta(seconds=1)).astimezone(ZoneInfo(zone))
        return next(CronSim(cron, local, reverse=True))
    except (CronSimError, ZoneInfoNotFoundError, StopIteration, ValueError, OSError):
        return None  # its document was refused where it can be told; this one was stored before


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a pool now. `length`, `oldest_s`: of its queues together; None: not known, or nothing waits."""

    workers: int
    since_change_s: float
    length: int | None = None
    oldest_s: float | None = None
    by_hand: int | None = None
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """So many workers, and why."""

    workers: int
    why: str


def decide(bounds: Bounds, seen: Seen, now: datetime) -> Change | None:
    """The next step; None: it is as it should be, or nothing is known."""
    if seen.drained:
        return _to(seen, 0, DRAINED)
    if seen.by_hand is not None:
        return _to(seen, min(max(seen.by_hand, bounds.least), bounds.most), BY_HAND)
    least = bounds.least_at(now)
    if bounds.is_by_clock_alone:
        return _to(seen, least, BY_SCHEDULE)
    if not least <= seen.workers <= bounds.most:
        why = BY_SCHEDULE if seen.workers < least != bounds.least else "its bounds are others"
        return _to(seen, min(max(seen.workers, least), bounds.most), why)
    if seen.length is None:
        return None
    if seen.workers == 0 and seen.length:
        return Change(1, f"{seen.length} wait, and nobody works")  # nobody has to wait for the cooldown
    if seen.since_change_s < bounds.cooldown_s:
        return None
    if seen.workers < bounds.most and (why := _too_few(bounds, seen)):
        return Change(seen.workers + 1, why)
    if seen.workers > least and _too_many(bounds, seen):
        return Change(seen.workers - 1, f"{seen.length} wait, one less is enough")
    return None


def decide_fixed(instances: int, seen: Seen) -> Change | None:
    """Of a pool without `scale`: its document's `instances`, unless it is drained or an operator said how many."""
    if seen.drained:
        return _to(seen, 0, DRAINED)
    if seen.by_hand is not None:
        return _to(seen, seen.by_hand, BY_HAND)
    return _to(seen, instances, BY_TREE)


def who_decides(bounds: Bounds | None, *, by_hand: int | None, drained: bool, now: datetime) -> str:
    """How many there are. `bounds` None: a pool without `scale`."""
    if drained:
        return DRAINED
    if by_hand is not None:
        return BY_HAND
    if bounds is None:
        return BY_TREE
    return BY_SCHEDULE if bounds.is_by_clock_alone or bounds.least_at(now) != bounds.least else BY_WAITING


def _to(seen: Seen, wanted: int, why: str) -> Change | None:
    return Change(wanted, why) if wanted != seen.workers else None


def _too_few(bounds: Bounds, seen: Seen) -> str:
    length = seen.length or 0
    if bounds.queue_length is not None and length > bounds.queue_length * seen.workers:
        return f"{length} wait, more than {bounds.queue_length} for each of {seen.workers}"
    if bounds.oldest_s is not None and seen.oldest_s is not None and seen.oldest_s > bounds.oldest_s:
        return f"the oldest waits for {seen.oldest_s:.0f} s, more than {bounds.oldest_s:g}"
    return ""


def _too_many(bounds: Bounds, seen: Seen) -> bool:
    if bounds.queue_length is None and bounds.oldest_s is None:
        return False
    left, length = seen.workers - 1, seen.length or 0
    if left == 0 and length:
        return False
    if bounds.queue_length is not None and length > CALM * bounds.queue_length * left:
        return False
    return bounds.oldest_s is None or (seen.oldest_s or 0.0) <= CALM * bounds.oldest_s
