"""The journal's way into the store: from disk, in batches, each once and in order.

A batch is built once and offered until the store has taken it; what was taken although we never heard of it is found out by
the cursor, which is compared and set in the transaction that inserts. Records reach the disk before they reach the store,
so that no power cut can make the node use a number again that the store has already seen.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError

from controlplane.courier.session import Session
from supervision.journal import services as journal
from supervision.journal.exceptions import StreamGapError
from supervision.journal.facts import Batch
from supervision.journal.replica import Replica
from supervision.runtime.journal_reader import JournalReader
from supervision.runtime.journal_segments import (
    Record,
    head,
    list_segments,
    mapped,
    rfind_snapshot,
    seek_seq,
    sync,
    write_cursor,
)

T = TypeVar("T")

READ_LIMIT_S = 4.0
INGEST_LIMIT_S = 5.0
INGEST_LIMIT_MAX_S = 60.0
"""A batch that did not fit into its time is given twice as much: on a slow day it must come to its end at last."""
IDLE_S = 1.0
BETWEEN_S = 0.05
"""So that a busy node's records come in batches and not one by one."""
CURSOR_EVERY_S = 1.0
MOST = 500
"""Records of a batch."""


class Shipping:
    """The job `journal`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._directory = str(session.paths.journal_dir)
        self._reader: JournalReader | None = None
        self._replica = Replica()
        self._read: list[Record] = []
        self._batch: Batch | None = None
        self._may_jump = False
        self._cursor_written = -1.0
        self._on_disk = -1
        self._limit_s = INGEST_LIMIT_S

    def step(self) -> float:
        """Offer one batch; how long to wait for the next."""
        session = self.session
        epoch = session.epoch
        if epoch is None:
            return 0.1
        if self._reader is None:
            self._begin()
        if session.resync.is_set():
            self._in_time(lambda: self._write_everything(epoch))
        if self._batch is None and not self._next_batch():
            return 0.0
        assert self._batch is not None  # just made  # noqa: S101
        batch = self._batch
        try:
            last = self._in_time(
                lambda: journal.ingest(
                    node_id=session.node_id,
                    stream_epoch=session.stream_epoch,
                    epoch=epoch,
                    batch=batch,
                    may_jump=self._may_jump,
                )
            )
        except StreamGapError as error:
            # The store is an earlier one than we knew: restored, or it lost its last second.
            session.say(f"journal: {error}; read again from there")
            self._start_over()
            return BETWEEN_S
        self._batch, self._may_jump = None, False
        session.shipped = last
        self._write_cursor(last)
        session.stored.set()
        return BETWEEN_S

    def _in_time(self, work: Callable[[], T]) -> T:
        """Do it before the deadline; what was cut off has more time at the next try."""
        clock = self.session.clock
        began = clock.boot()
        try:
            with self.session.deadlines.within(self._limit_s):
                done = work()
        except OperationalError:
            if clock.boot() - began >= self._limit_s:
                self._limit_s = min(2 * self._limit_s, INGEST_LIMIT_MAX_S)
            raise
        self._limit_s = INGEST_LIMIT_S
        return done

    def _start_over(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader, self._batch, self._read, self._may_jump = None, None, [], False

    # -- reading ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Fold what is stored already, from the newest snapshot before it on; then go on behind it."""
        session = self.session
        with session.deadlines.within(READ_LIMIT_S):
            stored = journal.cursor_of(node_id=session.node_id, stream_epoch=session.stream_epoch)
        self._replica = Replica()
        reader = JournalReader(self._directory, after_seq=_fold_from(self._directory, stored) - 1)
        known: list[Record] = []
        while not self._read:
            records = reader.batch()
            if not records:
                break
            known = [record for record in records if _last_of(record) <= stored]
            self._replica.skip(known)
            self._read = records[len(known) :]
        if self._read and int(self._read[0]["seq"]) > stored + 1:
            session.say(
                f"journal: records {stored + 1} to {int(self._read[0]['seq']) - 1} are gone from the disk"
            )
            self._may_jump = True
        self._reader = reader
        session.shipped = stored
        session.resync.set()

    def _next_batch(self) -> bool:
        """Fold the next records; False when there are none yet, after a while of waiting for them."""
        assert self._reader is not None  # _begin made it  # noqa: S101
        if not self._read:
            self._read = self._reader.batch()
        if not self._read:
            self._write_cursor(self.session.shipped, final=True)
            self._reader.wait(IDLE_S)
            self._read = self._reader.batch()
        if not self._read:
            return False
        records, self._read = self._read[:MOST], self._read[MOST:]
        sync(self._directory)
        self._batch = self._replica.fold(records)
        return True

    # -- writing ----------------------------------------------------------------------------------------------------

    def _write_everything(self, epoch: int) -> None:
        """All rows as the last stored record leaves them: of a node that the store does not know, or knows wrongly."""
        session = self.session
        if self._batch is not None or not self._replica.is_synced:
            return  # first the batch under way; without a snapshot yet nothing is known
        session.resync.clear()
        try:
            journal.write_everything(
                node_id=session.node_id,
                epoch=epoch,
                changes=self._replica.everything(),
                seq=session.shipped,
            )
        except BaseException:
            session.resync.set()
            raise

    def _write_cursor(self, seq: int, *, final: bool = False) -> None:
        """On disk, for the node's retention; each second is enough while records come, and the last one when none do."""
        now = self.session.clock.boot()
        if seq > 0 and self._on_disk != seq and (final or now - self._cursor_written >= CURSOR_EVERY_S):
            write_cursor(self._directory, seq)
            self._cursor_written, self._on_disk = now, seq


def _last_of(record: Record) -> int:
    """The number up to which a record counts: one of damage stands for several."""
    return int(record["last"] or record["seq"]) if record["k"] == "damage" else int(record["seq"])


def _fold_from(directory: str, stored: int) -> int:
    """The number of the newest snapshot at or before `stored`; without one that of the oldest record there is."""
    segments = list_segments(directory)
    for segment in reversed([one for one in segments if one.first_seq <= stored]):
        try:
            with mapped(segment.path) as data:
                end = seek_seq(data, stored)
                at = rfind_snapshot(data, max(end, data.find(b"\n") + 1))
                top = head(data, at) if at >= 0 else None
        except FileNotFoundError:
            continue
        if top is not None and top[0] <= stored:
            return top[0]
    return segments[0].first_seq if segments else 1
