"""Rows about tasks, workers and queues as the pages show them. Times are Unix seconds."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.access.policy import Permission, Principal
from controlplane.dashboard.live.records import seconds
from supervision.explain.words import duration
from supervision.kernel.recycling import is_stand_in
from supervision.tasks.holders import read_holder
from supervision.tasks.models import TaskQueue, TaskRun, TaskWorker
from supervision.tasks.poolviews import Pool
from supervision.tasks.states import DEAD_LETTERS, is_ended

Row = dict[str, Any]
"""Any: what templates read is of many kinds."""
WAITS_LONG_S = 60.0
"""A message that waits so long is worth a look."""
SILENT_S = 15.0
"""A worker that told nothing for so long is shown as silent."""


def task_row(run: TaskRun, principal: Principal, now: float) -> Row:
    holder = read_holder(run.holder)
    since = seconds(run.started_at if run.state == "running" else run.ended_at or run.created_at)
    return {
        "id": run.pk,
        "name": run.name,
        "state": run.state,
        "queue": run.queue,
        "tree": run.tree,
        "supervisor": run.supervisor,
        "attempt": run.attempt,
        "reason": run.reason,
        "message": run.message,
        "since": since,
        "run_s": run.run_s if is_ended(run.state) else None,
        "waited_s": _waited(run),
        "holder_key": holder.key if holder is not None else "",
        "holder_pid": run.pid,
        "node": run.node_id,
        "revoking": run.revoke_requested_at is not None and not is_ended(run.state),
        "url": reverse("task", args=[run.pk]),
        "actions": actions_of(run, principal),
    }


def _waited(run: TaskRun) -> float | None:
    if run.started_at is None or run.published_at is None or run.attempt > 1:
        return None
    return max(0.0, (run.started_at - run.published_at).total_seconds())


def actions_of(run: TaskRun, principal: Principal) -> list[Row]:
    """What the viewer may do with it now."""
    if not principal.can(Permission.OPERATE, run.tree):
        return []
    if not is_ended(run.state):
        return [_action("revoke", "Revoke", run.pk, danger=True)] if run.revoke_requested_at is None else []
    if run.state in DEAD_LETTERS and (run.is_supervised or run.state == "parked"):
        return [_action("replay", "Replay", run.pk, danger=False)]
    return []


def _action(verb: str, label: str, run_id: str, *, danger: bool) -> Row:
    return {
        "label": label,
        "danger": danger,
        "url": reverse("task-act", args=[verb]) + f"?{urlencode({'id': run_id})}",
    }


def worker_row(worker: TaskWorker, principal: Principal, now: float, *, failing: str = "") -> Row:
    """failing: what its check `consumes` says, if that fails: a worker that stands still tells nobody that it is stuck."""
    silent_s = now - (seconds(worker.seen_at) or 0.0)
    state = "running" if silent_s < SILENT_S else "lost"
    if state == "running" and (failing or not worker.consumes):
        state = "failed"
    actions = []
    if principal.can(Permission.OPERATE, worker.tree) and state != "lost":
        query = urlencode({"node": worker.node_id})
        actions = [
            {"label": label, "danger": False, "url": f"{reverse('act', args=[verb, worker.key])}?{query}"}
            for verb, label in (("recycle", "Recycle"), ("restart", "Restart"))
        ]
    return {
        "key": worker.key,
        "node": worker.node_id,
        "name": worker.name,
        "state": state,
        "stalled": failing if worker.consumes else takes_nothing(worker),
        "app": worker.app,
        "pool": worker.pool,
        "concurrency": worker.concurrency,
        "running": worker.running,
        "queues": worker.queues,
        "tasks_total": worker.tasks_total,
        "memory_bytes": worker.memory_bytes,
        "stands_in": is_stand_in(worker.key),
        "started_at": seconds(worker.started_at),
        "seen_at": seconds(worker.seen_at),
        "incarnation": worker.incarnation,
        "pid": worker.pid,
        "actions": actions,
    }


def takes_nothing(worker: TaskWorker) -> str:
    """What is wrong with one that told so itself."""
    return f"connected, takes nothing from {worker.stalled_queue or 'its queues'}"


def pool_row(pool: Pool, principal: Principal, now: float) -> Row:
    query = urlencode({"tree": pool.tree, "path": pool.path})
    verbs: list[tuple[str, str]] = []
    if principal.can(Permission.OPERATE, pool.tree):
        drained = pool.drained_at is not None
        verbs = [("scale-pool", "Scale"), ("restart-pool", "Rolling restart"), ("drain-pool", "Drain")]
        verbs = [("resume-pool", "Resume")] if drained else verbs
    last = pool.last_recycled or {}
    return {
        "key": pool.key,
        "tree": pool.tree,
        "app": pool.app,
        "queues": pool.queues,
        "workers": pool.workers,
        "wanted": pool.wanted,
        "is_short": pool.workers < pool.wanted,
        "least": pool.least,
        "most": pool.most,
        "decides": pool.decides,
        "why": pool.why,
        "changed_at": seconds(pool.changed_at),
        "drained": pool.drained_at is not None,
        "rolling": pool.rolling,
        "limits": _limits(pool),
        "recycling": pool.recycling,
        "last_recycled": last,
        "waiting": pool.waiting,
        "oldest_s": pool.oldest_s,
        "actions": [
            {
                "label": label,
                "danger": verb == "drain-pool",
                "url": f"{reverse('task-act', args=[verb])}?{query}",
            }
            for verb, label in verbs
        ],
    }


def _limits(pool: Pool) -> list[str]:
    """When its workers are replaced, in words."""
    memory, tasks, age = (pool.recycle.get(name) for name in ("memory", "tasks", "age"))
    words = [f"{memory / 2**20:.0f} MiB"] if memory else []
    words += [f"{tasks} tasks"] if tasks else []
    return words + ([duration(float(age))] if age else [])


def newest_lives(workers: Sequence[TaskWorker], now: float) -> list[TaskWorker]:
    """One for each child and node: its newest life; lives that ended are history."""
    found: dict[tuple[str, str], TaskWorker] = {}
    for worker in workers:
        known = found.get((worker.node_id, worker.key))
        if known is None or worker.incarnation > known.incarnation:
            found[worker.node_id, worker.key] = worker
    return list(found.values())


def queue_row(
    queue: TaskQueue, workers: Sequence[Mapping[str, Any]], principal: Principal, now: float
) -> Row:
    age_s = now - (seconds(queue.seen_at) or 0.0)
    query = urlencode({"app": queue.app, "queue": queue.name})
    actions = []
    if principal.can(Permission.OPERATE):
        actions.append(
            {"label": "Look", "danger": False, "url": f"{reverse('task-act', args=['peek'])}?{query}"}
        )
    if principal.can(Permission.ADMIN):
        actions.append(
            {"label": "Purge", "danger": True, "url": f"{reverse('task-act', args=['purge'])}?{query}"}
        )
    return {
        "app": queue.app,
        "name": queue.name,
        "length": queue.length,
        "oldest_s": queue.oldest_s,
        "seen_at": seconds(queue.seen_at),
        "old": age_s > SILENT_S,
        "waits_long": age_s <= SILENT_S and (queue.oldest_s or 0.0) > WAITS_LONG_S,
        "workers": sum(
            queue.name in worker["queues"] and worker["app"] == queue.app and worker["state"] == "running"
            for worker in workers
        ),
        "actions": actions,
    }
