"""Writes of findings: as the watch of a node tells them, and what is too old goes."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.leaks.watch import Growing, Outcome
from supervision.leaks.words import Limit, action_of, seconds_left, verdict
from supervision.leakwatch.models import LeakFinding

KEPT = timedelta(days=30)
DELETED_AT_ONCE = 5000
POINTS = 60
FARTHEST_S = 10 * 365 * 86400.0

LimitOf = Callable[[Growing], Limit | None]


def record(*, node_id: str, epoch: int, told: Iterable[Growing], limit_of: LimitOf) -> int:
    """Store what a node's watch tells; told again nothing changes. How many. `epoch` is the node's: StaleEpochError when it
    is over."""
    told = list(told)
    if not told:
        return 0
    with transaction.atomic():
        if not Node.objects.select_for_update(no_key=True).filter(pk=node_id, epoch=epoch).exists():
            raise StaleEpochError
        for one in told:
            _record(node_id, one, limit_of(one))
    return len(told)


def _record(node_id: str, one: Growing, limit: Limit | None) -> None:
    identity = {
        "node_id": node_id,
        "key": one.key,
        "incarnation": one.incarnation,
        "image": one.image,
        "resource": one.resource,
    }
    values = _values(one, limit)
    if one.row is not None:
        LeakFinding.objects.filter(pk=one.row).update(**values)
        return
    row, _ = LeakFinding.objects.update_or_create(
        **identity, ended_at=None, defaults=values, create_defaults={**values, "tree": one.key.split("/")[0]}
    )
    one.row = row.pk


def _values(one: Growing, limit: Limit | None) -> dict[str, Any]:
    return {
        "course": str(one.course),
        "since": _moment(one.since),
        "found_at": _moment(one.found_at),
        "seen_at": _moment(one.seen_at),
        "ended_at": None if one.ended_at is None else _moment(one.ended_at),
        "outcome": str(one.outcome or ""),
        "value": one.value,
        "growth": one.growth,
        "rate": one.line.rate,
        "rate_low": one.line.low,
        "rate_high": one.line.high,
        **({} if one.ended_at is not None else _limits(one, limit)),
        "action": str(action_of(one, seconds_left(one, limit))),
        "verdict": verdict(one, limit)[:500],
        "evidence": {
            "points": [[round(at, 1), value] for at, value in one.points[-POINTS:]],
            "brings": one.brings,
            "gauges": one.details,
            "quiet_s": one.quiet_s,
        },
    }


def _limits(one: Growing, limit: Limit | None) -> dict[str, Any]:
    """As they were when it grew last: what is over reaches none."""
    left_s = seconds_left(one, limit)
    reached = None if left_s is None else _moment(one.seen_at + min(left_s, FARTHEST_S))
    return {
        "limit": None if limit is None else limit.value,
        "limit_name": "" if limit is None else limit.name,
        "limit_at": reached,
    }


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def end_all(*, node_id: str, now: datetime, but: Iterable[tuple[str, int, int]] = ()) -> int:
    """End what is open of lives that are not among `but` (key, incarnation, image): nobody watched when they ended."""
    living = set(but)
    over = [
        row.pk
        for row in LeakFinding.objects.filter(node_id=node_id, ended_at=None)
        if (row.key, row.incarnation, row.image) not in living
    ]
    ended: int = LeakFinding.objects.filter(pk__in=over, ended_at=None).update(
        ended_at=now, outcome=str(Outcome.LIFE_ENDED)
    )
    return ended


def drop_old(now: datetime) -> int:
    """Remove what is over for longer than is kept; at most DELETED_AT_ONCE. How many rows."""
    old = LeakFinding.objects.filter(ended_at__lt=now - KEPT).order_by("ended_at").values("pk")
    deleted: int = LeakFinding.objects.filter(pk__in=old[:DELETED_AT_ONCE]).delete()[0]
    return deleted
