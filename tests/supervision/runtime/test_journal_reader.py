"""Reading beside a live writer."""

import os
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock, SystemClock
from supervision.runtime.journal import Journal, last_seq, read
from supervision.runtime.journal_reader import JournalReader
from supervision.runtime.journal_segments import list_segments, mapped, seek_seq
from tests.supervision.runtime.full_disk import ROOT


def opened(directory: Path, **options: Any) -> Journal:
    return Journal.open(directory, clock=ManualClock(), reserve_bytes=65536, **options)


def fill(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append("step", {"n": journal.next_seq, "text": "x" * (journal.next_seq * 31 % 200)})
        if journal.snapshot_due:
            journal.append_snapshot({"upto": journal.next_seq})


def seqs(directory: Path, after_seq: int = 0) -> list[int]:
    return [record["seq"] for record in read(directory, after_seq=after_seq)]


def test_nothing_is_there_before_there_is_a_journal(tmp_path: Path) -> None:
    assert seqs(tmp_path / "none") == []
    assert last_seq(tmp_path / "none") == 0


@pytest.mark.parametrize("segment_bytes", [3000, 1 << 30])
@pytest.mark.parametrize("after", [0, 1, 2, 17, 500, 1499, 1500, 4000])
def test_reading_begins_behind_the_number_that_was_asked_for(
    tmp_path: Path, after: int, segment_bytes: int
) -> None:
    journal = opened(tmp_path, segment_bytes=segment_bytes)
    while journal.next_seq <= 1500:
        fill(journal, 1)
    last = journal.next_seq - 1
    assert seqs(tmp_path, after) == list(range(after + 1, last + 1))
    assert last_seq(tmp_path) == last


def test_bisection_finds_the_place_in_a_long_segment_also_with_damage_in_it(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=1 << 30)
    fill(journal, 5000)
    path = Path(list_segments(str(tmp_path))[0].path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle - 5000 : middle + 5000] = bytes(10_000)
    path.write_bytes(data)
    with mapped(str(path)) as content:
        for wanted in (1, 100, 2499, 2501, 4000, 4999, 5001):
            at = seek_seq(content, wanted)
            assert at == 0 or content[at - 1] == 10
            found = int(content[at : content.find(b",", at + 7)].rsplit(b":", 1)[1])
            assert wanted - 800 < found <= wanted


def test_kinds_that_are_not_wanted_are_passed_over(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append("step", {})
    journal.append_snapshot({"state": "x" * 2_000_000})
    journal.append("step", {})
    assert [record["seq"] for record in read(tmp_path, without=frozenset({"snapshot"}))] == [1, 3]
    assert [record["seq"] for record in read(tmp_path)] == [1, 2, 3]


def test_the_beginning_of_a_record_is_not_shown(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append("step", {"n": 1})
    path = Path(list_segments(str(tmp_path))[0].path)
    with JournalReader(tmp_path) as reader:
        assert [record["seq"] for record in reader.batch()] == [1]
        with path.open("ab") as file:
            file.write(b'{"v":1,"seq":2,"t":1.0,"b":1.0,"k":"step","n":')
        assert reader.batch() == []
        os.truncate(path, journal.bytes_since_snapshot)  # the writer takes back what did not fit
        journal.append("exit", {"n": "two"})
        assert [record["n"] for record in reader.batch()] == ["two"]


def test_damage_is_shown_in_its_place(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 5)
    path = Path(list_segments(str(tmp_path))[0].path)
    path.write_bytes(path.read_bytes().replace(b'"n":3', b'"n":!'))
    found = list(read(tmp_path))
    assert [record["k"] for record in found] == ["step", "step", "damage", "step", "step"]
    damage = found[2]
    assert (damage["file"], damage["line"], damage["first"], damage["last"]) == (str(path), 3, 3, 3)


def test_damage_at_the_end_is_shown_when_nothing_more_is_waited_for(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 3)
    path = Path(list_segments(str(tmp_path))[0].path)
    path.write_bytes(path.read_bytes().replace(b'"n":3', b'"n":!'))
    assert [(record["k"], record.get("last")) for record in read(tmp_path)][-1] == ("damage", None)


def test_segments_that_retention_took_in_the_middle_are_shown_as_missing(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=2000)
    fill(journal, 100)
    segments = list_segments(str(tmp_path))
    with JournalReader(tmp_path) as reader:
        first = reader.batch()
        for segment in segments[:-1]:
            Path(segment.path).unlink()
        rest = reader.batch()
        while batch := reader.batch():
            rest += batch
    assert first[-1]["seq"] == segments[1].first_seq - 1  # the open one was read to its end
    assert rest[0]["k"] == "damage"
    assert (rest[0]["first"], rest[0]["last"]) == (segments[1].first_seq, segments[-1].first_seq - 1)
    assert rest[1]["seq"] == segments[-1].first_seq


def test_following_ends_at_the_deadline_that_the_caller_gave(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 3)
    clock = SystemClock()
    began = clock.boot()
    assert len(list(read(tmp_path, follow=True, deadline=began + 0.2, clock=clock))) == 3
    assert 0.2 <= clock.boot() - began < 5


def test_following_gives_what_is_written_later_across_segments(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=2000)
    fill(journal, 3)
    told = threading.Event()

    def write() -> None:
        told.wait(30)
        fill(journal, 200)

    writer = threading.Thread(target=write)
    writer.start()
    records = read(tmp_path, follow=True, deadline=SystemClock().boot() + 60)
    first = [record["seq"] for record in islice(records, 3)]
    told.set()
    rest = [record["seq"] for record in islice(records, 200)]
    writer.join()
    assert first + rest == list(range(1, 204))


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from supervision.runtime.clock import SystemClock
from supervision.runtime.journal import Journal
journal = Journal.open(sys.argv[1], clock=SystemClock(), segment_bytes=100_000, reserve_bytes=65536, bound_bytes=10**9)
for n in range(1, 30001):
    journal.append("step", {"n": n, "text": "x" * (n * 37 % 300)})
    if journal.snapshot_due:
        journal.append_snapshot({"upto": n})
journal.append("node", {"what": "stopped"})
"""


def test_a_reader_beside_a_writer_in_a_hurry_sees_every_record_once_and_in_order(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", WRITER, str(tmp_path), str(ROOT)])
    expected = 1
    for record in read(tmp_path, follow=True, deadline=SystemClock().boot() + 120):
        assert record["seq"] == expected
        expected += 1
        if record["k"] == "node":
            break
    assert writer.wait() == 0
    assert expected > 30000


def test_following_a_journal_that_does_not_exist_yet_finds_it(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    timer = threading.Timer(0.1, lambda: fill(opened(directory), 2))
    timer.start()
    records = read(directory, follow=True, deadline=SystemClock().boot() + 60)
    assert [record["seq"] for record in islice(records, 2)] == [1, 2]
    timer.join()
