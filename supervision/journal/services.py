"""Taking in what nodes report: each record once, and the rows that follow from it, in one transaction."""

import json
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from supervision.auditlog import services as auditlog
from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.journal import handlers
from supervision.journal.columns import body_of, moment, storable, subject_of
from supervision.journal.exceptions import StreamGapError
from supervision.journal.facts import Batch, Changes, Life, Record, Row, StrayFact
from supervision.journal.models import JournalRecord, ObservedChild, ObservedTree, Stray, StreamCursor

TIMES = ("since", "last_exit_at", "held_until", "backoff_until", "applied_at")
CHILD_FIELDS = [
    field.name
    for field in ObservedChild._meta.concrete_fields
    if field.name not in ("id", "node", "key", "status")
]
TREE_FIELDS = ["revision", "digest", "message", "applied_at", "state", "ended", "dynamic", "seq"]
ROWS_A_STATEMENT = 1000
KIND_LENGTH = 16
OBSERVED = "overstory_observed"
"""NOTIFY channel; the payload is the node's id. A hint only."""


def cursor_of(*, node_id: str, stream_epoch: int) -> int:
    """The number of the last record of the stream that is stored; 0 before the first."""
    seq = StreamCursor.objects.filter(node_id=node_id, stream_epoch=stream_epoch).values_list(
        "seq", flat=True
    )
    return seq.first() or 0


def ingest(*, node_id: str, stream_epoch: int, epoch: int, batch: Batch, may_jump: bool = False) -> int:
    """Store the batch's records that are not stored yet, and the rows that follow; the stream's cursor afterwards.

    Sent again, in whole or in part, a batch changes nothing more. `epoch` is the node's: StaleEpochError when it is over.
    StreamGapError when records before the batch are missing, unless `may_jump`: the node dropped them at its bound or
    cannot read them, which its own records say.
    """
    with auditlog.audited():  # handlers may record
        cursor = _locked_cursor(node_id, stream_epoch)
        first, last = batch.first_seq, batch.last_seq
        if last <= cursor.seq:
            return int(cursor.seq)
        if first > cursor.seq + 1 and not may_jump:
            raise StreamGapError(cursor.seq + 1, first)
        node = _node(node_id, epoch)
        new = [record for record in batch.records if int(record["seq"]) > cursor.seq]
        _insert_records(node_id, stream_epoch, new)
        _write_changes(node, batch.changes, last)
        handlers.run(handlers.Ingested(node, new, batch))
        _advance(node, cursor, last)
    return last


def write_everything(*, node_id: str, epoch: int, changes: Changes, seq: int) -> None:
    """Rows of a whole node, for one that comes back with a journal whose beginning is not its first record."""
    with transaction.atomic():
        node = _node(node_id, epoch)
        _write_changes(node, changes, seq)
        if Node.objects.filter(pk=node.pk, epoch=node.epoch).update(journal_seq=seq) == 0:
            raise StaleEpochError


def _node(node_id: str, epoch: int) -> Node:
    """Not locked: the node's lease is renewed meanwhile, and must not wait for us."""
    node = Node.objects.filter(pk=node_id, epoch=epoch).first()
    if node is None:
        raise StaleEpochError
    return node


_ADVANCE = """
WITH node AS (
    UPDATE supervision_node
    SET journal_seq = %(seq)s,
        stream_epoch = %(stream_epoch)s
    WHERE id = %(node)s
      AND epoch = %(epoch)s
    RETURNING id
), stream AS (
    UPDATE supervision_streamcursor
    SET seq = %(seq)s
    WHERE id = %(cursor)s
)
SELECT pg_notify(%(channel)s, id)
FROM node
"""
"""Say how far the stream is stored, and wake who waits for it, if the node's epoch is still the one that was begun with."""


def _advance(node: Node, cursor: StreamCursor, seq: int) -> None:
    """The last statement of a transaction: what it wrote counts only under the epoch that it began with.

    The node's row is locked from here to the commit only, so that its lease is renewed beside a long ingest.
    """
    with connection.cursor() as sql:
        sql.execute(
            _ADVANCE,
            {
                "node": node.pk,
                "epoch": node.epoch,
                "seq": seq,
                "stream_epoch": cursor.stream_epoch,
                "cursor": cursor.pk,
                "channel": OBSERVED,
            },
        )
        if sql.fetchone() is None:
            raise StaleEpochError


def _locked_cursor(node_id: str, stream_epoch: int) -> StreamCursor:
    streams = StreamCursor.objects.select_for_update().filter(node_id=node_id, stream_epoch=stream_epoch)
    for cursor in streams:
        return cursor
    StreamCursor.objects.bulk_create(
        [StreamCursor(node_id=node_id, stream_epoch=stream_epoch)], ignore_conflicts=True
    )
    return streams.get()


def _insert_records(node_id: str, stream_epoch: int, records: list[Record]) -> None:
    now = timezone.now()
    rows = []
    for record in records:
        tree, key = subject_of(record)
        rows.append(
            JournalRecord(
                node_id=node_id,
                stream_epoch=stream_epoch,
                seq=record["seq"],
                at=moment(record["t"]) or now,
                boot=record["b"],
                kind=str(record["k"])[:KIND_LENGTH],
                tree=tree,
                key=key,
                body=body_of(record),
                received_at=now,
            )
        )
    JournalRecord.objects.bulk_create(rows, batch_size=ROWS_A_STATEMENT)


_LINES = """
UPDATE supervision_observedchild AS child
SET status = coalesce(told.value, '')
FROM supervision_observedchild AS known
LEFT JOIN jsonb_each_text(%(lines)s::jsonb) AS told ON told.key = known.key
WHERE child.id = known.id
  AND known.node_id = %(node)s
  AND (%(whole)s OR told.key IS NOT NULL)
  AND known.status <> coalesce(told.value, '')
"""


def record_status_lines(*, node_id: str, epoch: int, lines: Mapping[str, str], is_whole: bool) -> int:
    """Store what children say of themselves; how many rows changed. `is_whole`: who is not among them says nothing.

    Not of the journal: lines have no number, and the newest is all there is. StaleEpochError when the epoch is over.
    """
    with transaction.atomic():
        if not Node.objects.select_for_update(no_key=True).filter(pk=node_id, epoch=epoch).exists():
            raise StaleEpochError
        with connection.cursor() as sql:
            sql.execute(
                _LINES, {"node": node_id, "lines": json.dumps(storable(dict(lines))), "whole": is_whole}
            )
            return int(sql.rowcount)


# -- rows -----------------------------------------------------------------------------------------------------------------


def _write_changes(node: Node, changes: Changes, seq: int) -> None:
    _write_members(node, changes, seq)
    _write_trees(node, changes, seq)
    _write_lives(node, list(changes.lives.values()), seq)
    for stray in changes.strays.values():
        _write_stray(node, stray)


def _write_members(node: Node, changes: Changes, seq: int) -> None:
    rows = [
        ObservedChild(node=node, seq=seq, removed=False, **_columns(row)) for row in changes.members.values()
    ]
    if rows:
        ObservedChild.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["node", "key"],
            update_fields=CHILD_FIELDS,
            batch_size=ROWS_A_STATEMENT,
        )
    gone = ObservedChild.objects.filter(node=node, removed=False)
    if changes.whole:
        gone.exclude(key__in=changes.members).update(removed=True, seq=seq, pid=None, since=timezone.now())
    elif changes.gone:
        gone.filter(key__in=changes.gone).update(removed=True, seq=seq, pid=None, since=timezone.now())


def _write_trees(node: Node, changes: Changes, seq: int) -> None:
    rows = [ObservedTree(node=node, seq=seq, **_columns(row)) for row in changes.trees.values()]
    if rows:
        ObservedTree.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["node", "name"], update_fields=TREE_FIELDS
        )
    if changes.whole:
        ObservedTree.objects.filter(node=node).exclude(name__in=changes.trees).delete()
    elif changes.trees_gone:
        ObservedTree.objects.filter(node=node, name__in=changes.trees_gone).delete()


def _columns(row: Row) -> dict[str, Any]:
    return {name: moment(value) if name in TIMES else storable(value) for name, value in row.items()}


_LIVES = """
INSERT INTO supervision_incarnation AS life
    (node_id, tree, key, number, pid, started_at, ready_at, ended_at, reason, stderr_tail, cause, seq)
SELECT %(node)s, new.tree, new.key, new.number, new.pid, to_timestamp(new.started_at), to_timestamp(new.ready_at),
    to_timestamp(new.ended_at), coalesce(new.reason, ''), coalesce(new.stderr_tail, '[]'), coalesce(new.cause, '{}'),
    %(seq)s
FROM jsonb_to_recordset(%(lives)s::jsonb) AS new
    (tree text, key text, number bigint, pid integer, started_at float8, ready_at float8, ended_at float8,
     reason text, stderr_tail jsonb, cause jsonb)
ON CONFLICT (node_id, key, number) DO UPDATE
SET pid = coalesce(EXCLUDED.pid, life.pid),
    started_at = coalesce(life.started_at, EXCLUDED.started_at),
    ready_at = coalesce(life.ready_at, EXCLUDED.ready_at),
    ended_at = coalesce(life.ended_at, EXCLUDED.ended_at),
    reason = CASE WHEN EXCLUDED.reason <> '' THEN EXCLUDED.reason ELSE life.reason END,
    stderr_tail = CASE WHEN EXCLUDED.stderr_tail <> '[]' THEN EXCLUDED.stderr_tail ELSE life.stderr_tail END,
    cause = CASE WHEN EXCLUDED.cause <> '{}' THEN EXCLUDED.cause ELSE life.cause END,
    seq = EXCLUDED.seq
"""
"""Add what a batch tells of lives to what is known of them."""


def _write_lives(node: Node, lives: list[Life], seq: int) -> None:
    for start in range(0, len(lives), ROWS_A_STATEMENT):
        part = [_life(life) for life in lives[start : start + ROWS_A_STATEMENT]]
        with connection.cursor() as sql:
            sql.execute(_LIVES, {"node": node.pk, "seq": seq, "lives": json.dumps(part)})


def _life(life: Life) -> dict[str, Any]:
    values: dict[str, Any] = storable({name: getattr(life, name) for name in Life.__slots__})
    return values


def _write_stray(node: Node, fact: StrayFact) -> None:
    at = moment(fact.at) or timezone.now()
    is_over = fact.state == Stray.State.ENDED
    Stray.objects.update_or_create(
        node=node,
        pid=fact.pid,
        start_time=fact.start_time,
        defaults={
            "state": fact.state,
            "owner": fact.owner,
            "ended_at": at if is_over else None,
            **({} if is_over else {"command": storable(fact.command), "parent_pid": fact.parent_pid}),
        },
        create_defaults={
            "state": fact.state,
            "owner": fact.owner,
            "ended_at": at if is_over else None,
            "command": storable(fact.command),
            "parent_pid": fact.parent_pid,
            "first_seen": at,
        },
    )
