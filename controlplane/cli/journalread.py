"""Reading the journal for people: the newest records first needed, without a node and without reading all of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from supervision.explain.records import JournalRecord
from supervision.runtime.clock import Clock
from supervision.runtime.journal_reader import JournalReader, last_seq, read
from supervision.runtime.journal_segments import list_segments

WINDOW = 4096
"""Records read at first; where they hold too little of what is asked for, eight times as many, and again."""

GROWTH = 8
NOT_FOR_PEOPLE = frozenset({"snapshot"})
"""Snapshots may be megabytes; nobody reads them here unless asked for by kind."""

CLOSE = 512
"""Records near enough to a moment that reading them beats another look-up."""


def newest(
    directory: Path,
    clock: Clock,
    *,
    enough: Callable[[Sequence[JournalRecord]], bool],
    wanted: Callable[[JournalRecord], bool] = lambda _record: True,
    without: frozenset[str] = NOT_FOR_PEOPLE,
    at_most: int | None = None,
) -> tuple[Sequence[JournalRecord], bool]:
    """The wanted ones of the newest records, oldest first, reaching back until `enough`; and whether that was the beginning.

    at_most: records to look at before giving up.
    """
    last = last_seq(directory)
    segments = list_segments(str(directory))
    first = segments[0].first_seq if segments else 1
    window = WINDOW
    while True:
        after = max(first - 1, last - window)
        found = [
            record
            for record in read(directory, after_seq=after, without=without, clock=clock)
            if wanted(record)
        ]
        if after < first:
            return found, True
        if enough(found) or (at_most is not None and window >= at_most):
            return found, False
        window *= GROWTH


def seq_before(directory: Path, since: float) -> int:
    """A sequence number after which every record of the time `since` (Unix seconds) and later stands.

    A bisection by time of day. Where the clock was set back, records near that moment may be missed or added.
    """
    segments = list_segments(str(directory))
    if not segments:
        return 0
    low, high = segments[0].first_seq - 1, last_seq(directory)
    while high - low > CLOSE:
        middle = (low + high) // 2
        at = _time_after(directory, middle)
        if at is None or at >= since:
            high = middle
        else:
            low = middle
    return low


def _time_after(directory: Path, seq: int) -> float | None:
    with JournalReader(directory, after_seq=seq) as reader:
        batch = reader.batch()
    return float(batch[0]["t"]) if batch else None


def follow(directory: Path, clock: Clock, *, after: int, without: frozenset[str]) -> Iterator[JournalRecord]:
    """What is written from record `after` on, for ever."""
    return read(directory, after_seq=after, follow=True, without=without, clock=clock)
