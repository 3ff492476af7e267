"""Time travel: what a node's state was behind any record that is kept, or at any time since.

The state is folded, by the node's own recovery code (replica.py), from the nearest snapshot before the moment. A node writes
one after as many bytes as twice the last one, so the way from there is short however long the journal is. Where retention
dropped the snapshot, it left the state that followed (StreamBase).
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from supervision.journal.columns import record_of
from supervision.journal.exceptions import NoHistoryError
from supervision.journal.facts import Changes, Record
from supervision.journal.models import JournalRecord, StreamBase
from supervision.journal.replica import Replica
from supervision.runtime.recovery import Recovered

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Past:
    """A node as it was behind record `seq` of its stream, which it wrote at `at` by its own clock."""

    node_id: str
    stream_epoch: int
    seq: int
    at: datetime
    boot: float
    state: Recovered
    rows: Changes
    """Every member and tree as a row of that moment."""
    is_whole: bool
    """False: records before `seq` were lost on the way, so what they changed is not seen until the next snapshot."""


def state_behind(*, node_id: str, stream_epoch: int, seq: int) -> Past:
    """The state behind a record. Raises NoHistoryError when no snapshot before it, or not the record itself, is kept."""
    past = _folded(node_id, Q(stream_epoch=stream_epoch, seq__lte=seq), lambda record: record["seq"] <= seq)
    if past.seq != seq:
        raise NoHistoryError(f"record {seq} of stream {stream_epoch} of node {node_id!r} is not kept")
    return past


def state_at(*, node_id: str, at: datetime) -> Past:
    """The state at a time by the node's clock: behind the last record before the clock passed it. Raises NoHistoryError."""
    edge = at.timestamp()
    return _folded(node_id, Q(at__lte=at), lambda record: record["t"] <= edge)


def latest(*, node_id: str) -> Past:
    """The state behind the last record that is stored of a node. Raises NoHistoryError."""
    return _folded(node_id, Q(), lambda _: True)


def _folded(node_id: str, before: Q, belongs: Callable[[Record], bool]) -> Past:
    """From the newest base that is `before` the moment, through the records that belong to it."""
    base = _base(node_id, before)
    replica = Replica()
    replica.skip([record_of(base)] if isinstance(base, JournalRecord) else [_snapshot_of(base)])
    last: JournalRecord | StreamBase = base
    is_whole = replica.is_synced
    rows = itertools.takewhile(lambda row: belongs(record_of(row)), _behind(base))
    for part in _parts(rows):
        for row in part:
            if row.kind == "snapshot":
                is_whole = True
            elif row.seq != _next_after(last):
                is_whole = False
            last = row
        replica.skip([record_of(row) for row in part])
    return Past(
        node_id=node_id,
        stream_epoch=base.stream_epoch,
        seq=last.seq,
        at=last.at,
        boot=last.boot,
        state=replica.state,
        rows=replica.everything(),
        is_whole=is_whole and replica.is_synced,
    )


def _base(node_id: str, before: Q) -> JournalRecord | StreamBase:
    """What holds a whole state: a snapshot, what retention left, or the first record of all (an empty state before it)."""
    records = JournalRecord.objects.filter(before, node_id=node_id).order_by("-stream_epoch", "-seq")
    found: list[JournalRecord | StreamBase | None] = [
        records.filter(kind="snapshot").first(),
        StreamBase.objects.filter(before, node_id=node_id).order_by("-stream_epoch").first(),
        records.filter(seq=1).first(),
    ]
    bases = [base for base in found if base is not None]
    if not bases:
        raise NoHistoryError(f"nothing of node {node_id!r} is kept from before that moment")
    return max(bases, key=lambda base: (base.stream_epoch, base.seq))


def _behind(base: JournalRecord | StreamBase) -> Iterator[JournalRecord]:
    rows = JournalRecord.objects.filter(
        node_id=base.node_id, stream_epoch=base.stream_epoch, seq__gt=base.seq
    )
    return rows.order_by("seq").iterator(chunk_size=AT_ONCE)


def _parts(rows: Iterator[JournalRecord]) -> Iterator[list[JournalRecord]]:
    while part := list(itertools.islice(rows, AT_ONCE)):
        yield part


def _next_after(row: JournalRecord | StreamBase) -> int:
    if isinstance(row, JournalRecord) and row.kind == "damage":
        return int(row.body.get("last") or row.seq) + 1
    return row.seq + 1


def _snapshot_of(base: StreamBase) -> Record:
    return {**base.body, "seq": base.seq, "t": base.at.timestamp(), "b": base.boot, "k": "snapshot"}
