"""What is dropped, when, and that nothing goes without being counted."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal, read
from supervision.runtime.journal_segments import list_segments, read_cursor, sync, write_cursor


def opened(directory: Path, **options: Any) -> Journal:
    options.setdefault("segment_bytes", 2000)
    return Journal.open(directory, clock=ManualClock(), reserve_bytes=65536, **options)


def fill(journal: Journal, count: int) -> None:
    for n in range(count):
        journal.append("step", {"n": n, "text": "x" * 200})
        if journal.snapshot_due:
            journal.append_snapshot({"upto": n})


def firsts(directory: Path) -> list[int]:
    return [segment.first_seq for segment in list_segments(str(directory))]


def dropped(directory: Path) -> list[dict[str, Any]]:
    return [record for record in read(directory) if record["k"] == "dropped"]


def test_shipped_segments_go_and_nothing_is_counted(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 50)
    before = firsts(tmp_path)
    assert len(before) > 4
    write_cursor(str(tmp_path), before[3] - 1)
    journal.trim()
    assert firsts(tmp_path) == before[3:]
    assert dropped(tmp_path) == []


def test_a_segment_that_is_shipped_but_for_one_record_stays(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 50)
    before = firsts(tmp_path)
    write_cursor(str(tmp_path), before[1] - 2)
    journal.trim()
    assert firsts(tmp_path) == before


def test_the_last_segment_stays_although_all_of_it_is_shipped(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 50)
    write_cursor(str(tmp_path), journal.next_seq - 1)
    journal.trim()
    assert len(firsts(tmp_path)) == 1
    assert opened(tmp_path).replay()[0] is not None


@pytest.mark.parametrize("cursor", [None, 0, 3])
def test_past_the_bound_the_oldest_go_and_are_counted(tmp_path: Path, cursor: int | None) -> None:
    if cursor is not None:
        write_cursor(str(tmp_path), cursor)
    journal = opened(tmp_path, bound_bytes=10_000)
    fill(journal, 200)
    assert sum(Path(segment.path).stat().st_size for segment in list_segments(str(tmp_path))) <= 13_000
    told = dropped(tmp_path)
    oldest = firsts(tmp_path)[0]
    for record, after in pairwise(told):
        assert after["first"] == record["last"] + 1
    assert told[-1]["last"] == oldest - 1
    assert all(record["count"] == record["last"] - record["first"] + 1 for record in told)
    assert all(record["bytes"] > 1000 for record in told)


def test_the_first_dropped_range_begins_behind_the_cursor(tmp_path: Path) -> None:
    journal = opened(tmp_path, bound_bytes=8_000)
    write_cursor(str(tmp_path), 3)
    while not dropped(tmp_path):
        fill(journal, 5)
    first = dropped(tmp_path)[0]
    assert first["first"] == 4
    assert first["count"] == first["last"] - 3


@pytest.mark.parametrize("rolls", [False, True])
def test_a_kill_between_counting_and_dropping_counts_once(
    tmp_path: Path,
    rolls: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = opened(tmp_path)
    fill(journal, 60)
    journal.close()
    before = firsts(tmp_path)
    real, calls = os.unlink, []

    def killed(path: str) -> None:
        calls.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", killed)
    bounded = opened(tmp_path, bound_bytes=8_000)
    with pytest.raises(KeyboardInterrupt):
        bounded.trim()
    assert len(calls) == 1
    bounded.close()
    assert firsts(tmp_path) == before
    monkeypatch.setattr(os, "unlink", real)
    again = opened(tmp_path, bound_bytes=8_000)
    if rolls:  # the node that comes next may go on to another segment first
        fill(again, 20)
    else:
        again.trim()
    told = dropped(tmp_path)
    assert [record["first"] for record in told] == [1, *(record["last"] + 1 for record in told[:-1])]
    assert told[-1]["last"] == firsts(tmp_path)[0] - 1


def test_without_a_courier_a_journal_within_its_bound_keeps_everything(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 100)
    assert firsts(tmp_path)[0] == 1
    assert [record["seq"] for record in read(tmp_path)] == list(range(1, journal.next_seq))


def test_the_cursor_survives_and_an_unreadable_one_means_nothing_is_shipped(tmp_path: Path) -> None:
    assert read_cursor(str(tmp_path)) is None
    write_cursor(str(tmp_path), 123)
    assert read_cursor(str(tmp_path)) == 123
    (tmp_path / "shipped").write_text("?")
    assert read_cursor(str(tmp_path)) == 0


def test_numbers_that_were_shipped_are_never_used_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 3)
    journal.close()
    write_cursor(str(tmp_path), 10)  # power was cut after the courier shipped what the disk then lost
    assert opened(tmp_path).append("node", {}) == 11


def test_syncing_is_possible_at_any_time(tmp_path: Path) -> None:
    sync(str(tmp_path / "nothing"))
    sync(str(tmp_path))
    fill(opened(tmp_path), 30)
    sync(str(tmp_path))
    assert json.loads(Path(list_segments(str(tmp_path))[-1].path).read_bytes().splitlines()[0])["v"] == 1
