"""Reads of the tasks room. Every list has an order and is cut by its caller."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from supervision.tasks.exceptions import NoSuchRequestError, NoSuchTaskError
from supervision.tasks.models import PoolScale, TaskAttempt, TaskQueue, TaskRun, TaskWorker, WorkerRequest
from supervision.tasks.states import DEAD_LETTERS, RunState

NOT_CURRENT = timedelta(seconds=15)
"""What a worker told longer ago than this is shown as old."""


def runs(
    *, trees: Collection[str] | None, state: str = "", name: str = "", queue: str = "", supervisor: str = ""
) -> QuerySet[TaskRun]:
    """Newest first; of `trees` only, where not every tree may be seen. `state`: one of the words, `open` or `dead`."""
    found = TaskRun.objects.order_by("-created_at", "-id")
    if trees is not None:
        found = found.filter(tree__in=sorted(trees)).exclude(tree="")
    if state == "dead":
        found = found.filter(state__in=sorted(DEAD_LETTERS))
    elif state == "open":
        found = found.filter(ended_at=None)
    elif state:
        found = found.filter(state=state)
    wanted = Q(name=name) if name else Q()
    wanted &= Q(queue=queue) if queue else Q()
    return found.filter(wanted & (Q(supervisor=supervisor) if supervisor else Q()))


def get_run(run_id: str, *, trees: Collection[str] | None) -> TaskRun:
    """Raises NoSuchTaskError, also for one that is not the caller's business."""
    found = runs(trees=trees).filter(pk=run_id).first()
    if found is None:
        raise NoSuchTaskError("there is no such task")
    return found


def attempts_of(run: TaskRun) -> QuerySet[TaskAttempt]:
    return run.attempts.order_by("number")


def workers(*, trees: Collection[str] | None) -> QuerySet[TaskWorker]:
    found = TaskWorker.objects.order_by("key", "node_id", "-incarnation")
    return found if trees is None else found.filter(tree__in=sorted(trees))


def queues() -> QuerySet[TaskQueue]:
    return TaskQueue.objects.order_by("app", "name")


def scales(*, trees: Collection[str] | None) -> QuerySet[PoolScale]:
    found = PoolScale.objects.order_by("tree", "path")
    return found if trees is None else found.filter(tree__in=sorted(trees))


def get_request(request_id: Any) -> WorkerRequest:
    """Raises NoSuchRequestError. Any: a UUID or its text."""
    found = WorkerRequest.objects.filter(pk=request_id).first()
    if found is None:
        raise NoSuchRequestError("there is no such request")
    return found


def count_states(*, trees: Collection[str] | None, since: datetime) -> dict[str, int]:
    """How many tasks are in each state: those that are open, and those that ended since."""
    found = TaskRun.objects.filter(Q(ended_at=None) | Q(ended_at__gte=since))
    if trees is not None:
        found = found.filter(tree__in=sorted(trees))
    counted = dict.fromkeys(map(str, RunState), 0)
    rows = found.order_by().values("state").annotate(number=Count("pk"))
    counted.update({str(row["state"]): int(row["number"]) for row in rows})
    return counted


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds at p50, p95 and p99 of one task's time in the queue and run time; None: nothing is known."""

    name: str
    count: int
    failed: int
    waited: tuple[float | None, float | None, float | None]
    ran: tuple[float | None, float | None, float | None]


_LATENCIES = """
SELECT name,
       count(*),
       count(*) FILTER (WHERE state IN ('failed', 'parked')),
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
           ORDER BY extract(epoch FROM started_at - published_at)
       ) FILTER (WHERE attempt = 1 AND published_at IS NOT NULL AND started_at >= published_at),
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY run_s) FILTER (WHERE run_s IS NOT NULL)
FROM (
    SELECT name, state, attempt, published_at, started_at, run_s
    FROM supervision_taskrun
    WHERE ended_at > %(since)s
      AND (%(all)s OR tree = ANY(%(trees)s))
    ORDER BY ended_at DESC
    LIMIT %(most)s
) AS ended
GROUP BY name
ORDER BY count(*) DESC, name
LIMIT %(limit)s
"""
"""Of the newest tasks that ended, by name: how long they waited and ran."""
MOST_MEASURED = 50_000


def latencies(*, trees: Collection[str] | None, since: datetime, limit: int = 100) -> list[Latency]:
    """Of tasks that ended since, the most frequent names first; over MOST_MEASURED of them at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LATENCIES,
            {
                "since": since, "all": trees is None, "trees": sorted(trees or ()), "most": MOST_MEASURED,
                "limit": limit,
            },
        )  # fmt: skip
        return [
            Latency(str(name), int(count), int(failed), _three(waited), _three(ran))
            for name, count, failed, waited, ran in cursor.fetchall()
        ]


def _three(values: Iterable[Any] | None) -> tuple[float | None, float | None, float | None]:
    found = [None if value is None else float(value) for value in values or ()] or [None, None, None]
    return found[0], found[1], found[2]
