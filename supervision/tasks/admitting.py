"""Task pools: how many tasks may wait, counted over rows, and what happens to those past the bound."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from supervision.tasks.exceptions import TaskError
from supervision.tasks.models import TaskRun
from supervision.tasks.states import WAITING, RunState

if TYPE_CHECKING:
    from supervision.tasks.starting import Start

DROPPED = "dropped: its pool was full"
REFUSE, DROP_OLDEST, DROP_NEWEST = "refuse", "drop_oldest", "drop_newest"


class PoolFullError(TaskError):
    """As many tasks wait in the pool as may."""


def admit(starts: "Sequence[Start]", now: datetime) -> frozenset[str]:
    """Make room for `starts` in their pools, by each pool's own rule; ids of those among them that are dropped.

    In the caller's transaction, one at a time for each pool. Raises PoolFullError, TaskError.
    """
    dropped: set[str] = set()
    for supervisor in sorted({one.supervisor for one in starts if one.spec.get("pool") is not None}):
        mine = [one for one in starts if one.supervisor == supervisor]
        dropped |= _admit(supervisor, mine, now)
    return frozenset(dropped)


def _admit(supervisor: str, starts: "Sequence[Start]", now: datetime) -> set[str]:
    most, overflow = _bound(starts[0].spec["pool"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [supervisor])
    waiting = TaskRun.objects.filter(supervisor=supervisor, state__in=sorted(WAITING))
    over = waiting.count() + len(starts) - most
    if over <= 0:
        return set()
    if overflow == REFUSE:
        raise PoolFullError(f"{most} tasks wait in the pool {supervisor}, no more may")
    newest = [one.id for one in starts[max(0, len(starts) - over) :]]
    if overflow == DROP_NEWEST:
        return set(newest)
    oldest = list(
        waiting.select_for_update(skip_locked=True)
        .order_by("created_at", "pk")
        .values_list("pk", flat=True)[:over]
    )
    TaskRun.objects.filter(pk__in=oldest).update(
        state=RunState.REVOKED, ended_at=now, changed_at=now, due_at=None, message=DROPPED
    )
    return set(newest[len(oldest) :])


def _bound(pool: Any) -> tuple[int, str]:
    """Any: JSON of a program."""
    most = pool.get("max_waiting") if isinstance(pool, dict) else None
    overflow = pool.get("overflow") if isinstance(pool, dict) else None
    if not isinstance(most, int) or most < 1 or overflow not in (REFUSE, DROP_OLDEST, DROP_NEWEST):
        raise TaskError(
            "a pool has `max_waiting`, at least 1, and an `overflow` of refuse, drop_oldest or drop_newest"
        )
    return most, str(overflow)
