"""What counts for an objective, minute by minute, and the sums over windows."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Min, Sum

from supervision.fleet.models import Node, NodeState
from supervision.journal.models import Incarnation, ObservedChild
from supervision.rules.budget import Tally
from supervision.rules.conditions import MINUTE_S
from supervision.rules.models import Indicator, Objective, ObjectiveMinute, QueueMinute
from supervision.rules.readings import matching, regex

LATE = timedelta(minutes=10)
"""Minutes that are counted again: a node may ship its records late."""
QUEUES_KEPT = timedelta(days=2)
MISSED_MOST = timedelta(hours=6)
"""How far back minutes are made up when nobody counted."""
GONE = (NodeState.SUSPECT, NodeState.DOWN)


def count_minutes(objective: Objective, *, now: datetime) -> int:
    """Count the minutes that ended; those of the last while again. How many rows."""
    until = now.astimezone(UTC).replace(second=0, microsecond=0)
    newest = objective.minutes.order_by("-at").values_list("at", flat=True).first()
    begin = max(newest or objective.created_at, until - MISSED_MOST)
    begin = min(begin, until - LATE)
    since = max(begin, objective.created_at.astimezone(UTC)).replace(second=0, microsecond=0)
    if since >= until:
        return 0
    if objective.indicator == Indicator.AVAILABILITY:
        counted = _availability(objective, since, until)
    else:
        counted = _tasks(objective, since, until)
    ObjectiveMinute.objects.bulk_create(
        [
            ObjectiveMinute(objective=objective, at=at, good=min(good, total), total=total)
            for at, (good, total) in sorted(counted.items())
            if total > 0
        ],
        update_conflicts=True,
        unique_fields=["objective", "at"],
        update_fields=["good", "total"],
    )
    return len(counted)


def tally(objective: Objective, *, seconds: int, now: datetime) -> Tally:
    """Of the last `seconds`."""
    found = objective.minutes.filter(at__gte=now - timedelta(seconds=seconds)).aggregate(
        good=Sum("good"), total=Sum("total")
    )
    return Tally(found["good"] or 0.0, found["total"] or 0.0)


def drop_old(*, now: datetime) -> int:
    """Minutes older than their objective, or any rule, looks back. How many rows."""
    removed = int(QueueMinute.objects.filter(at__lt=now - QUEUES_KEPT).delete()[0])
    for objective in Objective.objects.all():
        kept = timedelta(days=objective.days + 1)
        removed += objective.minutes.filter(at__lt=now - kept).delete()[0]
    return removed


def _availability(
    objective: Objective, since: datetime, until: datetime
) -> dict[datetime, tuple[float, float]]:
    """Seconds that children should have run, and did. A child that an operator stopped or holds does not count; one whose
    node is lost did not run since its lease ended, as far as anybody knows."""
    members = _members(objective)
    if not members:
        return {}
    silent = dict(
        Node.objects.filter(state__in=GONE, renewed_at__isnull=False).values_list("id", "renewed_at")
    )
    lives = matching(
        Incarnation.objects.filter(started_at__isnull=False, started_at__lt=until).exclude(
            ended_at__lt=since
        ),
        objective.tree,
        objective.pattern,
    ).values_list("node_id", "key", "started_at", "ready_at", "ended_at")
    begin, minutes = int(since.timestamp()), int((until - since).total_seconds()) // MINUTE_S
    good = [0.0] * minutes
    for node, key, started, ready, ended in lives:
        if (node, key) not in members:
            continue
        ends = min(moment for moment in (ended, silent.get(node), until) if moment is not None)
        _cover(good, (ready or started).timestamp() - begin, ends.timestamp() - begin)
    total = [0.0] * minutes
    for known_since in members.values():
        _cover(total, (known_since or since).timestamp() - begin, float(minutes * MINUTE_S))
    return {
        since + timedelta(minutes=index): counted
        for index, counted in enumerate(zip(good, total, strict=True))
    }


def _members(objective: Objective) -> dict[tuple[str, str], datetime | None]:
    """Children that should run now, and since when each is known: when it first started, or failed to."""
    wanted = matching(
        ObservedChild.objects.filter(
            removed=False, is_supervisor=False, wanted="up", held=False, restart="permanent"
        ),
        objective.tree,
        objective.pattern,
    )
    known = {(node, key): since for node, key, since in wanted.values_list("node_id", "key", "since")}
    first = (
        matching(Incarnation.objects.filter(started_at__isnull=False), objective.tree, objective.pattern)
        .values("node_id", "key")
        .annotate(first=Min("started_at"))
    )
    for row in first:
        if (row["node_id"], row["key"]) in known:
            known[row["node_id"], row["key"]] = row["first"]
    return known


def _cover(minutes: list[float], first: float, last: float) -> None:
    """Add the seconds from `first` to `last` to the minutes that they lie in."""
    first, last = max(0.0, first), min(float(len(minutes) * MINUTE_S), last)
    index = int(first // MINUTE_S)
    while first < last:
        edge = min(last, (index + 1) * float(MINUTE_S))
        minutes[index] += edge - first
        first, index = edge, index + 1


_TASKS = """
SELECT date_trunc('minute', attempt.ended_at, 'UTC') AS minute,
       count(*) FILTER (
           WHERE attempt.outcome = 'done' AND (%(latency)s::float IS NULL OR attempt.run_s <= %(latency)s)
       ) AS good,
       count(*) AS total
FROM supervision_taskattempt AS attempt
JOIN supervision_taskrun AS run ON run.id = attempt.run_id
WHERE attempt.ended_at >= %(since)s
  AND attempt.ended_at < %(until)s
  AND attempt.outcome = ANY(%(outcomes)s)
  AND (%(tree)s = '' OR run.tree = %(tree)s)
  AND (%(pattern)s = '' OR run.name ~ %(pattern)s)
GROUP BY minute
"""
SUCCESS = ["done", "failed", "lost"]
"""Not those that were revoked or will be tried again: the caller has no outcome yet."""


def _tasks(objective: Objective, since: datetime, until: datetime) -> dict[datetime, tuple[float, float]]:
    latency = objective.indicator == Indicator.TASK_LATENCY
    with connection.cursor() as cursor:
        cursor.execute(
            _TASKS,
            {
                "since": since,
                "until": until,
                "tree": objective.tree,
                "pattern": regex(objective.pattern) if objective.pattern else "",
                "latency": objective.latency_s if latency else None,
                "outcomes": ["done"] if latency else SUCCESS,
            },
        )
        return {minute: (float(good), float(total)) for minute, good, total in cursor.fetchall()}
