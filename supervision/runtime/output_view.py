"""One stream as one run of bytes and lines, read while the child writes and the rotator moves what it wrote.

The rotator makes a hole in the active file only behind the end of the last segment. So bytes read from the active file are
good if, looked up afterwards, no segment reaches beyond where they began; otherwise they are read again from there.
"""

import contextlib
import os
from collections.abc import Iterator

from supervision.runtime.output_files import Stream, StreamName, TimeIndex, list_streams

BLOCK = 64 * 1024
MAX_LINE = 64 * 1024
"""A longer line is shown in pieces of this many bytes."""
_TRIES = 50


class StreamView:
    """Reads one stream. Offsets are places in the stream, valid for life."""

    def __init__(self, directory: str, incarnation: int, stream: StreamName) -> None:
        self.incarnation, self.stream = incarnation, stream
        self._key = (incarnation, stream)
        self._directory = directory
        self._files = Stream(directory, incarnation, stream)
        self._taken_over = 0
        self.refresh()

    def refresh(self) -> None:
        """Look again at which files there are."""
        for _ in range(_TRIES):
            files = list_streams(self._directory).get(self._key)
            self._files = files or Stream(self._directory, *self._key)
            try:
                self._taken_over = self._files.taken_over()
            except FileNotFoundError:
                continue  # retention took the segment between the two calls
            return

    @property
    def first(self) -> int:
        """The oldest offset that is still there."""
        return self._files.starts[0] if self._files.starts else 0

    def size(self) -> int:
        """Where the stream ends now."""
        try:
            return max(os.stat(self._files.path).st_size, self._taken_over)
        except FileNotFoundError:
            self.refresh()
            return self._taken_over

    def written_at(self) -> float:
        """Unix seconds of the last write, 0.0 when there is no file."""
        for path in (self._files.path, *map(self._files.segment_path, reversed(self._files.starts))):
            with contextlib.suppress(FileNotFoundError):
                return os.stat(path).st_mtime
        return 0.0

    def times(self) -> TimeIndex:
        return TimeIndex(self._files.times_path)

    def read(self, offset: int, length: int) -> tuple[int, bytes]:
        """At most `length` bytes from the first place at or behind `offset` that is still there: (that place, bytes).

        No bytes at the end. OSError when the files cannot be read.
        """
        for _ in range(_TRIES):
            try:
                if offset >= self._taken_over:
                    data = _pread(self._files.path, offset, length)
                    self.refresh()
                    if offset >= self._taken_over:
                        return offset, data
                else:
                    start, end = self._segment(offset)
                    if start == end:
                        offset = self._taken_over
                        continue
                    data = _pread(
                        self._files.segment_path(start), max(offset - start, 0), min(length, end - offset)
                    )
                    return max(offset, start), data
            except FileNotFoundError:
                if offset >= self._taken_over and not self._files.active:
                    return offset, b""
                self.refresh()
        raise OSError(f"{self._files.path} changes too fast to be read")

    def _span(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """What is there of a range, in order: (offset, bytes), one for each file it is in."""
        found: list[tuple[int, bytes]] = []
        while start < end:
            at, data = self.read(start, end - start)
            if not data or at >= end:
                break
            found.append((at, data[: end - at]))
            start = at + len(data)
        return found

    def _segment(self, offset: int) -> tuple[int, int]:
        """(start, end) of the segment that holds `offset` or the next one behind it."""
        for start in self._files.starts:
            end = start + os.stat(self._files.segment_path(start)).st_size
            if offset < end:
                return start, end
        return 0, 0

    def lines(self, offset: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """(offset, line without its newline) from `offset`, a border of lines, to `end`; a last line without newline too."""
        splitter = LineSplitter(offset)
        while end is None or offset < end:
            at, data = self.read(offset, BLOCK if end is None else min(BLOCK, end - offset))
            if not data or (end is not None and at >= end):
                break
            yield from splitter.feed(at, data)
            offset = at + len(data)
        yield from splitter.finish()

    def line_start(self, offset: int) -> int:
        """The border of lines at or before `offset`, MAX_LINE away at most."""
        floor = max(self.first, offset - MAX_LINE)
        for at, data in reversed(self._span(floor, offset)):
            if (newline := data.rfind(b"\n")) >= 0:
                return at + newline + 1
        return min(floor, offset)

    def start_of_last(self, count: int, end: int, *, max_bytes: int) -> int:
        """Where the last `count` lines before `end` begin, `max_bytes` away at most and then at a border of lines."""
        floor = max(self.first, end - max_bytes)
        at, seen = end, 0
        while at > floor:
            start = max(floor, at - BLOCK)
            for place, data in reversed(self._span(start, at)):
                newline = len(data) - (place + len(data) == end and data.endswith(b"\n"))
                while (newline := data.rfind(b"\n", 0, newline)) >= 0:
                    seen += 1
                    if seen == count:
                        return place + newline + 1
            at = start
        if floor == self.first:
            return floor
        at, data = self.read(floor, end - floor)
        newline = data.find(b"\n", 0, end - 1 - at)
        return at + newline + 1 if newline >= 0 else floor


class LineSplitter:
    """Makes lines of blocks of bytes; keeps the beginning of a line until the rest of it comes."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        """Where the next block is expected."""
        self._held = b""

    def feed(self, at: int, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(offset, line) of what is complete with `data`, which stands at `at`."""
        if at != self.offset:  # what lay between went over the bound
            yield from self.finish()
        start = at - len(self._held)
        self.offset = at + len(data)
        *whole, held = (self._held + data).split(b"\n")
        for line in whole:
            for piece in range(0, len(line) or 1, MAX_LINE):
                yield start + piece, line[piece : piece + MAX_LINE]
            start += len(line) + 1
        while len(held) > MAX_LINE:
            yield start, held[:MAX_LINE]
            held, start = held[MAX_LINE:], start + MAX_LINE
        self._held = held

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """The last line, if it has no newline."""
        if self._held:
            held, self._held = self._held, b""
            yield self.offset - len(held), held


def _pread(path: str, offset: int, length: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, length, offset)
    finally:
        os.close(fd)
