"""What programs said, on disk until the courier has stored it: written and read as a journal, in a directory of its own.

Guarantee: an event that `accept` took survives kill -9 of anything, and is taken once, however often its program sends it
again: each program numbers its stream, and the last number of every stream is in the segments' snapshots. Past the bound
the oldest segments go; a record says how many events those were. On a full disk `accept` raises JournalFull with nothing
written, and the program keeps what it has.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from supervision.runtime.clock import Clock
from supervision.runtime.identity import read_stat
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.journal_segments import EVENT

MIB = 1 << 20
SEGMENT_BYTES = 8 * MIB
RESERVE_BYTES = MIB
BOUND_BYTES = 1024 * MIB
EPOCH_FILE = "epoch"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who speaks: a process of a child's incarnation, and the stream it numbers."""

    key: str
    incarnation: int
    pid: int
    start_time: int
    stream: str
    epoch: int = 0
    """Of the placement of its tree."""


@dataclass(slots=True)
class StreamState:
    """How far a stream was taken, and whose it is: kept while that process lives."""

    last: int
    pid: int
    start_time: int


class Spool:
    """See the module's docstring. `epoch` names this sequence of numbers: a spool that begins anew has another one."""

    def __init__(self, journal: Journal, epoch: int, streams: dict[str, StreamState]) -> None:
        self.journal = journal
        self.epoch = epoch
        self.streams = streams

    @classmethod
    def open(cls, directory: str, *, clock: Clock, bound_bytes: int = BOUND_BYTES) -> Self:
        """Cuts a torn last line; there is one writer, the gateway of the node that lives. OSError."""
        journal = Journal.open(
            directory,
            clock=clock,
            segment_bytes=min(SEGMENT_BYTES, max(bound_bytes // 8, MIB)),
            reserve_bytes=RESERVE_BYTES,
            bound_bytes=bound_bytes,
        )
        epoch = _epoch(directory, clock, fresh=journal.fresh)
        snapshot, records = journal.replay()
        streams = {
            name: StreamState(**state) for name, state in ((snapshot or {}).get("streams") or {}).items()
        }
        for record in records:
            if record["k"] == EVENT:
                streams[record["stream"]] = StreamState(record["n"], record["pid"], record["start"])
        spool = cls(journal, epoch, streams)
        if snapshot is None:
            spool.write_snapshot()
        return spool

    def last(self, stream: str) -> int:
        """The number of the last event that was taken of `stream`; 0 before the first."""
        state = self.streams.get(stream)
        return 0 if state is None else state.last

    def accept(self, sender: Sender, number: int, kind: str, body: Mapping[str, Any]) -> bool:
        """Put an event on disk; False for one that is there already. JournalFull."""
        if number <= self.last(sender.stream):
            return False
        if self.journal.snapshot_due:
            self.write_snapshot()
        record = {
            "what": kind,
            "key": sender.key,
            "incarnation": sender.incarnation,
            "pid": sender.pid,
            "start": sender.start_time,
            "stream": sender.stream,
            "n": number,
            "body": body,
        }
        self.journal.append(EVENT, record)
        self.streams[sender.stream] = StreamState(number, sender.pid, sender.start_time)
        return True

    def write_snapshot(self) -> None:
        """The streams of the processes that live; then retention. Left out while the disk is full."""
        self.streams = {name: state for name, state in self.streams.items() if _lives(state)}
        with contextlib.suppress(JournalFull):
            self.journal.append_snapshot(
                {"streams": {name: asdict(state) for name, state in self.streams.items()}}
            )

    def tend(self) -> None:
        """Once in a while: room that was short, segments that were shipped."""
        if self.journal.short:
            self.journal.refill()
        self.journal.trim()

    def close(self) -> None:
        self.journal.close()


def _lives(state: StreamState) -> bool:
    stat = read_stat(state.pid)
    return stat is not None and stat.start_time == state.start_time


def _epoch(directory: str, clock: Clock, *, fresh: bool) -> int:
    """Kept in a file beside the segments; by the time of day, so that it grows also where the file was lost."""
    path = os.path.join(directory, EPOCH_FILE)
    known = read_epoch(directory)
    if known is not None and not fresh:
        return known
    epoch = max(int(clock.wall() * 1000), (known or 0) + 1)
    new = path + ".new"
    with open(new, "w", encoding="ascii") as file:
        json.dump({"v": 1, "epoch": epoch}, file)
        file.flush()
        os.fdatasync(file.fileno())
    os.rename(new, path)
    return epoch


def read_epoch(directory: str) -> int | None:
    """The epoch of the spool in `directory`; None where there is none yet."""
    try:
        with open(os.path.join(directory, EPOCH_FILE), encoding="ascii") as file:
            return int(json.load(file)["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
