"""Rows that rules and objectives are looked at with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from supervision.auditlog.actor import Actor, ActorKind
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, ObservedChild
from supervision.rules import services
from supervision.rules.models import MeasureRule, Objective
from supervision.samples.models import SampleMinute
from supervision.tasks.models import TaskAttempt, TaskRun

NOW = datetime(2026, 11, 28, 12, 0, 20, tzinfo=UTC)
ACTOR = Actor(kind=ActorKind.USER, id="1", name="ann")
MINUTE = timedelta(minutes=1)


def ago(minutes: float) -> datetime:
    """The begin of a minute, so many whole minutes before the one of NOW."""
    return NOW.replace(second=0) - timedelta(minutes=minutes)


def node(name: str = "alpha", **more: Any) -> Node:
    return Node.objects.create(id=name[0] * 32, name=name, joined_at=NOW, **more)


def child(host: Node, key: str, **more: Any) -> ObservedChild:
    fields = {"state": "running", "seq": 1, "child_id": key.rpartition("/")[2], "since": ago(600), **more}
    return ObservedChild.objects.create(node=host, tree=key.partition("/")[0], key=key, **fields)


def life(
    host: Node, key: str, number: int, started: datetime, ended: datetime | None = None, **more: Any
) -> Incarnation:
    return Incarnation.objects.create(
        node=host,
        tree=key.partition("/")[0],
        key=key,
        number=number,
        started_at=started,
        ended_at=ended,
        seq=number,
        **more,
    )


def sampled(host: Node, key: str, *values: Any, until: int = 1, column: str = "rss_avg") -> None:
    """A value a minute, the newest `until` minutes ago."""
    SampleMinute.objects.bulk_create(
        SampleMinute(node=host, key=key, at=ago(until + len(values) - 1 - index), n=60, **{column: value})
        for index, value in enumerate(values)
    )


def attempts(name: str, minute: datetime, *run_s: float, outcome: str = "done", tree: str = "") -> None:
    for index, seconds in enumerate(run_s):
        run = TaskRun.objects.create(
            id=f"{name}-{minute:%H%M}-{outcome}-{index}", name=name, tree=tree, state="done",
            created_at=minute, ended_at=minute, changed_at=minute,
        )  # fmt: skip
        TaskAttempt.objects.create(
            run=run, number=1, outcome=outcome, started_at=minute, ended_at=minute, run_s=seconds
        )


def rule(**fields: Any) -> MeasureRule:
    given = {"name": "memory", "measure": "rss", "shape": "threshold", "bound": 1000, **fields}
    return services.save_rule(rule=None, fields=services.RuleFields(**given), actor=ACTOR, now=NOW)


def objective(**fields: Any) -> Objective:
    given = {"name": "shop is up", "indicator": "availability", "target": 99.0, **fields}
    made = services.save_objective(
        objective=None, fields=services.ObjectiveFields(**given), actor=ACTOR, now=NOW
    )
    Objective.objects.filter(pk=made.pk).update(created_at=ago(24 * 60))
    made.refresh_from_db()
    return made
