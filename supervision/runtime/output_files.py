"""How captured output lies on disk, for whoever writes, rotates or reads it.

Each incarnation has two streams, `<n>.out` and `<n>.err`, in the directory of its child. The child itself appends to the
active file of that name. Bytes keep their offset for life (their place in the stream), whatever file they are in:

    7.out                      active: what the child wrote and the rotator has not yet taken over
    7.out.0000000000000000     segment: the bytes from that offset on
    7.out.0000000001048576     the next segment; where the last one ends the active file goes on
    7.out.times                (offset, time) pairs, 16 bytes each: everything before that offset was written by that time
    limits                     what the child's tree file says about retention

The end of the last segment is the only record of how far the rotator came: bytes before it are never read from the active
file, where they may be a hole; bytes behind it are nowhere else. A gap between segments is output that went over the bound.
A child whose id looks like a stream (`7.out`) inside a directory that once was a child's own cannot be captured and fails to
start by name.
"""

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

StreamName = Literal["out", "err"]
STREAMS: tuple[StreamName, StreamName] = ("out", "err")

TIMES = "times"
LIMITS = "limits"
_FILE = re.compile(r"(\d+)\.(out|err)(?:\.(\d{16}|times))?")
_PAIR_BYTES = 16


@dataclass(slots=True)
class Stream:
    """What is on disk of one stream of one incarnation."""

    directory: str
    incarnation: int
    stream: StreamName
    active: bool = False
    times: bool = False
    starts: list[int] = field(default_factory=list)
    """Offsets at which segments begin, ascending."""

    @property
    def name(self) -> str:
        return f"{self.incarnation}.{self.stream}"

    @property
    def path(self) -> str:
        """The active file."""
        return os.path.join(self.directory, self.name)

    @property
    def times_path(self) -> str:
        return f"{self.path}.{TIMES}"

    def segment_path(self, start: int) -> str:
        return f"{self.path}.{start:016d}"

    def taken_over(self) -> int:
        """Where the last segment ends and the active file goes on; FileNotFoundError when it was just removed."""
        return self.starts[-1] + os.stat(self.segment_path(self.starts[-1])).st_size if self.starts else 0


def list_streams(directory: str) -> dict[tuple[int, StreamName], Stream]:
    """Every stream with a file in `directory`; empty where there is none."""
    try:
        return streams_of(directory, os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return {}


def streams_of(directory: str, names: Iterable[str]) -> dict[tuple[int, StreamName], Stream]:
    """The streams that these names of files in `directory` belong to."""
    found: dict[tuple[int, StreamName], Stream] = {}
    for name in names:
        match = _FILE.fullmatch(name)
        if match is None:
            continue
        incarnation, which = int(match[1]), STREAMS[match[2] == "err"]
        stream = found.get((incarnation, which))
        if stream is None:
            stream = found[incarnation, which] = Stream(directory, incarnation, which)
        if match[3] is None:
            stream.active = True
        elif match[3] == TIMES:
            stream.times = True
        else:
            stream.starts.append(int(match[3]))
    for stream in found.values():
        stream.starts.sort()
    return found


class TimeIndex:
    """When the bytes of a stream were written, to within the rotator's period."""

    def __init__(self, path: str) -> None:
        self._ends = array("Q")
        self._nanoseconds = array("Q")
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            data = b""
        pairs = array("Q")
        pairs.frombytes(data[: len(data) // _PAIR_BYTES * _PAIR_BYTES])
        self._ends, self._nanoseconds = pairs[0::2], pairs[1::2]

    def time_of(self, offset: int, otherwise: float) -> float:
        """Unix seconds by which the byte at `offset` was written; `otherwise` for one that is not yet in the index."""
        at = bisect_right(self._ends, offset)
        return self._nanoseconds[at] / 1e9 if at < len(self._ends) else otherwise

    def offset_at(self, since: float) -> int:
        """Everything before this offset was written before `since`."""
        before = 0
        for end, nanoseconds in zip(self._ends, self._nanoseconds, strict=True):
            if nanoseconds / 1e9 >= since:
                return before
            before = end
        return before

    def last_end(self) -> int:
        return self._ends[-1] if self._ends else 0


def pack_time(end: int, mtime_ns: int) -> bytes:
    """One pair of the index."""
    return array("Q", (end, mtime_ns)).tobytes()


def keep_times_from(path: str, first: int) -> None:
    """Forget the times of bytes before `first`, which are gone."""
    with open(path, "rb") as file:
        pairs = array("Q")
        data = file.read()
    pairs.frombytes(data[: len(data) // _PAIR_BYTES * _PAIR_BYTES])
    at = bisect_right(pairs[0::2], first)
    if at == 0:
        return
    with open(path + ".new", "wb") as file:
        file.write(pairs[2 * at :].tobytes())
    os.rename(path + ".new", path)
