"""What an operator wants of a pool of workers: how many, none, as its tree says, or all of them fresh.

Each is a row and an audit entry; the controller carries it out, one step after the other.
"""

from datetime import datetime

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.runtime.treewalk import Declared
from supervision.tasks.exceptions import NoSuchPoolError, TaskStateError
from supervision.tasks.models import PoolScale
from supervision.tasks.pools import bounds_of, instances_of, pools_of
from supervision.trees.models import Tree

MOST_BY_HAND = 10_000
MAX_REASON = 300


@auditlog.audited()
def set_workers(
    *, tree: str, path: str, workers: int | None, actor: Actor, reason: str, now: datetime
) -> PoolScale:
    """So many workers from the next second on, whatever waits and whatever the schedule says; None: by these again.

    Raises NoSuchPoolError; TaskStateError for a number outside of the pool's bounds, and for a pool that has no number.
    """
    pool = _locked_pool(tree, path)
    if workers is not None:
        _refuse_number(pool, workers, tree)
    row = _row(tree, pool, now)
    row.by_hand = workers
    row.save(update_fields=["by_hand"])
    auditlog.record(
        actor=actor, action="pool.set_workers", target=f"{tree}/{path}", tree=tree, reason=reason,
        details={"workers": workers},
    )  # fmt: skip
    return row


def _refuse_number(pool: Declared, workers: int, tree: str) -> None:
    bounds = bounds_of(pool)
    least, most = (0, MOST_BY_HAND) if bounds is None else (bounds.least, bounds.most)
    if not least <= workers <= most:
        raise TaskStateError(f"{tree}/{pool.path} has from {least} to {most} workers, not {workers}")
    if bounds is None and pool.child.get("instances") is None:
        raise TaskStateError(f"{tree}/{pool.path} is one worker: write `instances` or `scale` in its tree")


@auditlog.audited()
def drain_pool(*, tree: str, path: str, actor: Actor, reason: str, now: datetime) -> PoolScale:
    """No worker any more: each gives its tasks the time of its shutdown, and what it had taken goes back into the queue.

    Raises NoSuchPoolError.
    """
    row = _row(tree, _locked_pool(tree, path), now)
    row.drained_at = row.drained_at or now
    row.save(update_fields=["drained_at"])
    auditlog.record(actor=actor, action="pool.drain", target=f"{tree}/{path}", tree=tree, reason=reason)
    return row


@auditlog.audited()
def resume_pool(*, tree: str, path: str, actor: Actor, reason: str, now: datetime) -> PoolScale:
    """It works again, with as many workers as its tree, its schedule or an operator says. Raises NoSuchPoolError."""
    pool = _locked_pool(tree, path)
    row = _row(tree, pool, now)
    row.drained_at = None
    if row.by_hand is None and bounds_of(pool) is not None and not row.workers:
        row.changed_at = now
    row.save(update_fields=["drained_at", "changed_at"])
    auditlog.record(actor=actor, action="pool.resume", target=f"{tree}/{path}", tree=tree, reason=reason)
    return row


@auditlog.audited()
def restart_pool(*, tree: str, path: str, actor: Actor, reason: str, now: datetime) -> PoolScale:
    """A rolling restart: every worker that lives now is replaced by a fresh one, one at a time, each before it drains.

    Raises NoSuchPoolError; TaskStateError for a pool that is drained.
    """
    row = _row(tree, _locked_pool(tree, path), now)
    if row.drained_at is not None:
        raise TaskStateError(f"{tree}/{path} is drained: it has no worker")
    row.roll_before = now
    words = f"rolling restart asked for by {actor.name}" + (f": {reason}" if reason else "")
    row.roll_reason = words[:MAX_REASON]
    row.save(update_fields=["roll_before", "roll_reason"])
    auditlog.record(actor=actor, action="pool.restart", target=f"{tree}/{path}", tree=tree, reason=reason)
    return row


def _locked_pool(tree: str, path: str) -> Declared:
    found = Tree.objects.select_for_update(of=("self",)).filter(name=tree, deleted_at=None).first()
    head = found.head if found is not None else None
    for pool in pools_of(head.document) if head is not None else ():
        if pool.path == path:
            return pool
    raise NoSuchPoolError(f"there is no pool of Celery workers {tree}/{path}")


def _row(tree: str, pool: Declared, now: datetime) -> PoolScale:
    row, _ = PoolScale.objects.get_or_create(
        tree=tree, path=pool.path, defaults={"workers": instances_of(pool), "changed_at": now}
    )
    return row
