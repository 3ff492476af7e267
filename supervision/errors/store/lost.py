"""What was not stored of what programs reported, by the hour and by why."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Sum

from supervision.errors.losses import Why, why
from supervision.errors.store.models import ErrorDiscard, ErrorProject

MOST_ROWS = 10_000
"""Of a project's hours: programs name reasons and categories as they like."""
MOST_SUMS = 1000
MOST_HOURS = 720
"""That may be asked for at a time: 30 days."""


@dataclass(frozen=True, slots=True)
class Lost:
    """So many of a category, for one reason. `project` is its slug."""

    project: str
    category: str
    reason: str
    count: int

    @property
    def why(self) -> Why:
        return why(self.reason)


def first_hour(now: dt.datetime, hours: int) -> dt.datetime:
    """The beginning of the oldest of the last `hours`, the one that goes on among them."""
    return now.replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=hours - 1)


def lost(*, trees: frozenset[str] | None, now: dt.datetime, hours: int = 24) -> list[Lost]:
    """Sums of the last hours, of projects that may be seen (None: every one), by project, the largest first. One query."""
    rows = ErrorDiscard.objects.filter(hour__gte=first_hour(now, hours), count__gt=0)
    if trees is not None:
        rows = rows.filter(project__tree__in=trees)
    sums = rows.values_list("project__slug", "category", "reason").annotate(n=Sum("count"))
    return [Lost(*row) for row in sums.order_by("project__slug", "-n", "category", "reason")[:MOST_SUMS]]


@dataclass(frozen=True, slots=True)
class LostHours:
    """The newest MOST_ROWS of what was not stored since `since`; `is_whole`: that is all."""

    since: dt.datetime
    items: Sequence[ErrorDiscard]
    is_whole: bool


def lost_hours(project: ErrorProject, *, now: dt.datetime, hours: int) -> LostHours:
    """Of one project. One query."""
    since = first_hour(now, hours)
    rows = project.discards.filter(hour__gte=since, count__gt=0).order_by("-hour", "category", "reason")
    found = list(rows[: MOST_ROWS + 1])
    return LostHours(since, found[:MOST_ROWS], is_whole=len(found) <= MOST_ROWS)
