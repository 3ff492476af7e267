"""Pools of workers: how many of them a tree has, kept beside its document and filled in for its nodes.

A pool is a child of kind `celery_worker`. Where its document says `scale`, or somebody said how many, or drained it, nodes
are given `instances`. A change of their number is a revision of the tree like any other, with its own rollout, and the
document that somebody wrote stays as it was.
"""

import copy
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, QuerySet, Sum

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.leading import Leader, led
from supervision.runtime.treedoc import TreeDocument
from supervision.runtime.treewalk import Declared, declared
from supervision.tasks.models import PoolScale, TaskQueue, TaskWorker
from supervision.tasks.scaling import Bounds, Change, Seen, decide, decide_fixed
from supervision.trees.documents import stored
from supervision.trees.exceptions import TreesError
from supervision.trees.models import RolloutState, Tree
from supervision.trees.resolving import Resolved
from supervision.trees.services import follow

KIND = "celery_worker"
CURRENT = timedelta(seconds=15)
"""What was told longer ago than this says nothing of now."""
MOST_TREES = 1000


def pools_of(document: Mapping[str, Any]) -> Iterator[Declared]:
    """Children of a tree's document that are workers. Any: a document in its normal form."""
    for child in declared(document):
        if not child.is_supervisor and child.kind == KIND and not child.template:
            yield child


def bounds_of(pool: Declared) -> Bounds | None:
    """None: it does not scale by itself."""
    scale = pool.child[KIND].get("scale")
    return Bounds.of_section(scale) if scale else None


def instances_of(pool: Declared) -> int:
    """How many workers it has where nothing else is said."""
    bounds = bounds_of(pool)
    if bounds is not None:
        return bounds.least
    instances = pool.child.get("instances")
    return 1 if instances is None else int(instances)


def is_looked_at(bounds: Bounds, row: PoolScale | None) -> bool:
    """Whether a pool that has no worker has a looker in their place: what waits would give it one, and nobody else looks."""
    if row is not None and (row.by_hand is not None or row.drained_at is not None):
        return False
    return bounds.least == 0 and not bounds.is_by_clock_alone


def pool_trees() -> QuerySet[Tree]:
    """Trees whose pools are looked after."""
    return Tree.objects.filter(deleted_at=None, head__isnull=False).select_related("head").order_by("name")


def fill_in(tree: TreeDocument, _at: Mapping[str, int]) -> Resolved:
    """A resolver of trees: `instances` in the place of `scale`, and of what an operator said."""
    paths = [pool.path for pool in pools_of(tree.document)]
    if not paths:
        return Resolved(tree)
    known = {row.path: row for row in PoolScale.objects.filter(tree=tree.name, path__in=paths)}
    document = copy.deepcopy(tree.document)
    changed = False
    for pool in list(pools_of(document)):
        child: dict[str, Any] = pool.child  # type: ignore[assignment]  # of our own copy
        row, bounds = known.get(pool.path), bounds_of(pool)
        if bounds is not None:
            del child[KIND]["scale"]
            workers = min(bounds.least if row is None else row.workers, bounds.most)
            child["instances"] = workers
            if not workers and is_looked_at(bounds, row):
                child["instances"], child[KIND]["looks_only"] = 1, True
            changed = True
        elif row is not None and (row.by_hand is not None or row.drained_at is not None):
            child["instances"] = row.workers
            changed = True
    return Resolved(stored(document)) if changed else Resolved(tree)


def scale_pools(*, leader: Leader, now: datetime) -> list[str]:
    """One step for each pool that needs one; what was done, in words. Trees whose rollout is under way wait."""
    done: list[str] = []
    rows = {(row.tree, row.path): row for row in PoolScale.objects.all()}
    for tree in pool_trees()[:MOST_TREES]:
        try:
            done += _scale_tree(tree, rows, leader, now)
        except TreesError as error:  # one tree that cannot be resolved does not stop the others
            done.append(f"{tree.name}: {error}")
    return done


def _scale_tree(
    tree: Tree, rows: Mapping[tuple[str, str], PoolScale], leader: Leader, now: datetime
) -> list[str]:
    done: list[str] = []
    if tree.head is not None:
        for pool in pools_of(tree.head.document):
            bounds, row = bounds_of(pool), rows.get((tree.name, pool.path))
            if row is None:
                if bounds is None:
                    continue
                row = PoolScale.objects.create(
                    tree=tree.name, path=pool.path, workers=bounds.least, changed_at=now
                )
            seen = _seen(row, pool, now)
            change = (
                decide(bounds, seen, now) if bounds is not None else decide_fixed(instances_of(pool), seen)
            )
            if change is None and bounds is not None and _has_to_look(bounds, row) != _looks(tree, pool):
                change = Change(row.workers, "who looks at its queues")
            if change is not None:
                with led(leader):
                    done += _change(tree.name, pool.path, change, Actor.system("controller"), now)
    return done


def _has_to_look(bounds: Bounds, row: PoolScale) -> bool:
    return not row.workers and is_looked_at(bounds, row)


def _looks(tree: Tree, pool: Declared) -> bool:
    """Whether its nodes are given a looker now."""
    given = tree.head.runs if tree.head is not None else {}
    return any(each.path == pool.path and each.child[KIND].get("looks_only") for each in pools_of(given))


def queues_of(tree: str, path: str, names: list[str], now: datetime) -> QuerySet[TaskQueue]:
    """What was told lately of a pool's queues, by workers of its applications; of a pool without any by what looks at its
    queues in their place."""
    apps = set(
        TaskWorker.objects.filter(
            tree=tree, key__startswith=f"{tree}/{path}", seen_at__gt=now - CURRENT
        ).values_list("app", flat=True)
    )
    queues = TaskQueue.objects.filter(name__in=names, seen_at__gt=now - CURRENT)
    if apps:
        return queues.filter(app__in=apps)
    own = queues.filter(seen_by__contains=f"/{tree}/{path}@")
    return own if own.exists() else queues


def _seen(row: PoolScale, pool: Declared, now: datetime) -> Seen:
    told: dict[str, Any] = {}
    if pool.child[KIND].get("scale"):
        names = list(pool.child[KIND]["queues"])
        told = queues_of(row.tree, row.path, names, now).aggregate(
            length=Sum("length"), oldest=Max("oldest_s")
        )
    return Seen(
        workers=row.workers,
        since_change_s=(now - row.changed_at).total_seconds(),
        length=told.get("length"),
        oldest_s=told.get("oldest"),
        by_hand=row.by_hand,
        drained=row.drained_at is not None,
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
