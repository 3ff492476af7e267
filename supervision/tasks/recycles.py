"""Replacing workers that have done their share, one at a time for each pool, wherever it runs.

Looked at each second by the leading controller. What is under way stands in the pool's row, so that another controller goes
on with it: the worker, its life, and the command that was given to its node. The node adds the stand-in and drains the
worker (`trees/recycling.py`); it is over when the child has a new life and nobody stands in for it any more.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from supervision.auditlog.actor import Actor
from supervision.fleet.leading import Leader, led
from supervision.journal.models import ObservedChild
from supervision.kernel.recycling import is_stand_in, stand_in_id
from supervision.runtime.treewalk import Declared
from supervision.tasks.models import PoolScale, TaskWorker
from supervision.tasks.pools import CURRENT, KIND, MOST_TREES, instances_of, pool_trees, pools_of
from supervision.tasks.recycling import Life, Limits, next_due
from supervision.trees.exceptions import TreesError
from supervision.trees.models import Command, CommandState
from supervision.trees.recycling import recycle_child

ACTOR = Actor.system("controller")
AGAIN_AFTER = timedelta(seconds=10)
"""Between a command that failed, as somebody else of the supervisor was being recycled, and the next."""
GIVE_UP_AFTER = timedelta(minutes=10)
"""A command was carried out, and so long later there is no new life: its worker is looked at anew."""
SETTLES = timedelta(seconds=3)
"""Rows follow what a node does by so much at most, in quiet times."""


def recycle_workers(*, leader: Leader, now: datetime) -> list[str]:
    """The next step of each pool; what was done, in words."""
    done = []
    rows = {(row.tree, row.path): row for row in PoolScale.objects.all()}
    for tree in pool_trees()[:MOST_TREES]:
        for pool in pools_of(tree.head.document if tree.head is not None else {}):
            limits = Limits.of_section(pool.child[KIND].get("recycle"))
            row = rows.get((tree.name, pool.path))
            if limits == Limits() and (row is None or not (row.roll_before or row.recycling.get("now"))):
                continue
            with led(leader), transaction.atomic():
                done += _next(tree.name, pool, limits, now)
    return done


def _next(tree: str, pool: Declared, limits: Limits, now: datetime) -> list[str]:
    PoolScale.objects.get_or_create(
        tree=tree, path=pool.path, defaults={"workers": instances_of(pool), "changed_at": now}
    )
    row = PoolScale.objects.select_for_update().get(tree=tree, path=pool.path)
    under_way = row.recycling.get("now")
    if under_way:
        words = _look_after(row, under_way, now)
        return [words] if words else []
    wait = row.recycling.get("wait_until")
    if wait and now.timestamp() < wait:
        return []
    lives = list(_lives(row, now))
    due = next_due(limits, lives, roll_reason=row.roll_reason)
    if due is not None:
        return [_begin(row, *due, now)]
    if row.roll_before is not None and not any(life.is_rolled for life in lives):
        row.roll_before, row.roll_reason = None, ""
        row.save(update_fields=["roll_before", "roll_reason"])
        return [f"{tree}/{pool.path}: every worker is fresh"]
    return []


def _lives(row: PoolScale, now: datetime) -> Iterable[Life]:
    """The newest life of each worker that told of itself lately; who stands in is none of them."""
    prefix = f"{row.tree}/{row.path}"
    told = TaskWorker.objects.filter(tree=row.tree, key__startswith=prefix, seen_at__gt=now - CURRENT)
    newest: dict[tuple[str, str], TaskWorker] = {}
    for worker in told.order_by("incarnation"):
        is_one = worker.key == prefix or worker.key.startswith(f"{prefix}@")
        if is_one and "/" not in worker.key[len(prefix) :] and not is_stand_in(worker.key):
            newest[worker.node_id, worker.key] = worker
    for worker in newest.values():
        yield Life(
            node_id=worker.node_id, key=worker.key, incarnation=worker.incarnation,
            age_s=(now - worker.started_at).total_seconds(), tasks=worker.tasks_total,
            memory_bytes=worker.memory_bytes,
            is_rolled=row.roll_before is not None and worker.started_at < row.roll_before,
        )  # fmt: skip


def _begin(row: PoolScale, life: Life, why: str, now: datetime) -> str:
    try:
        [command] = recycle_child(
            key=life.key, node_id=life.node_id, incarnation=life.incarnation, actor=ACTOR, reason=why
        )
    except TreesError as error:  # a node whose records are behind
        return _wait(row, f"{life.key} is not recycled yet: {error}", now)
    row.recycling = {
        **row.recycling,
        "now": {
            "key": life.key, "node": life.node_id, "incarnation": life.incarnation, "why": why,
            "command": str(command.pk), "at": now.timestamp(),
        },
    }  # fmt: skip
    row.save(update_fields=["recycling"])
    return f"{life.key} incarnation {life.incarnation} is recycled, {why}"


def _look_after(row: PoolScale, under_way: Mapping[str, Any], now: datetime) -> str:
    """What became of the one that is being replaced; "" while that goes on."""
    command = Command.objects.filter(pk=under_way["command"]).first()
    state = command.state if command is not None else CommandState.EXPIRED
    if state in (CommandState.PENDING, CommandState.CLAIMED):
        return ""
    if state != CommandState.DONE:
        error = (command.error or {}).get("message", "") if command is not None else ""
        return _wait(row, f"{under_way['key']} is not recycled: {error or state}", now)
    rows = dict(
        ObservedChild.objects.filter(
            node_id=under_way["node"],
            key__in=[under_way["key"], _stand_in_of(under_way["key"])],
            removed=False,
        ).values_list("key", "incarnation")
    )
    began = under_way["at"]
    if _stand_in_of(under_way["key"]) in rows or now.timestamp() - began < SETTLES.total_seconds():
        return "" if now.timestamp() - began < GIVE_UP_AFTER.total_seconds() else _wait(row, "too long", now)
    if rows.get(under_way["key"], 0) == under_way["incarnation"]:
        return _wait(
            row, f"{under_way['key']} is not recycled: who was to stand in did not become ready", now
        )
    row.recycling = {"last": {**under_way, "ended": now.timestamp()}}
    row.save(update_fields=["recycling"])
    return f"{under_way['key']} was recycled, {under_way['why']}"


def _wait(row: PoolScale, words: str, now: datetime) -> str:
    until = (now + AGAIN_AFTER).timestamp()
    last = row.recycling.get("last")
    row.recycling = {"wait_until": until, "said": words[:300]} | ({"last": last} if last else {})
    row.save(update_fields=["recycling"])
    return words


def _stand_in_of(key: str) -> str:
    above, _, child_id = key.rpartition("/")
    return f"{above}/{stand_in_id(child_id)}"
