"""Pools of workers as every edge shows them: what is wanted, what is, who decides, what is under way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from supervision.runtime.treewalk import Declared
from supervision.tasks.models import PoolScale, TaskQueue, TaskWorker
from supervision.tasks.pools import CURRENT, KIND, bounds_of, instances_of, pool_trees, pools_of
from supervision.tasks.scaling import who_decides

MOST_POOLS = 1000


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool. `workers`: that told of themselves lately, on all nodes; `wanted`: on each node.

    least, most   its bounds now, the schedule's among them; None: it does not scale by itself
    decides       who says how many
    why           the newest change of their number
    recycle       its limits, as its document says
    recycling     {key, node, incarnation, why}: which one is being replaced; `last`: the one before, with `ended`
    """

    tree: str
    path: str
    app: str
    queues: list[str]
    workers: int
    wanted: int
    least: int | None
    most: int | None
    decides: str
    by_hand: int | None
    drained_at: datetime | None
    why: str
    changed_at: datetime | None
    rolling: str
    recycle: Mapping[str, Any] = field(default_factory=dict)
    recycling: Mapping[str, Any] | None = None
    last_recycled: Mapping[str, Any] | None = None
    waiting: int | None = None
    oldest_s: float | None = None

    @property
    def key(self) -> str:
        return f"{self.tree}/{self.path}"


def pools(*, trees: Collection[str] | None, now: datetime, tree: str = "") -> list[Pool]:
    """By tree and place in it, MOST_POOLS at most; of `trees` only, where not every tree may be seen."""
    wanted = pool_trees().filter(name=tree) if tree else pool_trees()
    if trees is not None:
        wanted = wanted.filter(name__in=sorted(trees))
    found = [
        (one.name, pool)
        for one in wanted[:MOST_POOLS]
        for pool in pools_of(one.head.document if one.head is not None else {})
    ][:MOST_POOLS]
    if not found:
        return []
    names = sorted({name for name, _ in found})
    rows = {(row.tree, row.path): row for row in PoolScale.objects.filter(tree__in=names)}
    living = _living(names, now)
    queues = list(TaskQueue.objects.filter(seen_at__gt=now - CURRENT))
    return [
        _pool(name, pool, rows.get((name, pool.path)), living.get((name, pool.path), []), queues, now)
        for name, pool in found
    ]


def _living(names: list[str], now: datetime) -> dict[tuple[str, str], list[TaskWorker]]:
    """Workers that told of themselves lately, newest lives only, by the pool they are of."""
    newest: dict[tuple[str, str], TaskWorker] = {}
    told = TaskWorker.objects.filter(tree__in=names, seen_at__gt=now - CURRENT).order_by("incarnation")
    for worker in told:
        newest[worker.node_id, worker.key] = worker
    found: dict[tuple[str, str], list[TaskWorker]] = {}
    for worker in newest.values():
        path = worker.key.removeprefix(f"{worker.tree}/").partition("@")[0]
        found.setdefault((worker.tree, path), []).append(worker)
    return found


def _pool(
    tree: str,
    pool: Declared,
    row: PoolScale | None,
    living: list[TaskWorker],
    queues: list[TaskQueue],
    now: datetime,
) -> Pool:
    section, bounds = pool.child[KIND], bounds_of(pool)
    apps = {worker.app for worker in living}
    looks = f"/{tree}/{pool.path}@"
    mine = [
        queue
        for queue in queues
        if queue.name in section["queues"] and (queue.app in apps or (not apps and looks in queue.seen_by))
    ]
    by_hand = None if row is None else row.by_hand
    drained_at = None if row is None else row.drained_at
    overridden = row is not None and (bounds is not None or by_hand is not None or drained_at is not None)
    recycling = {} if row is None else row.recycling
    return Pool(
        tree=tree, path=pool.path, app=section["app"], queues=list(section["queues"]), workers=len(living),
        wanted=row.workers if row is not None and overridden else instances_of(pool),
        least=None if bounds is None else bounds.least_at(now), most=None if bounds is None else bounds.most,
        decides=who_decides(bounds, by_hand=by_hand, drained=drained_at is not None, now=now),
        by_hand=by_hand, drained_at=drained_at, why="" if row is None else row.reason,
        changed_at=None if row is None else row.changed_at,
        rolling=row.roll_reason if row is not None and row.roll_before is not None else "",
        recycle={name: value for name, value in (section.get("recycle") or {}).items() if value is not None},
        recycling=recycling.get("now"), last_recycled=recycling.get("last"),
        waiting=sum(queue.length for queue in mine) if mine else None,
        oldest_s=max((queue.oldest_s for queue in mine if queue.oldest_s is not None), default=None),
    )  # fmt: skip
