"""Reading a journal while its node writes it: no lock, no cooperation, nothing seen twice.

Only complete lines are read, so the beginning of a record that the writer takes back is never seen. A segment that
retention removes while it is open is read to its end.
"""

import os
from collections.abc import Iterator
from typing import Self

from supervision.runtime.clock import Clock, SystemClock
from supervision.runtime.inotify import Changes
from supervision.runtime.journal_scan import Scan
from supervision.runtime.journal_segments import (
    Damage,
    Record,
    Segment,
    head,
    list_segments,
    mapped,
    seek_seq,
)

CHUNK = 256 * 1024


def read(
    directory: str | os.PathLike[str],
    *,
    after_seq: int = 0,
    follow: bool = False,
    deadline: float | None = None,
    without: frozenset[str] = frozenset(),
    clock: Clock | None = None,
) -> Iterator[Record]:
    """Records numbered above `after_seq`, oldest first; kinds in `without` are passed over unparsed.

    Records that cannot be read are shown as one of kind `damage` that names them. With `follow` it goes on with what is
    written later, until `deadline` (boot seconds) if one is given. Sleeps in inotify, never in a busy loop.
    """
    clock = clock or SystemClock()
    with JournalReader(directory, after_seq=after_seq, without=without) as reader:
        while True:
            batch = reader.batch()
            yield from batch
            if batch:
                continue
            left = 3600.0 if deadline is None else deadline - clock.boot()
            if not follow or left <= 0:
                yield from reader.finish()
                return
            reader.wait(left)


def last_seq(directory: str | os.PathLike[str]) -> int:
    """The number of the newest complete record; 0 without one."""
    for segment in reversed(list_segments(os.fspath(directory))):
        try:
            with mapped(segment.path) as data:
                end = data.rfind(b"\n") + 1
                while end > 0:
                    start = data.rfind(b"\n", 0, end - 1) + 1
                    top = head(data, start)
                    if top is not None:
                        return top[0]
                    end = start
        except FileNotFoundError:
            continue
    return 0


class JournalReader:
    """A place in the journal. `batch` takes what is there, `wait` sleeps until there may be more.

    Limit: where the line break between the last record and the one before is destroyed, and that one is at or before
    `after_seq`, the last record is passed over without a word; the next one that is written shows that it is missing.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, after_seq: int = 0, without: frozenset[str] = frozenset()
    ) -> None:
        self.directory = os.fspath(directory)
        self._after = after_seq
        self._scan = Scan(None, without=without)
        self._reached = False
        """Whether a record behind `after_seq` was seen."""
        self._doubtful: list[tuple[bytes, int]] = []
        """Lines without a number met before that: damage of ours, or of what was not asked for."""
        self._here = -1  # first number of the segment that is open or was read last
        self._path = ""
        self._fd = -1
        self._offset = 0
        self._changes: Changes | None = None
        self._watching = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batch(self) -> list[Record]:
        """The next records, some hundred at a time; empty when there is none now."""
        while True:
            if self._fd < 0 and not self._open_next():
                return []
            found = self._complete_lines()
            if found:
                records = [record for line, at in found for record in self._take(line, at)]
                if records:
                    return records
                continue
            if not self._next_segments():
                return []
            # The writer went on to another segment and wrote nothing into this one since: look once more, then leave.
            if not self._complete_lines(peek=True):
                self._leave()

    def finish(self) -> Iterator[Record]:
        """Damage at the very end, once no more is expected."""
        yield from self._reach()
        for damage in self._scan.finish():
            yield damage.to_record()

    def wait(self, timeout_s: float) -> None:
        """Sleep until the journal may have grown, at most so long."""
        if self._changes is None:
            self._changes = Changes()
        if not self._watching:
            # Something may have been written before the watch stood: look again first.
            self._watching = self._changes.watch(self.directory)
            timeout_s = 0.0 if self._watching else timeout_s
        self._changes.wait(timeout_s, blind=not self._watching)

    def close(self) -> None:
        self._leave()
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _take(self, line: bytes, offset: int) -> Iterator[Record]:
        if not self._reached:
            top = head(line)
            if top is None:
                self._doubtful.append((line, offset))
                return
            if top[0] <= self._after:
                self._doubtful.clear()
                return
            yield from self._reach()
        yield from self._feed(line, offset)

    def _reach(self) -> Iterator[Record]:
        self._reached = True
        for line, offset in self._doubtful:
            yield from self._feed(line, offset)
        self._doubtful.clear()

    def _feed(self, line: bytes, offset: int) -> Iterator[Record]:
        for item in self._scan.feed(line, self._path, offset):
            yield item.to_record() if isinstance(item, Damage) else item

    def _complete_lines(self, *, peek: bool = False) -> list[tuple[bytes, int]]:
        """(line, offset) of what is complete behind our place, a chunk at most; moves the place unless `peek`."""
        size = CHUNK
        while True:
            data = os.pread(self._fd, size, self._offset)
            cut = data.rfind(b"\n") + 1
            if cut or len(data) < size:
                break
            size *= 4  # one line, a snapshot, is longer
        found: list[tuple[bytes, int]] = []
        at = self._offset
        for line in data[:cut].split(b"\n")[:-1]:
            found.append((line, at))
            at += len(line) + 1
        if not peek:
            self._offset = at
        return found

    def _next_segments(self) -> list[Segment]:
        return [segment for segment in list_segments(self.directory) if segment.first_seq > self._here]

    def _open_next(self) -> bool:
        """Open the segment our place is in, else the oldest behind it; False without one."""
        while True:
            segments = self._next_segments()
            if not segments:
                return False
            wanted = self._scan.expected or self._after + 1
            chosen = max((s for s in segments if s.first_seq <= wanted), default=segments[0])
            try:
                self._fd = os.open(chosen.path, os.O_RDONLY | os.O_CLOEXEC)
                self._offset = 0
                if self._after >= chosen.first_seq:
                    with mapped(chosen.path) as data:
                        self._offset = seek_seq(data, self._after + 1)
            except FileNotFoundError:
                self._leave()
                continue  # retention was quicker
            if self._scan.expected is None:
                self._scan.expected = max(self._after + 1, chosen.first_seq)
            self._here, self._path = chosen.first_seq, chosen.path
            return True

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
