"""Writes of the registry. Who holds a key is decided by one statement; the row's own lock decides between two.

An incarnation registers as often as it likes (it is the same holder), also over what the incarnation before it of the same
child on the same node left: on one node a child never has two. Everybody else is told who holds the key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from agents.configs.document import check_names
from agents.exceptions import (
    AgentsError,
    ChangedMeanwhileError,
    InvalidConfigError,
    TooLargeError,
    UnknownError,
)
from agents.registry.living import LIVING, over
from agents.registry.models import NAME_LENGTH, Registration
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.journal.models import Incarnation
from supervision.programs.hints import send_hint
from supervision.trees.exceptions import Fault
from supervision.trees.notices import notify

CHANGED = "overstory_registry"
"""NOTIFY channel: somebody came, went or is ready now. A hint to look; the payload is the namespace."""
HINT = "registry"
"""Topic of the push to programs."""
MAX_METADATA_BYTES = 16 * 1024
MAX_CAPABILITIES = 100
SWEPT_AT_ONCE = 10_000


class HeldError(AgentsError):
    """Somebody else holds the key; `holder` says who."""

    def __init__(self, holder: Registration) -> None:
        who = holder.child or holder.holder
        super().__init__(f"{holder} is held by {who}")
        self.holder = holder


class EndedError(AgentsError):
    """The incarnation that asks has ended already, as far as the journal is stored; `newest`: the newest of its child."""

    def __init__(self, owner: "Owner", newest: int) -> None:
        later = f"; the newest is #{newest}" if newest > owner.incarnation else ""
        super().__init__(f"{owner.child} #{owner.incarnation} has ended{later}")
        self.newest = newest


@dataclass(frozen=True, slots=True)
class Owner:
    """Who registers: an incarnation on a node, or (without a node) somebody who renews a lease of `lease_s` seconds."""

    node_id: str | None = None
    child: str = ""
    incarnation: int = 0
    holder: str = ""
    lease_s: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said with a registration."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    capabilities: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    ready: bool = True


_REGISTER = f"""
INSERT INTO agents_registration AS r (
    namespace, key, epoch, node_id, tree, child, incarnation, holder, service, ready, metadata, capabilities, labels,
    registered_at, lease_until
)
SELECT
    %(namespace)s, %(key)s, nextval('agents_registration_epoch'), %(node)s, %(tree)s, %(child)s, %(incarnation)s,
    %(holder)s, %(service)s, %(ready)s, %(metadata)s::jsonb, %(capabilities)s::jsonb, %(labels)s::jsonb,
    clock_timestamp(), clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE NOT EXISTS (
    SELECT 1
    FROM supervision_incarnation i
    WHERE i.node_id = %(node)s
      AND i.key = %(child)s
      AND i.number >= %(incarnation)s
      AND (i.ended_at IS NOT NULL OR i.number > %(incarnation)s)
)
ON CONFLICT (namespace, key) DO UPDATE
SET epoch = CASE WHEN {{same}} THEN r.epoch ELSE EXCLUDED.epoch END,
    registered_at = CASE WHEN {{same}} THEN r.registered_at ELSE EXCLUDED.registered_at END,
    node_id = EXCLUDED.node_id,
    tree = EXCLUDED.tree,
    child = EXCLUDED.child,
    incarnation = EXCLUDED.incarnation,
    holder = EXCLUDED.holder,
    service = EXCLUDED.service,
    ready = EXCLUDED.ready,
    metadata = EXCLUDED.metadata,
    capabilities = EXCLUDED.capabilities,
    labels = EXCLUDED.labels,
    lease_until = EXCLUDED.lease_until
WHERE {{same}}
   OR (r.node_id = EXCLUDED.node_id AND r.child = EXCLUDED.child AND r.incarnation < EXCLUDED.incarnation)
   OR NOT COALESCE({LIVING}, FALSE)
RETURNING r.id
""".replace(  # noqa: S608  constants
    "{same}",
    "(r.node_id = EXCLUDED.node_id AND r.child = EXCLUDED.child AND r.incarnation = EXCLUDED.incarnation)",
)
"""Take the key when it is free, ours already, our child's earlier life's, or of somebody who is gone."""


def register(*, namespace: str, key: str, owner: Owner, facts: Facts | None = None) -> Registration:
    """Hold `key`. Raises HeldError, EndedError, InvalidConfigError, TooLargeError."""
    said = facts or Facts()
    check_facts(namespace, key, said)
    values = {
        "namespace": namespace,
        "key": key,
        "node": owner.node_id,
        "tree": owner.child.partition("/")[0],
        "child": owner.child,
        "incarnation": owner.incarnation,
        "holder": owner.holder,
        "service": said.service,
        "ready": said.ready,
        "metadata": json.dumps(said.metadata),
        "capabilities": json.dumps(list(said.capabilities)),
        "labels": json.dumps(said.labels),
        "lease_s": owner.lease_s,
    }
    with transaction.atomic():
        taken = _take(values)
        if taken is None:
            holder = Registration.objects.filter(namespace=namespace, key=key).select_related("node").first()
            is_ours = owner.node_id is not None and holder is not None and holder.child == owner.child
            if holder is not None and not is_ours:
                raise HeldError(holder)
            if owner.node_id is not None:
                raise EndedError(owner, _newest_life(owner))
            taken = _take(values)  # whoever held it let go between the two statements
        if taken is None:
            raise ChangedMeanwhileError(f"{namespace}/{key} changes hands right now: ask again")
        _tell(namespace)
        return Registration.objects.select_related("node").get(pk=taken)


def _newest_life(owner: Owner) -> int:
    rows = Incarnation.objects.filter(node_id=owner.node_id, key=owner.child).order_by("-number")
    return rows.values_list("number", flat=True).first() or owner.incarnation


def _take(values: Mapping[str, Any]) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_REGISTER, dict(values))
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def unregister(*, namespace: str, key: str, owner: Owner) -> bool:
    """Let go of `key`; whether `owner`, an incarnation, held it."""
    mine = Registration.objects.filter(
        namespace=namespace,
        key=key,
        node_id=owner.node_id,
        child=owner.child,
        incarnation=owner.incarnation,
    )
    with transaction.atomic():
        found = bool(mine.delete()[0])
        if found:
            _tell(namespace)
    return found


def renew(*, namespace: str, key: str, epoch: int, lease_s: float, ready: bool | None = None) -> Registration:
    """Prolong the lease of a holder outside of trees. Raises UnknownError, and ChangedMeanwhileError for another epoch."""
    with transaction.atomic():
        row = _held_by_lease(namespace, key, epoch)
        changed = ready is not None and ready != row.ready
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE agents_registration SET lease_until = clock_timestamp() + make_interval(secs => %s), ready = %s "
                "WHERE id = %s",
                [lease_s, row.ready if ready is None else ready, row.pk],
            )
        if changed:
            _tell(namespace)
        return Registration.objects.get(pk=row.pk)


def release(*, namespace: str, key: str, epoch: int) -> None:
    """End the lease of a holder outside of trees. Raises as `renew`."""
    with transaction.atomic():
        _held_by_lease(namespace, key, epoch).delete()
        _tell(namespace)


def remove(*, namespace: str, key: str, actor: Actor, reason: str = "") -> None:
    """Take a key away from whoever holds it. Raises UnknownError."""
    with auditlog.audited():
        row = Registration.objects.select_for_update().filter(namespace=namespace, key=key).first()
        if row is None:
            raise UnknownError(f"nobody holds {namespace}/{key}")
        row.delete()
        _tell(namespace)
        details = {"child": row.child, "incarnation": row.incarnation, "holder": row.holder}
        auditlog.record(
            actor=actor,
            action="registration.remove",
            target=str(row),
            tree=row.tree,
            reason=reason,
            details=details,
        )


def _held_by_lease(namespace: str, key: str, epoch: int) -> Registration:
    row = Registration.objects.select_for_update().filter(namespace=namespace, key=key).first()
    if row is None:
        raise UnknownError(f"nobody holds {namespace}/{key}")
    if row.epoch != epoch:
        raise ChangedMeanwhileError(f"{namespace}/{key} has another holder now, with epoch {row.epoch}")
    if row.node_id is not None:
        raise UnknownError(f"{namespace}/{key} is held by a child, not by a lease")
    return row


_END = """
DELETE FROM agents_registration r
USING unnest(%s::text[], %s::bigint[]) AS ended (child, incarnation)
WHERE r.node_id = %s
  AND r.child = ended.child
  AND r.incarnation <= ended.incarnation
RETURNING r.namespace
"""


def end_of_lives(node_id: str, ended: Sequence[tuple[str, int]]) -> int:
    """These incarnations of the node have ended: what they held is free; how much that was."""
    with transaction.atomic(), connection.cursor() as cursor:
        children, numbers = zip(*ended, strict=True)
        cursor.execute(_END, [list(children), list(numbers), node_id])
        namespaces = [row[0] for row in cursor.fetchall()]
        for namespace in set(namespaces):
            _tell(namespace)
    return len(namespaces)


def sweep() -> int:
    """Delete rows of leases that are over, and of lives whose end did not find them; how many."""
    return Registration.objects.filter(pk__in=over().values("pk")[:SWEPT_AT_ONCE]).delete()[0]


def _tell(namespace: str) -> None:
    notify(CHANGED, namespace)
    send_hint(HINT, {"namespace": namespace})


# -- what may be said ---------------------------------------------------------------------------------------------------


def check_facts(namespace: str, key: str, facts: Facts) -> None:
    """Raises InvalidConfigError, TooLargeError."""
    check_names(namespace=namespace, **({"service": facts.service} if facts.service else {}))
    faults = []
    if not 1 <= len(key) <= NAME_LENGTH or not key.isprintable() or "\0" in key:
        faults.append(Fault("/key", f"1 to {NAME_LENGTH} printable characters"))
    if len(facts.capabilities) > MAX_CAPABILITIES or not all(_is_word(one) for one in facts.capabilities):
        faults.append(Fault("/capabilities", f"at most {MAX_CAPABILITIES} names"))
    if not all(_is_word(name) and _is_word(value) for name, value in facts.labels.items()):
        faults.append(Fault("/labels", "names and values are short texts"))
    if faults:
        raise InvalidConfigError(faults)
    size = len(json.dumps([facts.metadata, facts.labels]))
    if size > MAX_METADATA_BYTES:
        raise TooLargeError(
            "/metadata", f"metadata and labels have {size} bytes: at most {MAX_METADATA_BYTES}"
        )


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= NAME_LENGTH and value.isprintable()
