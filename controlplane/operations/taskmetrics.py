"""What /metrics says of users' Celery tasks: from rows, with bounded labels; never a task's id or name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.utils import timezone
from prometheus_client.core import Metric

from supervision.tasks.poolviews import MOST_POOLS, pools
from supervision.tasks.states import RunState

MOST_QUEUES = 500
"""Past it the rest is not listed."""

TASKS = """
SELECT state, count(*)
FROM supervision_taskrun
WHERE ended_at IS NULL OR ended_at > clock_timestamp() - interval '1 hour'
GROUP BY state"""
QUEUES = """
SELECT app, name, length, oldest_s
FROM supervision_taskqueue
WHERE seen_at > clock_timestamp() - interval '15 seconds'
ORDER BY app, name
LIMIT %s"""
WORKERS = """
SELECT consumes, count(*)
FROM supervision_taskworker
WHERE seen_at > clock_timestamp() - interval '15 seconds'
GROUP BY consumes"""

Rows = Callable[..., list[tuple[Any, ...]]]
Gauge = Callable[[str, str, Sequence[str], Sequence[tuple[Sequence[str], float | bool]]], Metric]


def task_metrics(rows: Rows, gauge: Gauge) -> Iterator[Metric]:
    """`rows` runs a query, `gauge` makes a family. A queue that nobody tells of any more has no series."""
    counted = {str(state): int(number) for state, number in rows(TASKS)}
    yield gauge(
        "tasks",
        "Tasks by state: those that are open, and those that ended in the last hour.",
        ["state"],
        [([state.value], counted.get(state.value, 0)) for state in RunState],
    )
    queues = rows(QUEUES, MOST_QUEUES)
    yield gauge(
        "task_queue_messages",
        "Messages that wait in a queue.",
        ["app", "queue"],
        [([str(app), str(name)], int(length)) for app, name, length, _ in queues],
    )
    yield gauge(
        "task_queue_oldest_seconds",
        "Age of the message that comes next.",
        ["app", "queue"],
        [([str(app), str(name)], float(oldest)) for app, name, _, oldest in queues if oldest is not None],
    )
    yield gauge(
        "task_workers",
        "Workers that told of themselves lately, by whether they consume.",
        ["consumes"],
        [([str(bool(consumes)).lower()], int(number)) for consumes, number in rows(WORKERS)],
    )
    yield from _pool_metrics(gauge)


def _pool_metrics(gauge: Gauge) -> Iterator[Metric]:
    """Of pools of workers: one series each, MOST_POOLS at most."""
    found = [([pool.tree, pool.path], pool) for pool in pools(trees=None, now=timezone.now())[:MOST_POOLS]]
    labels = ["tree", "pool"]
    yield gauge(
        "task_pool_workers",
        "Workers of a pool that told of themselves lately, on all nodes.",
        labels,
        [(names, pool.workers) for names, pool in found],
    )
    yield gauge(
        "task_pool_workers_wanted",
        "Workers that a pool is to have on each of its nodes.",
        labels,
        [(names, pool.wanted) for names, pool in found],
    )
    yield gauge(
        "task_pool_messages",
        "Messages that wait in a pool's queues, where that is known.",
        labels,
        [(names, pool.waiting) for names, pool in found if pool.waiting is not None],
    )
    yield gauge(
        "task_pool_oldest_seconds",
        "Age of the oldest message that comes next in a pool's queues, where that is known.",
        labels,
        [(names, pool.oldest_s) for names, pool in found if pool.oldest_s is not None],
    )
