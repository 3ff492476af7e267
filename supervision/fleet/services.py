"""Writes about hosts: joining, leases, leadership, draining. Lease times are the database's own clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.exceptions import FleetError, NodeIsElsewhereError, NoSuchNodeError
from supervision.fleet.models import Node, NodeState

LEASE_TTL_S = 6.0
"""A holder ends what is fenced at TTL - 2 s after the renewal was sent; taken over at TTL + 2 s."""


def database_now() -> datetime:
    """clock_timestamp(): also inside a transaction it is now, and the same for every host."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A confirmed renewal: until when, by the database's clock, under which epoch."""

    epoch: int
    lease_until: datetime
    draining: bool


def register_node(
    *,
    node_id: str,
    name: str,
    labels: dict[str, str],
    facts: dict[str, Any],
    known_epoch: int | None = None,
) -> Node:
    """A node comes, or comes back. Its epoch grows when its lease was over meanwhile or it knows another epoch.

    `facts`: version, boot_id, pid, guardian_pid, started_at, stream_epoch, is_explicit_allow_list, and `data` for pages,
    where `place` says on which machine and in which directory it runs. Raises NodeIsElsewhereError while the lease is kept
    by the same node in another place: two that write as one would undo each other's deeds.
    """
    with transaction.atomic():
        now = database_now()
        node, made = Node.objects.select_for_update().get_or_create(
            id=node_id, defaults={"name": name, "labels": labels, "joined_at": now}
        )
        lease_is_over = node.lease_until is None or node.lease_until <= now
        if not made and not lease_is_over:
            _refuse_a_copy(node, facts)
        if not made and (lease_is_over or known_epoch != node.epoch):
            node.epoch += 1
            node.joined_at = now
        for field, value in {**facts, "name": name, "labels": labels}.items():
            setattr(node, field, value)
        if not node.draining or node.state != NodeState.DRAINED:
            node.state = (
                NodeState.UP
            )  # a draining one is drained once the controller finds nothing left on it
        node.save()
        _renew(node_id, node.epoch)
        node.refresh_from_db()
    return node


def _refuse_a_copy(node: Node, facts: dict[str, Any]) -> None:
    here, there = (
        data.get("place") if isinstance(data, dict) else None for data in (facts.get("data"), node.data)
    )
    if here and there and here != there:
        raise NodeIsElsewhereError(
            f"node {node.id[:8]} runs already: as {node.name}, pid {node.pid}, in {there}. {here} holds a copy of its data "
            "directory; only one of them may join"
        )


_RENEW = """
UPDATE supervision_node
SET renewed_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => %(ttl)s),
    state = CASE WHEN state IN ('suspect', 'down') THEN 'up' ELSE state END
WHERE id = %(id)s
  AND epoch = %(epoch)s
RETURNING epoch, lease_until, draining
"""
"""Renew the lease of a node whose epoch is the current one. A draining one that was silent is up again; it is drained once
the controller finds nothing left on it."""


def renew_lease(*, node_id: str, epoch: int) -> Renewal | None:
    """Prolong the lease by LEASE_TTL_S from now; None when `epoch` is over (register anew)."""
    return _renew(node_id, epoch)


def _renew(node_id: str, epoch: int) -> Renewal | None:
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, {"id": node_id, "epoch": epoch, "ttl": LEASE_TTL_S})
        row = cursor.fetchone()
    return Renewal(*row) if row else None


def drain_node(*, node_id: str, actor: Actor, reason: str = "") -> Node:
    """Take no new work and hand over what runs. Raises NoSuchNodeError."""
    return _set_draining(node_id, draining=True, actor=actor, reason=reason)


def undrain_node(*, node_id: str, actor: Actor, reason: str = "") -> Node:
    """Take work again. Raises NoSuchNodeError."""
    return _set_draining(node_id, draining=False, actor=actor, reason=reason)


def _set_draining(node_id: str, *, draining: bool, actor: Actor, reason: str) -> Node:
    with auditlog.audited():
        node = _locked(node_id)
        if node.draining != draining:
            node.draining = draining
            if not draining and node.state == NodeState.DRAINED:
                node.state = NodeState.UP
            node.save(update_fields=["draining", "state"])
            _notify_desired()
        auditlog.record(
            actor=actor, action="node.drain" if draining else "node.undrain", target=node.name, reason=reason,
            details={"node": node.id},
        )  # fmt: skip
    return node


def forget_node(*, node_id: str, actor: Actor, reason: str = "") -> None:
    """Drop a host that will not come back, with what was observed of it. Its journal stays until retention.

    Raises NoSuchNodeError; a node whose lease runs is refused with FleetError.
    """
    with auditlog.audited():
        node = _locked(node_id)
        if node.lease_until is not None and node.lease_until > database_now():
            raise FleetError(f"{node.name} is alive: its lease runs; drain it and stop its guardian first")
        auditlog.record(
            actor=actor, action="node.forget", target=node.name, reason=reason, details={"node": node.id}
        )
        node.delete()


def _locked(node_id: str) -> Node:
    try:
        return Node.objects.select_for_update().get(id=node_id)
    except Node.DoesNotExist:
        raise NoSuchNodeError(f"there is no node {node_id!r}") from None


def _notify_desired() -> None:
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY overstory_desired")


# -- leadership -----------------------------------------------------------------------------------------------------------

_ACQUIRE = """
INSERT INTO supervision_leadership AS led (name, holder, term, until)
VALUES (%(name)s, %(holder)s, 1, clock_timestamp() + make_interval(secs => %(ttl)s))
ON CONFLICT (name) DO UPDATE
SET holder = EXCLUDED.holder, term = led.term + 1, until = EXCLUDED.until
WHERE led.until < clock_timestamp()
RETURNING term
"""
"""Take a leadership that nobody holds any more; its term grows."""

_RENEW_LEADERSHIP = """
UPDATE supervision_leadership
SET until = clock_timestamp() + make_interval(secs => %(ttl)s)
WHERE name = %(name)s
  AND holder = %(holder)s
  AND term = %(term)s
"""
"""Prolong a leadership; also a late one, as long as nobody took it."""

_HOLDS = """
SELECT 1
FROM supervision_leadership
WHERE name = %(name)s
  AND holder = %(holder)s
  AND term = %(term)s
  AND until > clock_timestamp()
FOR SHARE
"""
"""Whether a leader still leads; held until the transaction ends, so that nobody takes over inside it."""


def acquire(*, name: str, holder: str, ttl_s: float) -> int | None:
    """Become the leader: the term, or None while another one leads."""
    return _one(_ACQUIRE, name=name, holder=holder, ttl=ttl_s)


def renew(*, name: str, holder: str, term: int, ttl_s: float) -> bool:
    """Stay the leader: False when another one took over."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW_LEADERSHIP, {"name": name, "holder": holder, "term": term, "ttl": ttl_s})
        return bool(cursor.rowcount == 1)


def resign(*, name: str, holder: str, term: int) -> None:
    """Let another one lead at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE supervision_leadership SET until = clock_timestamp() WHERE name = %s AND holder = %s AND term = %s",
            [name, holder, term],
        )


def still_leads(*, name: str, holder: str, term: int) -> bool:
    """Asked inside the transaction of a leader's write: a leader that was stopped past its lease must not write."""
    return _one(_HOLDS, name=name, holder=holder, term=term) is not None


def _one(query: str, **arguments: Any) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        row = cursor.fetchone()
    return None if row is None else int(row[0])
