"""The series that a rule looks at: from minutes of samples, from incarnations, queues and attempts of tasks."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, ObservedChild
from supervision.rules.conditions import MINUTE_S, Point
from supervision.rules.measures import GAUGE, MEASURES, Of, measure_of
from supervision.rules.models import MeasureRule, QueueMinute
from supervision.samples.models import SampleMinute
from supervision.tasks.models import TaskQueue

SAMPLED = {
    "cpu": "cpu_avg",
    "rss": "rss_avg",
    "pss": "pss",
    "fds": "fds_max",
    "threads": "threads_max",
    "children": "children_max",
}
MOST_POINTS = 2_000_000
"""Of one look of one rule. Beyond it the rule says so instead of slowing everything down."""
TOLD_WITHIN = timedelta(minutes=2)
"""A queue that nobody told of for longer is not known."""


class TooMuchError(Exception):
    """A rule watches more than can be read at once."""


@dataclass(slots=True)
class Series:
    """One subject's points, in order."""

    tree: str = ""
    key: str = ""
    node_id: str = ""
    points: list[Point] = field(default_factory=list)


def series(rule: MeasureRule, *, now: datetime) -> dict[str, Series]:
    """By subject. Whole minutes only. Raises TooMuchError."""
    measure = measure_of(rule.measure)
    until = now.astimezone(UTC).replace(second=0, microsecond=0)
    since = until - timedelta(minutes=rule.window_minutes + rule.hold_minutes + 3)
    match measure.of:
        case Of.QUEUE:
            return _queues(rule, since)
        case Of.TASK:
            return _tasks(rule, since, until)
        case Of.CHILD if rule.measure == "restarts":
            return _restarts(rule, since, until)
        case _:
            return _samples(rule, since)


def matching(rows: "QuerySet[Any]", tree: str, pattern: str, column: str = "key") -> "QuerySet[Any]":
    """Of `tree`, and of names that match `pattern`. Any: rows of several rooms."""
    if tree:
        rows = rows.filter(Q(**{column: tree}) | Q(**{f"{column}__startswith": f"{tree}/"}))
    return rows.filter(**{f"{column}__regex": regex(pattern)}) if pattern else rows


def regex(pattern: str) -> str:
    """Of a pattern with `*`, as PostgreSQL reads it."""
    return "^" + ".*".join(re.escape(part) for part in pattern.split("*")) + "$"


def _samples(rule: MeasureRule, since: datetime) -> dict[str, Series]:
    rows = matching(SampleMinute.objects.filter(at__gte=since), rule.tree, rule.pattern)
    own = rule.measure.removeprefix(GAUGE) if rule.measure not in MEASURES else ""
    column = f"gauges__{own}" if own else SAMPLED[rule.measure]
    found = rows.order_by("at").values_list("node_id", "key", "at", "gauges" if own else column)
    values = (
        (node, key, int(at.timestamp()), _gauge(value, own) if own else value)
        for node, key, at, value in found[: MOST_POINTS + 1].iterator(chunk_size=5000)
    )
    return _by_child(values)


def _gauge(gauges: object, name: str) -> float | None:
    """A minute's average of the program's own value; None where there is none."""
    entry = gauges.get(name) if isinstance(gauges, dict) else None
    value = entry.get("avg", entry.get("last")) if isinstance(entry, dict) else entry
    return float(value) if isinstance(value, int | float) else None


def _restarts(rule: MeasureRule, since: datetime, until: datetime) -> dict[str, Series]:
    """How often each child was started again, minute by minute; a minute without is zero, because the journal has no gap."""
    children = matching(
        ObservedChild.objects.filter(removed=False, is_supervisor=False), rule.tree, rule.pattern
    ).values_list("node_id", "key")
    counts: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    started = matching(
        Incarnation.objects.filter(started_at__gte=since, started_at__lt=until, number__gt=1),
        rule.tree,
        rule.pattern,
    )
    for node, key, at in started.values_list("node_id", "key", "started_at"):
        counts[node, key][int(at.timestamp()) // MINUTE_S * MINUTE_S] += 1
    minutes = range(int(since.timestamp()), int(until.timestamp()), MINUTE_S)
    found = list(children)
    if len(found) * len(minutes) > MOST_POINTS:
        raise TooMuchError
    return _by_child(
        (node, key, minute, counts[node, key][minute] if (node, key) in counts else 0)
        for node, key in found
        for minute in minutes
    )


def _by_child(values: Iterable[tuple[str, str, int, float | None]]) -> dict[str, Series]:
    hosts = dict(Node.objects.values_list("id", "name"))
    found: dict[tuple[str, str], Series] = {}
    for number, (node, key, at, value) in enumerate(values):
        if number >= MOST_POINTS:
            raise TooMuchError
        if value is None:
            continue
        one = found.get((node, key))
        if one is None:
            one = found[node, key] = Series(tree=key.partition("/")[0], key=key, node_id=node)
        one.points.append(Point(at, float(value)))
    return {f"{key} on {hosts.get(node, node)}": one for (node, key), one in found.items()}


def note_queues(*, now: datetime) -> int:
    """Write down what queues were last told to be, one row for each minute. How many rows."""
    minute = now.astimezone(UTC).replace(second=0, microsecond=0)
    rows = [
        QueueMinute(app=queue.app, name=queue.name, at=minute, length=queue.length, oldest_s=queue.oldest_s)
        for queue in TaskQueue.objects.filter(seen_at__gte=now - TOLD_WITHIN)
    ]
    QueueMinute.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["app", "name", "at"],
        update_fields=["length", "oldest_s"],
    )
    return len(rows)


def _queues(rule: MeasureRule, since: datetime) -> dict[str, Series]:
    rows = matching(QueueMinute.objects.filter(at__gte=since), "", rule.pattern, "name").order_by("at")
    found: dict[str, Series] = defaultdict(Series)
    for row in rows:
        value = row.length if rule.measure == "queue_length" else row.oldest_s
        if value is not None:
            found[f"{row.name} of {row.app}"].points.append(Point(int(row.at.timestamp()), float(value)))
    return dict(found)


_TASKS = """
SELECT run.name,
       date_trunc('minute', attempt.ended_at, 'UTC') AS minute,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY attempt.run_s) AS task_p95,
       100.0 * count(*) FILTER (WHERE attempt.outcome IN ('failed', 'lost')) / count(*) AS task_failures
FROM supervision_taskattempt AS attempt
JOIN supervision_taskrun AS run ON run.id = attempt.run_id
WHERE attempt.ended_at >= %(since)s
  AND attempt.ended_at < %(until)s
  AND (%(tree)s = '' OR run.tree = %(tree)s)
  AND (%(pattern)s = '' OR run.name ~ %(pattern)s)
GROUP BY run.name, minute
ORDER BY minute
"""


def _tasks(rule: MeasureRule, since: datetime, until: datetime) -> dict[str, Series]:
    pattern = regex(rule.pattern) if rule.pattern else ""
    with connection.cursor() as cursor:
        cursor.execute(_TASKS, {"since": since, "until": until, "tree": rule.tree, "pattern": pattern})
        rows = cursor.fetchall()
    found: dict[str, Series] = defaultdict(lambda: Series(tree=rule.tree))
    for name, minute, p95, failures in rows:
        value = p95 if rule.measure == "task_p95" else failures
        if value is not None:
            found[f"task {name}"].points.append(Point(int(minute.timestamp()), float(value)))
    return dict(found)
