"""Taking checkpoints in, keeping as many as the tree says, and giving the newest to a node that has none."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from agents.checkpoints.models import Checkpoint, CheckpointFault
from agents.exceptions import UnknownError
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.journal.columns import moment
from supervision.journal.models import ObservedChild
from supervision.programs.handlers import ProgramEvent
from supervision.runtime.treewalk import declared
from supervision.trees.models import Placement, PlacementState, Tree

SAVED = "checkpoint.saved"
CORRUPT = "checkpoint.corrupt"
MAX_BYTES = 8 * 1024 * 1024
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of one agent, all its states together; the newest always stays."""
DEFAULT_KEEP = 3
FAULTS_KEPT = 20
GONE_AFTER = timedelta(days=7)
"""What is left of an agent that no node has any more."""
GONE_AT_ONCE = 1000


def take_in(events: Sequence[ProgramEvent]) -> None:
    """The handler of `checkpoint.`: store what came, then keep what is to be kept."""
    for event in events:
        if event.kind == SAVED:
            _store(event)
        elif event.kind == CORRUPT:
            _note(event)
    for key in {event.key for event in events}:
        prune(key)


def _store(event: ProgramEvent) -> None:
    """One state. That of a placement before the newest one's, or of an incarnation before it, is too late: left out."""
    body = event.body
    epoch, incarnation = int(body["epoch"]), int(body["incarnation"])
    later = Q(epoch__gt=epoch) | Q(epoch=epoch, node_id=event.node.pk, incarnation__gt=incarnation)
    replica = Placement.objects.filter(
        tree__name=OuterRef("tree"), epoch=OuterRef("epoch"), node_id=OuterRef("node_id")
    )
    # Of a tree with several places each has states of its own: only one that is gone says that this one is late.
    if (
        Checkpoint.objects.filter(later, key=event.key)
        .filter(Q(node_id=event.node.pk) | ~Exists(replica))
        .exists()
    ):
        return
    data = _decoded(body.get("data"))
    Checkpoint.objects.update_or_create(
        key=event.key,
        epoch=epoch,
        node_id=event.node.pk,
        version=int(body["version"]),
        defaults={
            "tree": event.key.partition("/")[0],
            "incarnation": incarnation,
            "schema": int(body["schema"]),
            "content": str(body["content"])[:8],
            "at": moment(float(body["at"])) or event.at,
            "bytes": int(body["bytes"]),
            "checksum": hashlib.sha256(data).hexdigest() if data is not None else "",
            "data": data,
            "received_at": timezone.now(),
        },
    )


def _decoded(text: Any) -> bytes | None:
    """ValueError for what is no base64, or longer than a node may carry."""
    if text is None:
        return None
    try:
        data = base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise ValueError("a checkpoint's data is no base64") from error
    if len(data) > MAX_BYTES:
        raise ValueError(f"a checkpoint of {len(data)} bytes was carried: at most {MAX_BYTES}")
    return data


def _note(event: ProgramEvent) -> None:
    body = event.body
    fallback = body.get("fallback")
    CheckpointFault.objects.create(
        node_id=event.node.pk,
        tree=event.key.partition("/")[0],
        key=event.key,
        incarnation=event.incarnation,
        version=int(body["version"]),
        fallback=None if fallback is None else int(fallback),
        why=str(body.get("why", ""))[:400],
        at=event.at,
    )
    auditlog.record(
        actor=Actor.system("gateway"),
        action="checkpoint.corrupt",
        target=event.key,
        tree=event.key.partition("/")[0],
        reason=str(body.get("why", ""))[:400],
        outcome="failed",
        details={"version": body["version"], "fallback": fallback, "node": event.node.pk},
    )


def prune(key: str) -> int:
    """Keep as many, as old and as much as the tree says, at most MAX_KEPT_BYTES; how many went. The newest stays."""
    policy = policy_of(key)
    keep = int(policy.get("keep", DEFAULT_KEEP))
    age = policy.get("max_age")
    oldest = None if age is None else timezone.now() - timedelta(seconds=float(age))
    rows = Checkpoint.objects.filter(key=key).order_by("-epoch", "-version", "-id")
    total, gone = 0, []
    for number, (pk, size, at, has_data) in enumerate(rows.values_list("pk", "bytes", "at", "checksum")):
        total += size if has_data else 0
        if number and (number >= keep or total > MAX_KEPT_BYTES or (oldest is not None and at < oldest)):
            gone.append(pk)
    faults = CheckpointFault.objects.filter(key=key).order_by("-id").values("pk")[:FAULTS_KEPT]
    CheckpointFault.objects.filter(key=key).exclude(pk__in=faults).delete()
    return Checkpoint.objects.filter(pk__in=gone).delete()[0] if gone else 0


def policy_of(key: str) -> Mapping[str, Any]:
    """The `checkpoint` part of what the head says of the child; empty where it says nothing."""
    name, _, path = key.partition("/")
    tree = Tree.objects.filter(name=name, deleted_at=None).select_related("head").first()
    if tree is None or tree.head is None:
        return {}
    plain = "/".join(part.partition("@")[0] for part in path.split("/"))
    for each in declared(tree.head.runs):
        if each.path == plain and each.kind == "agent":
            found: Mapping[str, Any] = each.child["agent"].get("checkpoint") or {}
            return found
    return {}


def newest_for(key: str, node_id: str) -> Checkpoint | None:
    """The state with which the child goes on here: the newest of a place that it has no more.

    Not of a place where it still runs: of a tree with several places each has its own.
    """
    elsewhere = Placement.objects.filter(
        tree__name=OuterRef("tree"),
        node_id=OuterRef("node_id"),
        epoch=OuterRef("epoch"),
        state=PlacementState.ASSIGNED,
    ).exclude(node_id=node_id)
    rows = Checkpoint.objects.filter(key=key, data__isnull=False).exclude(Exists(elsewhere))
    return rows.order_by("-epoch", "-version", "-id").first()


def checkpoint_by_number(number: int) -> Checkpoint:
    """Without its state. Raises UnknownError."""
    found = Checkpoint.objects.defer("data").filter(pk=number).first()
    if found is None:
        raise UnknownError(f"there is no checkpoint {number}")
    return found


def delete_checkpoint(*, pk: int, actor: Actor, reason: str = "") -> None:
    """Forget one state of the store; the node keeps its own. Raises UnknownError."""
    with auditlog.audited():
        row = Checkpoint.objects.select_for_update().filter(pk=pk).defer("data").first()
        if row is None:
            raise UnknownError(f"there is no checkpoint {pk}")
        Checkpoint.objects.filter(pk=pk).delete()
        details = {"version": row.version, "incarnation": row.incarnation, "epoch": row.epoch}
        auditlog.record(
            actor=actor,
            action="checkpoint.delete",
            target=row.key,
            tree=row.tree,
            reason=reason,
            details=details,
        )


def drop_old() -> int:
    """What is left of agents that no node has any more, since GONE_AFTER; how many rows."""
    there = ObservedChild.objects.filter(key=OuterRef("key"), removed=False)
    edge = timezone.now() - GONE_AFTER
    old = Checkpoint.objects.filter(~Exists(there), received_at__lt=edge).values("pk")[:GONE_AT_ONCE]
    faults = CheckpointFault.objects.filter(~Exists(there), at__lt=edge).values("pk")[:GONE_AT_ONCE]
    states = Checkpoint.objects.filter(pk__in=old).delete()[0]
    return states + CheckpointFault.objects.filter(pk__in=faults).delete()[0]
