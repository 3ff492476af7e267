"""Pools of workers that scale: how many of them a tree has, kept beside its document and filled in for its nodes.

The document says `scale`; nodes are given `instances`. A change of their number is a revision of the tree like any other,
with its own rollout, and the document that somebody wrote stays as it was.
"""

import copy
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Sum

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.leading import Leader, led
from supervision.runtime.treedoc import TreeDocument
from supervision.runtime.treewalk import Declared, declared
from supervision.tasks.exceptions import TaskStateError
from supervision.tasks.models import PoolScale, TaskQueue, TaskWorker
from supervision.tasks.scaling import Bounds, Change, Seen, decide
from supervision.trees.documents import stored
from supervision.trees.models import RolloutState, Tree
from supervision.trees.resolving import Resolved
from supervision.trees.services import follow

KIND = "celery_worker"
CURRENT = timedelta(seconds=15)
"""What was told longer ago than this says nothing of now."""
MOST_TREES = 1000


def pools_of(document: Mapping[str, Any]) -> Iterator[Declared]:
    """Children of a tree's document that scale. Any: a document in its normal form."""
    for child in declared(document):
        if not child.is_supervisor and child.kind == KIND and child.child[KIND].get("scale"):
            yield child


def fill_in(tree: TreeDocument, _at: Mapping[str, int]) -> Resolved:
    """A resolver of trees: `instances` in the place of `scale`."""
    paths = [pool.path for pool in pools_of(tree.document)]
    if not paths:
        return Resolved(tree)
    known = dict(PoolScale.objects.filter(tree=tree.name, path__in=paths).values_list("path", "workers"))
    document = copy.deepcopy(tree.document)
    for pool in list(pools_of(document)):
        child: dict[str, Any] = pool.child  # type: ignore[assignment]  # of our own copy
        bounds = Bounds.of_section(child[KIND].pop("scale"))
        child["instances"] = min(max(known.get(pool.path, bounds.least), bounds.least), bounds.most)
    return Resolved(stored(document))


def scale_pools(*, leader: Leader, now: datetime) -> list[str]:
    """One step for each pool that needs one; what was done, in words. Trees whose rollout is under way wait."""
    done = []
    trees = Tree.objects.filter(deleted_at=None, head__isnull=False).select_related("head").order_by("name")
    for tree in trees[:MOST_TREES]:
        if tree.head is None:
            continue
        for pool in pools_of(tree.head.document):
            row, _ = PoolScale.objects.get_or_create(
                tree=tree.name,
                path=pool.path,
                defaults={"workers": int(pool.child[KIND]["scale"]["min"]), "changed_at": now},
            )
            change = decide(Bounds.of_section(pool.child[KIND]["scale"]), _seen(row, pool, now))
            if change is not None:
                with led(leader):
                    done += _change(tree.name, pool.path, change, Actor.system("controller"), now)
    return done


def _seen(row: PoolScale, pool: Declared, now: datetime) -> Seen:
    names = list(pool.child[KIND]["queues"])
    apps = set(
        TaskWorker.objects.filter(
            tree=row.tree, key__startswith=f"{row.tree}/{row.path}@", seen_at__gt=now - CURRENT
        ).values_list("app", flat=True)
    )
    queues = TaskQueue.objects.filter(name__in=names, seen_at__gt=now - CURRENT)
    if apps:
        queues = queues.filter(app__in=apps)
    told = queues.aggregate(length=Sum("length"), oldest=Max("oldest_s"))
    return Seen(
        workers=row.workers,
        since_change_s=(now - row.changed_at).total_seconds(),
        length=told["length"],
        oldest_s=told["oldest"],
        by_hand=row.by_hand,
    )


@auditlog.audited()
def _change(name: str, path: str, change: Change, actor: Actor, now: datetime) -> list[str]:
    tree = Tree.objects.select_for_update().filter(name=name, deleted_at=None).first()
    if tree is None or tree.rollouts.filter(state=RolloutState.RUNNING).exists():
        return []
    row = PoolScale.objects.select_for_update().get(tree=name, path=path)
    before, row.workers, row.reason, row.changed_at = row.workers, change.workers, change.why[:300], now
    row.save(update_fields=["workers", "reason", "changed_at"])
    words = f"{name}/{path}: {before} to {change.workers} workers, {change.why}"
    follow(tree=tree, names={}, message=words, actor=actor)
    auditlog.record(
        actor=actor, action="pool.scale", target=f"{name}/{path}", tree=name, reason=change.why,
        details={"from": before, "to": change.workers},
    )  # fmt: skip
    return [words]


@auditlog.audited()
def set_workers(
    *, tree: str, path: str, workers: int | None, actor: Actor, reason: str, now: datetime
) -> PoolScale:
    """So many workers from the next second on, within the pool's bounds, whatever waits; None: by what waits again.

    Raises TaskStateError for what is no pool that scales.
    """
    found = Tree.objects.select_for_update().filter(name=tree, deleted_at=None).select_related(None).first()
    head = found.head if found is not None else None
    if head is None or path not in [pool.path for pool in pools_of(head.document)]:
        raise TaskStateError(f"{tree}/{path} is no pool of workers that scales")
    [least] = [int(pool.child[KIND]["scale"]["min"]) for pool in pools_of(head.document) if pool.path == path]
    row, _ = PoolScale.objects.get_or_create(
        tree=tree, path=path, defaults={"workers": least, "changed_at": now}
    )
    row.by_hand = workers
    row.save(update_fields=["by_hand"])
    auditlog.record(
        actor=actor, action="pool.set_workers", target=f"{tree}/{path}", tree=tree, reason=reason,
        details={"workers": workers},
    )  # fmt: skip
    return row
