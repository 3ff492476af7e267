"""What the guardian writes down before it reaps: `pid start_time status`, one line for each end.

One writer (the guardian) and any readers (the node). A line is one write to a descriptor opened O_APPEND, so kill -9 of
either side leaves whole lines; only a full disk or power loss can tear the last one. The next writer closes a torn line
with a mark that makes it unreadable, and a reader never takes a line without its end.

Bounded: past `bound_bytes` the current file takes the place of the previous one and a new one begins. Lines only ever
move from current to previous, so a reader that opens the current file first and the previous one after misses nothing.
Both names hold the boot id, because pids and start times begin again with each boot; the writer removes older ones.
"""

import contextlib
import os
from collections.abc import Iterator

from supervision.runtime.identity import boot_id
from supervision.runtime.linux import fallocate_keep

TORN = b"?\n"


class ExitsFile:
    """Both ends of the exits file. Each instance is used by one process, as writer or as reader."""

    def __init__(self, directory: str | os.PathLike[str], *, bound_bytes: int = 1 << 18) -> None:
        self._directory = os.fspath(directory)
        self._current = os.path.join(self._directory, f"exits.{boot_id()[:8]}")
        self._previous = f"{self._current}.1"
        self._bound = bound_bytes
        self._writer = -1
        self._size = 0
        self._reader = -1
        self._reader_inode = 0
        self._rest = b""
        self._seen: dict[tuple[int, int], int] = {}

    # writer

    def append(self, pid: int, start_time: int, status: int) -> None:
        """Record one end. OSError when the disk is full past the reserve; the caller reaps all the same."""
        if self._writer < 0:
            self._open_writer()
        line = f"{pid} {start_time} {status}\n".encode()
        written = os.write(self._writer, line)
        self._size += written
        if written != len(line):
            self._close_torn()
            raise OSError("exits file: short write")
        if self._size >= self._bound:
            self.trim()

    def trim(self) -> None:
        """Begin a new file, keeping the last one. Writer only; a full disk leaves everything as it is."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
        with contextlib.suppress(OSError):
            os.rename(self._current, self._previous)
        self._open_writer()

    def _open_writer(self) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        for entry in os.scandir(self._directory):
            if entry.name.startswith("exits.") and entry.path not in (self._current, self._previous):
                os.unlink(entry.path)  # of another boot
        self._writer = os.open(self._current, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._writer).st_size
        with contextlib.suppress(
            OSError
        ):  # not every file system reserves; then a full disk shows at the write
            fallocate_keep(self._writer, 0, self._bound + 4096)
        if self._size and os.pread(self._writer, 1, self._size - 1) != b"\n":
            self._close_torn()

    def _close_torn(self) -> None:
        with contextlib.suppress(OSError):
            self._size += os.write(self._writer, TORN)

    # reader

    def lookup(self, pid: int, start_time: int | None) -> int | None:
        """The status written for that process, or None.

        An unknown start time (None, 0) takes the latest line of that pid.
        """
        for _ in self.read_new():
            pass
        if start_time:
            return self._seen.get((pid, start_time))
        for seen, status in reversed(self._seen.items()):
            if seen[0] == pid:
                return status
        return None

    def started_since(self, start_time: int) -> list[tuple[int, int, int]]:
        """(pid, start_time, status) of every end on record whose process started at `start_time` or later, the oldest
        process first."""
        for _ in self.read_new():
            pass
        found = [(seen, pid, status) for (pid, seen), status in self._seen.items() if seen >= start_time]
        return [(pid, seen, status) for seen, pid, status in sorted(found)]

    def read_new(self) -> Iterator[tuple[int, int, int]]:
        """(pid, start_time, status) of the lines that came since the last call, remembered for `lookup`."""
        for line in self._new_lines():
            fields = line.split(b" ")
            if len(fields) != 3 or not all(field.isdigit() for field in fields):
                continue  # torn
            pid, start_time, status = (int(field) for field in fields)
            self._seen.pop((pid, start_time), None)
            self._seen[pid, start_time] = status
            yield pid, start_time, status
        while len(self._seen) > self._bound // 8:
            self._seen.pop(next(iter(self._seen)))

    def _new_lines(self) -> list[bytes]:
        data = b""
        if self._reader >= 0:
            data = self._rest + _read_on(self._reader)
            if self._is_current():
                lines = data.split(b"\n")
                self._rest = lines.pop()
                return lines
            data += _read_on(self._reader)  # written between our read and the rename
        return self._open_reader(data)

    def _is_current(self) -> bool:
        try:
            return os.stat(self._current).st_ino == self._reader_inode
        except FileNotFoundError:
            return False

    def _open_reader(self, before: bytes) -> list[bytes]:
        """The current file first, then the one before it: see the module's text."""
        old_inode = self._reader_inode if self._reader >= 0 else 0
        try:
            current = os.open(self._current, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if self._reader >= 0:  # between the rename and the new file
                lines = before.split(b"\n")
                self._rest = lines.pop()
                return lines
            return _whole_lines(self._read_previous(0))
        inode = os.fstat(current).st_ino
        fresh = _read_on(current)
        middle = self._read_previous(old_inode, inode)
        if self._reader >= 0:
            os.close(self._reader)
        self._reader, self._reader_inode = current, inode
        lines = fresh.split(b"\n")
        self._rest = lines.pop()
        return _whole_lines(before) + _whole_lines(middle) + lines

    def _read_previous(self, *known: int) -> bytes:
        try:
            previous = os.open(self._previous, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            return b"" if os.fstat(previous).st_ino in known else _read_on(previous)
        finally:
            os.close(previous)

    def close(self) -> None:
        for descriptor in (self._writer, self._reader):
            if descriptor >= 0:
                os.close(descriptor)
        self._writer = self._reader = -1


def _whole_lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def _read_on(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)
