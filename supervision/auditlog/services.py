"""Writing and checking the audit log."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from supervision.auditlog.actor import Actor
from supervision.auditlog.chain import BEGINNING, ChainVerdict, Link, digest, verify
from supervision.auditlog.models import AuditEntry, AuditSegment, Outcome
from supervision.auditlog.plain import plain, plain_address, plain_text

LOCK = 0x6F766572_61756469 & 0x7FFFFFFFFFFFFFFF
"""Advisory lock of the chain's end: whoever writes holds it until the transaction ends, so numbers have no gap."""
BATCH = 1000


def record(
    *,
    actor: Actor,
    action: str,
    target: str = "",
    tree: str = "",
    reason: str = "",
    outcome: str = Outcome.OK,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry, in the caller's transaction: what is rolled back leaves none. `details` never holds a secret."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        last_seq, last_hash = _end()
        entry = AuditEntry(
            seq=last_seq + 1,
            at=timezone.now(),
            actor_kind=actor.kind,
            actor_id=plain_text(actor.id, 200),
            actor_name=plain_text(actor.name, 200),
            ip=plain_address(actor.ip),
            request_id=plain_text(actor.request_id or "", 64),
            action=action,
            target=plain_text(target, 400),
            tree=plain_text(tree, 64),
            reason=plain_text(reason),
            outcome=outcome,
            details=plain(dict(details or {})),
            previous_hash=last_hash,
        )
        entry.hash = digest(last_hash, content(entry))
        entry.save(force_insert=True)
    return entry


def _end() -> tuple[int, str]:
    """Number and hash of the newest entry; of the newest dropped segment when no entry is left."""
    last = AuditEntry.objects.order_by("-seq").values_list("seq", "hash").first()
    if last is not None:
        return last
    dropped = AuditSegment.objects.order_by("-last_seq").values_list("last_seq", "closing_hash").first()
    return dropped or (0, BEGINNING)


def content(entry: AuditEntry) -> dict[str, Any]:
    """What the hash covers: everything but the hashes. Times in microseconds, as the database keeps them."""
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(timespec="microseconds"),
        "actor": [entry.actor_kind, entry.actor_id, entry.actor_name, entry.ip],
        "request_id": entry.request_id,
        "action": entry.action,
        "target": entry.target,
        "tree": entry.tree,
        "reason": entry.reason,
        "outcome": entry.outcome,
        "details": entry.details,
    }


def verify_chain(*, first_seq: int | None = None, last_seq: int | None = None) -> ChainVerdict:
    """Follow the chain over what is kept, or a part of it. Reads in batches; takes about 20 us an entry."""
    start_seq, start_hash = _before(first_seq)
    entries = AuditEntry.objects.filter(seq__gt=start_seq).order_by("seq")
    if last_seq is not None:
        entries = entries.filter(seq__lte=last_seq)

    def links() -> Iterator[Link]:
        for entry in entries.iterator(chunk_size=BATCH):
            yield Link(entry.seq, content(entry), entry.previous_hash, entry.hash)

    return verify(links(), previous_seq=start_seq, previous_hash=start_hash)


def _before(first_seq: int | None) -> tuple[int, str]:
    if first_seq is not None:
        before = AuditEntry.objects.filter(seq=first_seq - 1).values_list("seq", "hash").first()
        if before is not None:
            return before
    dropped = AuditSegment.objects.order_by("-last_seq").values_list("last_seq", "closing_hash").first()
    return dropped or (0, BEGINNING)


def drop_before(*, moment: datetime, now: datetime) -> int:
    """Retention: drop every entry older than `moment` as one segment that keeps the closing hash; how many were dropped.

    The newest entry always stays, so that the chain's end is never empty.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            cursor.execute("SET LOCAL overstory.retention = 'on'")
        newest = AuditEntry.objects.order_by("-seq").first()
        kept = AuditEntry.objects.filter(at__gte=moment).order_by("seq").first() or newest
        if newest is None or kept is None:
            return 0
        old = AuditEntry.objects.filter(seq__lt=kept.seq).order_by("seq")
        first, last = old.first(), old.last()
        if first is None or last is None:
            return 0
        AuditSegment.objects.create(
            first_seq=first.seq, last_seq=last.seq, closing_hash=last.hash, dropped_at=now
        )
        dropped, _ = old.delete()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL overstory.retention = 'off'")
    return dropped
