"""Reading lines of the journal in order: every one is a record, or part of a named damage. Nothing is skipped silently."""

import mmap
from collections.abc import Iterator

from supervision.runtime.journal_segments import Damage, Record, head, mapped, parse


class Scan:
    """Turns lines into records and damage. Feed it line by line, oldest first; `finish()` after the last.

    Damage is told once what follows it is known, so that it can say which numbers are lost.
    """

    def __init__(self, expected: int | None, *, without: frozenset[str] = frozenset()) -> None:
        self.expected = expected
        """The number the next record must have; None before the first."""
        self._without = without
        self._bad: Damage | None = None

    def feed(self, line: bytes, path: str, offset: int) -> Iterator[Record | Damage]:
        """`line` without its newline, which begins at byte `offset` of `path`."""
        top = head(line)
        record = None
        if top is not None and top[1] in self._without:
            seq = top[0]
        else:
            record = parse(line)
            if record is None:
                self._spoil(path, offset, "not a record" if top is None else f"a damaged {top[1]} record")
                return
            seq = record["seq"]
        if self.expected is None:
            self.expected = seq
        if seq < self.expected:
            self._spoil(path, offset, f"record {seq} stands again")
            return
        if seq > self.expected:
            self._spoil(path, offset, "records are missing before this line")
        yield from self._tell(seq - 1)
        self.expected = seq + 1
        if record is not None:
            yield record

    def finish(self) -> Iterator[Damage]:
        """Call at the end of what will ever come."""
        yield from self._tell(None)

    def _spoil(self, path: str, offset: int, what: str) -> None:
        """Remember the first bad line of a run; the rest of the run is told with it."""
        if self._bad is None:
            self._bad = Damage(path, _line_number(path, offset), self.expected or 1, None, what)

    def _tell(self, last_seq: int | None) -> Iterator[Damage]:
        if self._bad is not None:
            bad, self._bad = self._bad, None
            yield Damage(bad.path, bad.line, bad.first_seq, last_seq, bad.what)


def lines(data: mmap.mmap | bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line without newline) from `start` on; a torn last one is left out."""
    while True:
        end = data.find(b"\n", start)
        if end < 0:
            return
        yield start, data[start:end]
        start = end + 1


def _line_number(path: str, offset: int) -> int:
    """Which line of the file begins at `offset`, from 1; 0 when retention took the file meanwhile."""
    try:
        with mapped(path) as data:
            number, at = 1, data.find(b"\n", 0, offset)
            while at >= 0:
                number += 1
                at = data.find(b"\n", at + 1, offset)
            return number
    except FileNotFoundError:
        return 0
