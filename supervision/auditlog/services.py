"""Writing and checking the audit log.

One lock order holds for the whole store: rows first (trees by name, then what hangs on them, then nodes), the end of the
audit log's chain last. Everybody needs that end, so whoever waited for a row while holding it would wait for somebody who
waits for the end. `audited` makes the order a fact: what is recorded inside it is written as its transaction's last act.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Deed:
    """An entry that is not written yet. Any: `details` is JSON."""

    actor: Actor
    action: str
    target: str
    tree: str
    reason: str
    outcome: str
    details: dict[str, Any]


_pending: ContextVar[list[_Deed] | None] = ContextVar("pending", default=None)
"""What the transaction under way will write; None outside `audited`."""


@contextmanager
def audited() -> Iterator[None]:
    """`transaction.atomic` for everything that records; also a decorator. May be nested: the outermost one writes.

    What is undone inside leaves no entry: an exception that leaves an inner one takes what was recorded in it along.
    """
    outer = _pending.get()
    deeds: list[_Deed] = [] if outer is None else outer
    kept = len(deeds)
    token = _pending.set(deeds)
    try:
        with transaction.atomic():
            yield
            if outer is None and deeds:
                _write(deeds)
    except BaseException:
        del deeds[kept:]
        raise
    finally:
        _pending.reset(token)


def record(
    *,
    actor: Actor,
    action: str,
    target: str = "",
    tree: str = "",
    reason: str = "",
    outcome: str = Outcome.OK,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry, at the end of the `audited` transaction around it, else at once. `details` never holds a secret."""
    deed = _Deed(actor, action, target, tree, reason, outcome, dict(details or {}))
    pending = _pending.get()
    if pending is None:
        with transaction.atomic():
            _write([deed])
    else:
        pending.append(deed)


def _write(deeds: list[_Deed]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    seq, last_hash = _end()
    entries = []
    for deed in deeds:
        seq += 1
        entry = _entry(deed, seq, last_hash)
        entries.append(entry)
        last_hash = entry.hash
    AuditEntry.objects.bulk_create(entries)


def _entry(deed: _Deed, seq: int, last_hash: str) -> AuditEntry:
    entry = AuditEntry(
        seq=seq,
        at=timezone.now(),
        actor_kind=deed.actor.kind,
        actor_id=plain_text(deed.actor.id, 200),
        actor_name=plain_text(deed.actor.name, 200),
        ip=plain_address(deed.actor.ip),
        request_id=plain_text(deed.actor.request_id or "", 64),
        action=deed.action,
        target=plain_text(deed.target, 400),
        tree=plain_text(deed.tree, 64),
        reason=plain_text(deed.reason),
        outcome=deed.outcome,
        details=plain(deed.details),
        previous_hash=last_hash,
    )
    entry.hash = digest(last_hash, content(entry))
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
