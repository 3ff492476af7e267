"""Whatever is overwritten in whatever file: every record is read as it was written, or named as lost."""

import random
import shutil
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal, read
from supervision.runtime.journal_segments import head, list_segments, parse


def written(directory: Path, seed: int) -> dict[int, dict[str, Any]]:
    """A journal of a few segments; its records by number."""
    chance = random.Random(seed)
    journal = Journal.open(directory, clock=ManualClock(), reserve_bytes=65536, segment_bytes=3000)
    bodies: dict[int, dict[str, Any]] = {}
    for _ in range(chance.randrange(1, 80)):
        body = {"n": chance.random(), "text": "x" * chance.randrange(150)}
        if journal.snapshot_due or chance.random() < 0.05:
            bodies[journal.append_snapshot(body)] = body
        else:
            bodies[journal.append("step", body)] = body
    journal.close()
    return bodies


def spoil(directory: Path, places: list[tuple[float, int]]) -> None:
    """Overwrite ranges with zeros, at fractions of the whole journal."""
    paths = [Path(segment.path) for segment in list_segments(str(directory))]
    sizes = [path.stat().st_size for path in paths]
    for place, length in places:
        at = int(place * sum(sizes))
        for path, size in zip(paths, sizes, strict=True):
            if at < size:
                with path.open("r+b") as file:
                    file.seek(at)
                    file.write(bytes(min(length, size - at)))
                break
            at -= size


def torn(directory: Path) -> bool:
    """The newest file ends in the middle of a line."""
    return not Path(list_segments(str(directory))[-1].path).read_bytes().endswith(b"\n")


def hides_what_followed(directory: Path, after: int) -> bool:
    """The very last line is damaged, and its readable beginning is a record that nobody asked for: whether another one
    stood behind it, up to the end of the file, no reader can know. JournalReader names this limit."""
    last = Path(list_segments(str(directory))[-1].path).read_bytes().split(b"\n")[-2]
    top = head(last)
    return top is not None and top[0] <= after and parse(last) is None


def body_of(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name in ("n", "text")}


PLACES = st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 400)), max_size=4)


@settings(max_examples=150, deadline=None)
@example(seed=1301, places=[(0.97265625, 24)], after=54)
@given(seed=st.integers(0, 10_000), places=PLACES, after=st.integers(0, 90))
def test_a_record_is_read_as_it_was_written_or_named_as_lost(
    seed: int, places: list[tuple[float, int]], after: int
) -> None:
    directory = Path(tempfile.mkdtemp())
    try:
        bodies = written(directory, seed)
        last = max(bodies)
        spoil(directory, places)
        seen: set[int] = set()
        named: set[int] = set()
        previous = after
        for record in read(directory, after_seq=after):
            if record["k"] == "damage":
                named.update(range(record["first"], (record["last"] or last) + 1))
                continue
            assert record["seq"] > previous
            previous = record["seq"]
            assert body_of(record) == bodies[record["seq"]]
            seen.add(record["seq"])
        assert not seen & named
        missing = set(range(after + 1, last + 1)) - seen - named
        if torn(directory) or hides_what_followed(
            directory, after
        ):  # an unfinished line may be one that the writer is about to finish
            assert missing == set(range(last + 1 - len(missing), last + 1))
        else:
            assert not missing
        assert not places or named <= set(range(1, last + 1))
        assert places or seen == set(range(after + 1, last + 1))
    finally:
        shutil.rmtree(directory)


def opened_journal(directory: Path) -> Journal:
    return Journal.open(directory, clock=ManualClock(), reserve_bytes=65536, segment_bytes=3000)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), places=PLACES)
def test_replay_gives_every_record_behind_its_snapshot_or_names_it(
    seed: int, places: list[tuple[float, int]]
) -> None:
    directory, opened = Path(tempfile.mkdtemp()), ExitStack()
    try:
        bodies = written(directory, seed)
        last = max(bodies)
        spoil(directory, places)
        journal = opened.enter_context(closing(opened_journal(directory)))
        snapshot, records = journal.replay()
        start = 0
        if snapshot is not None:
            start = snapshot["seq"]
            assert body_of(snapshot) == bodies[start]
        seen = set()
        for record in records:
            assert body_of(record) == bodies[record["seq"]]
            seen.add(record["seq"])
        named = {
            number
            for damage in journal.damage
            for number in range(damage.first_seq, (damage.last_seq or last) + 1)
        }
        cut = set() if journal.cut is None else set(range(journal.next_seq, last + 1))
        assert seen | named | cut >= set(range(start + 1, last + 1))
        assert journal.append("step", {"n": 0.5}) == journal.next_seq - 1
        again = opened.enter_context(closing(opened_journal(directory)))
        assert [record["n"] for record in again.replay()[1]][-1] == 0.5
    finally:
        opened.close()
        shutil.rmtree(directory)
