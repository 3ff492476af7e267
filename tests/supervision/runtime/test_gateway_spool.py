"""What programs said, on disk: taken once, whatever is killed; bounded, counted; nothing on a full disk."""

import os
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.gateway_spool import MIB, Sender, Spool, read_epoch
from supervision.runtime.identity import read_stat
from supervision.runtime.journal import JournalFull
from supervision.runtime.journal_reader import read
from supervision.runtime.journal_segments import list_segments, write_cursor


def sender(stream: str = "aa" * 8, *, key: str = "t/a", pid: int | None = None) -> Sender:
    stat = read_stat(os.getpid())
    assert stat is not None
    return Sender(key, 3, os.getpid() if pid is None else pid, stat.start_time, stream)


def opened(directory: Path, **more: Any) -> Spool:
    return Spool.open(str(directory), clock=ManualClock(), **more)


def events(directory: Path) -> list[tuple[str, int, Any]]:
    return [
        (record["stream"], record["n"], record["body"])
        for record in read(directory)
        if record["k"] == "event"
    ]


def test_an_event_is_taken_once_however_often_it_is_sent(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    one, two = sender("aa" * 8), sender("bb" * 8)
    assert [spool.accept(one, number, "x.y", {"n": number}) for number in (1, 2, 2, 1, 3)] == [
        True, True, False, False, True,
    ]  # fmt: skip
    assert spool.accept(two, 1, "x.y", {})
    assert (spool.last(one.stream), spool.last(two.stream), spool.last("cc")) == (3, 1, 0)
    assert [number for stream, number, _ in events(tmp_path) if stream == one.stream] == [1, 2, 3]


def test_a_successor_knows_what_was_taken(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for number in range(1, 6):
        first.accept(sender(), number, "x.y", {"n": number})
    # killed: nothing was closed
    second = opened(tmp_path)
    assert second.epoch == first.epoch == read_epoch(str(tmp_path))
    assert second.last(sender().stream) == 5
    assert not second.accept(sender(), 5, "x.y", {})
    assert second.accept(sender(), 6, "x.y", {"n": 6})
    assert [number for _, number, _ in events(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_also_once_the_segment_that_held_it_is_gone(tmp_path: Path) -> None:
    spool = opened(tmp_path, bound_bytes=8 * MIB)
    big = {"text": "x" * 100_000}
    for number in range(1, 201):
        spool.accept(sender(), number, "x.y", big)
        write_cursor(str(tmp_path), spool.journal.next_seq - 1)
    spool.tend()
    assert list_segments(str(tmp_path))[0].first_seq > 100
    again = opened(tmp_path)
    assert again.last(sender().stream) == 200
    assert not again.accept(sender(), 200, "x.y", big)


def test_streams_of_processes_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.accept(sender("dd" * 8, pid=2**22), 1, "x.y", {})
    spool.accept(sender(), 1, "x.y", {})
    spool.write_snapshot()
    assert list(spool.streams) == [sender().stream]


def test_past_the_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = opened(tmp_path, bound_bytes=8 * MIB)
    for number in range(1, 301):
        spool.accept(sender(), number, "x.y", {"text": "x" * 100_000})
    spool.tend()
    size = sum(path.stat().st_size for path in tmp_path.glob("*.journal"))
    assert size < 10 * MIB
    numbers = [number for _, number, _ in events(tmp_path)]
    assert numbers == list(range(numbers[0], 301))
    assert numbers[0] > 100
    records = list(read(tmp_path))
    dropped = [record for record in records if record["k"] == "dropped"]
    assert dropped[-1]["last"] == records[0]["seq"] - 1


def test_a_torn_last_line_is_cut_and_its_event_is_taken_again(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(1, 4):
        spool.accept(sender(), number, "x.y", {"n": number})
    spool.close()
    path = Path(list_segments(str(tmp_path))[-1].path)
    path.write_bytes(path.read_bytes()[:-10])
    again = opened(tmp_path)
    assert again.last(sender().stream) == 2
    assert again.accept(sender(), 3, "x.y", {"n": 3})
    assert [number for _, number, _ in events(tmp_path)] == [1, 2, 3]


def test_on_a_full_disk_nothing_is_written_and_nothing_counts_as_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)

    def full(line: bytes) -> None:
        raise JournalFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(spool.journal, "_put", full)
        with pytest.raises(JournalFull):
            spool.accept(sender(), 1, "x.y", {})
        spool.write_snapshot()  # left out
    assert spool.last(sender().stream) == 0
    assert spool.accept(sender(), 1, "x.y", {"n": 1})


def test_a_spool_that_was_lost_begins_another_sequence(tmp_path: Path) -> None:
    spool = opened(tmp_path / "a")
    (tmp_path / "a" / "epoch").rename(tmp_path / "epoch")
    clock = ManualClock(wall=1_800_000_000.0)
    other = Spool.open(str(tmp_path / "b"), clock=clock)
    assert other.epoch > spool.epoch
    for segment in list_segments(str(tmp_path / "b")):
        Path(segment.path).unlink()
    assert Spool.open(str(tmp_path / "b"), clock=ManualClock(wall=5.0)).epoch == other.epoch + 1
