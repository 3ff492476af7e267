"""Files of the journal: segment names, the head of a line, where the newest snapshot stands, and the shipping cursor.

A line is `{"v":1,"seq":N,"t":WALL,"b":BOOT,"k":"KIND",...}` and a newline; strings in it are escaped ASCII, so a newline
byte always ends a record and a line without one is torn. The head has a fixed order, so that a sequence number or a snapshot
is found without parsing what follows.
"""

import contextlib
import errno
import json
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

VERSION = 1
SUFFIX = ".journal"
UNFINISHED = ".new"
CURSOR = "shipped"

SNAPSHOT = "snapshot"
EVENT = "event"
"""What a program said. In the gateway's spool, which is written and read as a journal is; never in the node's."""
KINDS = frozenset({"node", SNAPSHOT, "step", "process", "exit", "command", "stray", "tree", "dropped", EVENT})
"""Every record kind of version 1."""

DAMAGE = "damage"
"""Kind of the records that a reader makes up where the file is damaged; never stored."""

Record = dict[str, Any]
"""One record as JSON: v, seq, t, b, k and the body's fields beside them."""

HEAD = re.compile(rb'\{"v":(\d+),"seq":(\d+),"t":(-?\d+\.\d+),"b":(-?\d+\.\d+),"k":"([a-z_]+)"')
_SNAPSHOT_KEY = b',"k":"snapshot"'
_NAME = re.compile(r"\d{16}" + re.escape(SUFFIX))


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file; it ends where the next one begins."""

    first_seq: int
    path: str


@dataclass(frozen=True, slots=True)
class Damage:
    """Records that cannot be read: where, and which. `last_seq` is None while nothing readable follows."""

    path: str
    line: int
    first_seq: int
    last_seq: int | None
    what: str

    def __str__(self) -> str:
        last = "the end" if self.last_seq is None else self.last_seq
        if self.last_seq is not None and self.last_seq < self.first_seq:
            return f"{self.path}, line {self.line}: {self.what}; nothing is lost"
        return f"{self.path}, line {self.line}: {self.what}; records {self.first_seq} to {last} are lost"

    def to_record(self) -> Record:
        """What a reader shows in the place of the lost records."""
        return {
            "v": VERSION,
            "seq": self.first_seq,
            "t": 0.0,
            "b": 0.0,
            "k": DAMAGE,
            "file": self.path,
            "line": self.line,
            "first": self.first_seq,
            "last": self.last_seq,
            "what": self.what,
        }


def segment_path(directory: str, first_seq: int) -> str:
    return os.path.join(directory, f"{first_seq:016d}{SUFFIX}")


def list_segments(directory: str) -> list[Segment]:
    """Oldest first; empty where there is no such directory."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    found = [
        Segment(int(name[:16]), os.path.join(directory, name)) for name in names if _NAME.fullmatch(name)
    ]
    return sorted(found)


def head(line: bytes | mmap.mmap, offset: int = 0) -> tuple[int, str] | None:
    """(seq, kind) of the line at `offset`, None where no head of ours stands."""
    match = HEAD.match(line, offset)
    return None if match is None else (int(match[2]), match[5].decode())


def parse(line: bytes) -> Record | None:
    """The record in a line, None for anything else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if type(record) is not dict or type(record.get("seq")) is not int or type(record.get("k")) is not str:
        return None
    return cast("Record", record)


@contextmanager
def mapped(path: str) -> Iterator[mmap.mmap | bytes]:
    """The bytes of a file without reading them; empty bytes for an empty file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_size == 0:
            yield b""
            return
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            yield data
    finally:
        os.close(fd)


def rfind_snapshot(data: mmap.mmap | bytes, end: int) -> int:
    """Offset of the last line before `end` whose head says snapshot; -1 without one. Its body may still be damaged."""
    at = data.rfind(_SNAPSHOT_KEY, 0, end)
    while at >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        match = HEAD.match(data, start)
        if match is not None and match[5] == b"snapshot" and data.find(b"\n", at, end) >= 0:
            return start
        at = data.rfind(_SNAPSHOT_KEY, 0, start)
    return -1


def seek_seq(data: mmap.mmap | bytes, seq: int) -> int:
    """Offset of a line at or before the first record numbered `seq` or above: a bisection, lines being in order."""
    low, high = 0, len(data)
    while high - low > 64 * 1024:
        middle = data.find(b"\n", (low + high) // 2, high) + 1
        while middle and (found := HEAD.match(data, middle)) is None:
            middle = data.find(b"\n", middle, high) + 1
        if not middle or middle >= high:
            high = (low + high) // 2
        elif int(found[2]) <= seq:  # type: ignore[index]  # the loop above leaves a match when middle is not 0
            low = middle
        else:
            high = middle
    return low


def read_cursor(directory: str) -> int | None:
    """The last shipped sequence number; None while no courier was ever configured, 0 for a cursor that cannot be read."""
    try:
        with open(os.path.join(directory, CURSOR), "rb") as file:
            return int(file.read(32))
    except FileNotFoundError:
        return None
    except ValueError:
        return 0


def write_cursor(directory: str, seq: int) -> None:
    """Record that everything up to `seq` is in the store. Atomic and durable."""
    path = os.path.join(directory, CURSOR)
    fd = os.open(path + UNFINISHED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, b"%d\n" % seq)
        os.fdatasync(fd)
    finally:
        os.close(fd)
    os.rename(path + UNFINISHED, path)


def sync(directory: str) -> None:
    """Bring the newest two segments (a record may have gone into either since the last call) and their names to disk."""
    for segment in list_segments(directory)[-2:]:
        with contextlib.suppress(FileNotFoundError):
            _sync_path(segment.path, os.O_RDONLY)
    with contextlib.suppress(FileNotFoundError):
        _sync_path(directory, os.O_RDONLY | os.O_DIRECTORY)


def _sync_path(path: str, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a directory of a file system that has nothing to sync
            raise
    finally:
        os.close(fd)
