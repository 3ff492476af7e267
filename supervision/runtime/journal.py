"""The node's journal, which is its outbox: every life-cycle change, once, in order, before anybody else hears of it.

Guarantee: `append` puts one complete line into the page cache with one `write`, so a record survives kill -9 of anything
from the moment `append` returns; the rotator's `sync` each second bounds what a power cut may take. Sequence numbers have
no gap and are never used twice. One writer: whoever opens a journal holds the guardian's lock, and only then is a torn last
line cut.

A segment ends where a snapshot is due, so that each one opens with a snapshot and retention can drop whole files. The
snapshot is written by the node between two of its steps, never from inside `append`: only there do state and records agree.

Order is the sequence number; `t` is for people and may jump, `b` (boot clock) is for durations within one boot.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from supervision.exceptions import SupervisionError
from supervision.runtime.clock import Clock
from supervision.runtime.journal_reader import last_seq, read
from supervision.runtime.journal_replay import replay
from supervision.runtime.journal_reserve import FULL, UNSUPPORTED, Allocate, Ballast, Preallocation
from supervision.runtime.journal_segments import (
    KINDS,
    SNAPSHOT,
    SUFFIX,
    UNFINISHED,
    VERSION,
    Damage,
    Record,
    Segment,
    head,
    list_segments,
    mapped,
    parse,
    read_cursor,
    rfind_snapshot,
    segment_path,
    sync,
)
from supervision.runtime.jsontext import encode
from supervision.runtime.linux import fallocate_keep

__all__ = ["Cut", "Damage", "Journal", "JournalFull", "Record", "last_seq", "read", "sync"]

MIB = 1 << 20
SNAPSHOT_MIN_BYTES = MIB
SNAPSHOT_FACTOR = 2
"""A snapshot is due after as many bytes of records as twice the last one: replay stays bounded, writing is amortised."""

_DROPPED = b',"k":"dropped",'
_HEADER = frozenset({"v", "seq", "t", "b", "k"})


class JournalFull(SupervisionError):  # noqa: N818  # the word that states and reasons use
    """The journal cannot take this record: the disk is full and the reserve is used up."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A torn last line that was cut on open."""

    path: str
    offset: int
    bytes: int


class Journal:
    """The open journal; `Journal.open` makes one."""

    def __init__(
        self,
        directory: str,
        *,
        clock: Clock,
        segment_bytes: int,
        reserve_bytes: int,
        bound_bytes: int,
        allocate: Allocate,
        write: Callable[[int, bytes], int],
    ) -> None:
        self.directory = directory
        self.cut: Cut | None = None
        """What `open` cut, for the node to record."""
        self.damage: tuple[Damage, ...] = ()
        """What the last `replay` could not read, for the node to record."""
        self.fresh = False
        """True when there was no journal: numbers begin at 1, so the stream epoch has to grow."""
        self._clock = clock
        self._segment_bytes, self._bound_bytes = segment_bytes, bound_bytes
        self._full_at = segment_bytes
        self._write = write
        self._fd = -1
        self._path = ""
        self._size = 0
        self._torn = False
        self._seq = 0
        self._snapshot_end = 0
        self._snapshot_bytes = 0
        self._dropped_through: int | None = None
        self._reserve: Preallocation | Ballast = Preallocation(reserve_bytes, allocate)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        clock: Clock,
        segment_bytes: int = 64 * MIB,
        reserve_bytes: int = 8 * MIB,
        bound_bytes: int = 1024 * MIB,
        allocate: Allocate = fallocate_keep,
        write: Callable[[int, bytes], int] = os.write,
    ) -> Self:
        """Open or begin the journal in `directory`, under the guardian's lock; cuts a torn last line.

        OSError when it cannot be read or written. `allocate` and `write` are for tests.
        """
        path = os.fspath(directory)
        os.makedirs(path, mode=0o700, exist_ok=True)
        journal = cls(
            path,
            clock=clock,
            segment_bytes=segment_bytes,
            reserve_bytes=reserve_bytes,
            bound_bytes=bound_bytes,
            allocate=allocate,
            write=write,
        )
        journal._recover()
        return journal

    # -- writing ----------------------------------------------------------------------------------------------------

    @property
    def next_seq(self) -> int:
        """The number that the next record gets."""
        return self._seq + 1

    @property
    def bytes_since_snapshot(self) -> int:
        return self._size - self._snapshot_end

    @property
    def snapshot_due(self) -> bool:
        """Time for `append_snapshot`: replay would grow too long, or the segment is full. Not while the disk is full:
        what is left of the reserve is for exits."""
        since = self._size - self._snapshot_end
        if not self._reserve.whole:
            return False
        if since > max(SNAPSHOT_MIN_BYTES, SNAPSHOT_FACTOR * self._snapshot_bytes):
            return True
        return since > 0 and self._size >= self._full_at

    @property
    def room(self) -> int:
        """Bytes of records that will certainly fit. Below `reserve_bytes` the disk is full: start nothing new."""
        return self._reserve.room(self._size)

    @property
    def short(self) -> bool:
        """True while the reserve is not whole, as `room` tells in bytes."""
        return not self._reserve.whole

    @property
    def mode(self) -> str:
        """How space is kept ahead: `fallocate`, or `ballast` where the file system cannot do that."""
        return "fallocate" if isinstance(self._reserve, Preallocation) else "ballast"

    def append(self, kind: str, body: Mapping[str, Any]) -> int:
        """Write one record and return its number. JournalFull when it does not fit, with nothing written.

        ValueError for a kind that version 1 does not have, a body with a header's field or with NaN in it.
        """
        if kind not in KINDS or kind == SNAPSHOT:
            raise ValueError(f"no record kind of version {VERSION}: {kind}")
        return self._append(kind, body)

    def append_snapshot(self, body: Mapping[str, Any]) -> int:
        """Write the complete state; the next segment begins here if this one is full. Then retention."""
        line = self._line(SNAPSHOT, body)
        if self._size < self._full_at:
            self._put(line)
        elif not self._roll(line):
            self._put(line)
            self._full_at = self._size + SNAPSHOT_MIN_BYTES  # not at each record that follows
        self._seq += 1
        self._snapshot_end = self._size
        self._snapshot_bytes = len(line)
        self.trim()
        return self._seq

    def refill(self, need: int = 0) -> int:
        """Try to make the reserve whole again (tried by `append` too), for a record of `need` bytes; answers `room`.

        For a timer while `short`, and before a step that will not fit into the room there is.
        """
        self._reserve.prepare(self._fd, self._size, self._clock.boot(), need=need, force=True)
        return self.room

    def close(self) -> None:
        """Give the space ahead back and close."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            os.close(self._fd)
            self._fd = -1
        if isinstance(self._reserve, Ballast):
            self._reserve.close()

    def _append(self, kind: str, body: Mapping[str, Any]) -> int:
        self._put(self._line(kind, body))
        self._seq += 1
        return self._seq

    def _line(self, kind: str, body: Mapping[str, Any]) -> bytes:
        if not _HEADER.isdisjoint(body):
            raise ValueError(f"a body may not hold {sorted(_HEADER.intersection(body))}")
        boot = self._clock.boot()
        if self._reserve.room(self._size) < self._reserve.ahead:
            self._reserve.prepare(self._fd, self._size, boot)
        text = encode(body)
        start = (
            f'{{"v":{VERSION},"seq":{self._seq + 1},"t":{self._clock.wall():.6f},"b":{boot:.6f},"k":"{kind}"'
        )
        return f"{start},{text[1:]}\n".encode("ascii") if body else f"{start}}}\n".encode("ascii")

    def _put(self, line: bytes) -> None:
        """All of `line` behind the end, or nothing and JournalFull."""
        if self._torn:
            self._cut_back()
        if (
            isinstance(self._reserve, Preallocation)
            and len(line) > self.room
            and len(line) > self.refill(len(line))
        ):
            raise JournalFull(f"{self.directory} has room for {self.room} bytes, {len(line)} are needed")
        written = 0
        while written < len(line):
            try:
                written += self._write(self._fd, line[written:] if written else line)
            except OSError as error:
                if error.errno in FULL and self._reserve.give(len(line)):
                    continue
                if written:
                    self._torn = True
                    self._cut_back()
                raise JournalFull(f"{self._path}: {os.strerror(error.errno or errno.EIO)}") from error
        self._size += len(line)

    def _cut_back(self) -> None:
        """Take the beginning of a record that did not fit out of the file again."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            raise JournalFull(
                f"{self._path} ends in a torn line that cannot be cut: {error.strerror}"
            ) from error
        self._torn = False
        if isinstance(self._reserve, Preallocation):
            self._reserve.moved(self._size)  # truncation freed what was taken ahead

    # -- segments ---------------------------------------------------------------------------------------------------

    def _roll(self, line: bytes) -> bool:
        """Begin the next segment with `line`; False, with nothing changed, while the disk is too full for one."""
        path = segment_path(self.directory, self._seq + 1)
        fd = os.open(
            path + UNFINISHED, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        reserve = self._reserve
        taken = len(line) + 2 * reserve.ahead
        try:
            if isinstance(reserve, Preallocation):
                reserve.take(fd, taken)
            if self._write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(path + UNFINISHED, path)
        except OSError as error:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(path + UNFINISHED)
            if error.errno in FULL:
                return False
            raise
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)  # gives back what was taken ahead
        os.close(self._fd)
        self._fd, self._path, self._size = fd, path, len(line)
        self._full_at = self._segment_bytes
        if isinstance(reserve, Preallocation):
            reserve.moved(taken)
        return True

    def trim(self) -> None:
        """Drop segments that are shipped, and past the bound the oldest that are not: those are counted in a record."""
        segments = list_segments(self.directory)
        shipped = read_cursor(self.directory)
        sizes = [os.stat(segment.path).st_size for segment in segments]
        kept = sum(sizes)
        for segment, after, size in zip(segments, segments[1:], sizes, strict=False):
            last = after.first_seq - 1
            if shipped is None or shipped < last:
                if kept <= self._bound_bytes:
                    return
                try:
                    self._count_dropped(max(segment.first_seq, (shipped or 0) + 1), last, size)
                except JournalFull:
                    return
            os.unlink(segment.path)
            kept -= size

    def _count_dropped(self, first: int, last: int, size: int) -> None:
        """Say once that records go unshipped. The record stands before the file goes, and a crash in between must not
        say it twice: the newest segments are asked for it."""
        if self._dropped_through is None:
            self._dropped_through = self._find_dropped_through()
        if last > self._dropped_through:
            self._append("dropped", {"count": last - first + 1, "bytes": size, "first": first, "last": last})
            self._dropped_through = last

    def _find_dropped_through(self) -> int:
        """The newest record of dropping; it may stand in the segment before the one a restarted node went on to."""
        for segment in reversed(list_segments(self.directory)[-2:]):
            with mapped(segment.path) as data:
                at = data.rfind(_DROPPED)
                while at >= 0:
                    start = data.rfind(b"\n", 0, at) + 1
                    top = head(data, start)
                    if top is not None and top[1] == "dropped":
                        record = parse(data[start : data.find(b"\n", at)])
                        if record is not None:
                            return int(record["last"])
                    at = data.rfind(_DROPPED, 0, start)
        return 0

    # -- recovery and replay ----------------------------------------------------------------------------------------

    def _recover(self) -> None:
        for name in os.listdir(self.directory):
            if name.endswith(SUFFIX + UNFINISHED):
                os.unlink(os.path.join(self.directory, name))
        segments = list_segments(self.directory)
        while segments:
            end = self._cut_torn_line(segments[-1].path)
            if end or len(segments) == 1:
                break
            os.unlink(segments.pop().path)  # power was cut before its first line reached the disk
        self.fresh = not segments
        if not segments:
            segments = [Segment(1, segment_path(self.directory, 1))]
        if len(segments) > 1:  # killed while it went on to the newest one: give back what was taken ahead
            os.truncate(segments[-2].path, os.stat(segments[-2].path).st_size)
        newest = segments[-1]
        self._path = newest.path
        self._fd = os.open(newest.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._seq = max(self._last_seq(newest), read_cursor(self.directory) or 0)
        with mapped(newest.path) as data:
            at = rfind_snapshot(data, len(data))
            if at >= 0:
                self._snapshot_end = data.find(b"\n", at) + 1
                self._snapshot_bytes = self._snapshot_end - at
        self._take_reserve()

    def _take_reserve(self) -> None:
        if isinstance(self._reserve, Preallocation):
            self._reserve.moved(self._size)
        try:
            self._reserve.prepare(self._fd, self._size, self._clock.boot())
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            self._reserve = Ballast(self.directory, self._reserve.ahead)
            self._reserve.prepare(self._fd, self._size, self._clock.boot())

    def _cut_torn_line(self, path: str) -> int:
        """Length of the file after the cut."""
        with mapped(path) as data:
            size, end = len(data), data.rfind(b"\n") + 1
        if end < size:
            os.truncate(path, end)
            self.cut = Cut(path, end, size - end)
        return end

    @staticmethod
    def _last_seq(segment: Segment) -> int:
        """The number of the last line; unreadable complete lines behind the last readable one took a number each."""
        with mapped(segment.path) as data:
            end, unreadable = len(data), 0
            while end > 0:
                start = data.rfind(b"\n", 0, end - 1) + 1
                top = head(data, start)
                if top is not None:
                    return top[0] + unreadable
                unreadable += 1
                end = start
        return segment.first_seq - 1 + unreadable

    def replay(self) -> tuple[Record | None, Iterator[Record]]:
        """The newest snapshot that can be read and the records after it; without one, all records.

        Read whole before it returns (snapshots bound the length), so that `damage` is complete: what cannot be read is
        named there with file, line and numbers, and the records behind it still come.
        """
        snapshot, records, self.damage = replay(self.directory)
        return snapshot, iter(records)
