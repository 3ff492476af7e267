"""Starting supervised tasks: the row is committed before anything is published.

Whoever asks publishes next and tells that it has; if it dies in between, a worker of the application publishes what is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from supervision.tasks.admitting import DROPPED, admit
from supervision.tasks.deciding import Policy
from supervision.tasks.exceptions import TaskError
from supervision.tasks.models import MAX_APP, MAX_ID, MAX_NAME, MAX_QUEUE, TaskRun, TaskWorker
from supervision.tasks.states import RunState

PUBLISH_WITHIN = timedelta(seconds=20)
"""Whoever started a task has so long to publish it before a worker does."""
MOST_AT_ONCE = 1000
CAN_KILL = "prefork"
KNOWN_WITHIN = timedelta(seconds=10)
MAX_SPEC_BYTES = 256 * 1024


class DuplicateTaskError(TaskError):
    """There is a task with this id already."""


class PoolCannotKillError(TaskError):
    """The task has a timeout, and no worker that would take it can kill what runs: only prefork's pools can."""


@dataclass(frozen=True, slots=True)
class Start:
    """A task to be started. `spec`: args, kwargs, options of Celery's, timeout_s, and what Policy reads. Any: JSON."""

    id: str
    name: str
    app: str
    queue: str = ""
    supervisor: str = ""
    key: str = ""
    tree: str = ""
    parent: str = ""
    spec: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limits = ((self.id, MAX_ID), (self.name, MAX_NAME), (self.app, MAX_APP))
        if not all(0 < len(value) <= most for value, most in limits) or len(self.queue) > MAX_QUEUE:
            raise TaskError("a task has an id, a name and an application, each of a bounded length")
        if not self.supervisor and not self.key:
            raise TaskError("a task is started under a supervisor")
        try:
            Policy.from_json(self.spec)
        except (ValueError, TypeError) as error:
            raise TaskError(f"no policy: {error}") from None


def start_runs(*, starts: Sequence[Start], node_id: str, now: datetime) -> list[TaskRun]:
    """Commit the rows of tasks that are about to be published, all or none.

    Raises DuplicateTaskError, PoolFullError, PoolCannotKillError, TaskError. What its pool drops is on record as revoked.

    The same request again, as a connection was lost before the answer, changes nothing and has the same answer.
    """
    if not 0 < len(starts) <= MOST_AT_ONCE:
        raise TaskError(f"from 1 to {MOST_AT_ONCE} tasks at once")
    ids = [start.id for start in starts]
    with transaction.atomic():
        known = list(TaskRun.objects.filter(pk__in=ids).order_by("pk"))
        if known and _are_the_same(known, starts):
            return known
        if known or len(set(ids)) != len(ids):
            raise DuplicateTaskError(f"there is a task {known[0].pk if known else ids[0]} already")
        _refuse_what_cannot_be_killed(starts, now)
        dropped = admit(starts, now)
        return TaskRun.objects.bulk_create(_row(start, node_id, now, start.id in dropped) for start in starts)


def _row(start: Start, node_id: str, now: datetime, is_dropped: bool) -> TaskRun:
    return TaskRun(
        id=start.id, name=start.name, app=start.app, queue=start.queue, supervisor=start.supervisor[:128],
        key=start.key, tree=(start.tree or start.key.partition("/")[0])[:64], parent=start.parent[:MAX_ID],
        state=RunState.REVOKED if is_dropped else RunState.QUEUED, ended_at=now if is_dropped else None,
        message=DROPPED if is_dropped else "", publication=1, spec=start.spec,
        node_id=node_id if start.key else "", due_at=None if is_dropped else now + PUBLISH_WITHIN, created_at=now,
        changed_at=now,
    )  # fmt: skip


def _refuse_what_cannot_be_killed(starts: Sequence[Start], now: datetime) -> None:
    """Only where workers that would take it are known, and none of them can."""
    for app, queue in sorted({(one.app, one.queue) for one in starts if one.spec.get("timeout_s")}):
        pools = set(
            TaskWorker.objects.filter(
                app=app, queues__contains=[queue], seen_at__gt=now - KNOWN_WITHIN
            ).values_list("pool", flat=True)
        )
        if pools and CAN_KILL not in pools:
            words = (
                f"queue {queue} is consumed by pools of kind {', '.join(sorted(pools))}, which cannot kill"
            )
            raise PoolCannotKillError(words)


def _are_the_same(known: Sequence[TaskRun], starts: Sequence[Start]) -> bool:
    rows = {run.pk: (run.name, run.supervisor, run.key, run.spec) for run in known}
    return all(rows.get(one.id) == (one.name, one.supervisor, one.key, one.spec) for one in starts)


def note_published(*, publications: dict[str, int], now: datetime) -> int:
    """Tasks are in the broker's queue, each under this publication: they are due no more. How many that was news for."""
    changed = 0
    with transaction.atomic():
        for run in TaskRun.objects.select_for_update().filter(pk__in=publications).order_by("pk"):
            if run.publication != publications[run.pk] or run.due_at is None:
                continue
            run.due_at, run.claimed_until, run.changed_at = None, None, now
            run.published_at = run.published_at or now
            if run.state == RunState.RETRYING:
                run.state = RunState.QUEUED
            run.save(update_fields=["due_at", "claimed_until", "published_at", "state", "changed_at"])
            changed += 1
    return changed
