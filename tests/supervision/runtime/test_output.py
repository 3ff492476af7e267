"""Captured output as people read it: merged by time, across incarnations, segments and what a child still writes."""

import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest

from supervision.runtime.output import OutputLine, OutputStore
from supervision.runtime.output_files import TimeIndex, keep_times_from, list_streams, pack_time
from supervision.runtime.output_view import MAX_LINE, StreamView
from supervision.runtime.rotation import ChildOutput, Limits

SECOND = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> OutputStore:
    return OutputStore(tmp_path / "logs")


def put(
    store: OutputStore,
    incarnation: int,
    stream: Literal["out", "err"],
    *pieces: tuple[str, float],
    key: str = "shop/api",
) -> Path:
    """Append pieces as the child would, each noted in the time index as the rotator would."""
    path = Path(store.paths(key, incarnation)[stream == "err"])
    for text, at in pieces:
        with path.open("ab") as file:
            file.write(text.encode())
        os.utime(path, ns=(int(at * SECOND), int(at * SECOND)))
        with Path(f"{path}.times").open("ab") as file:
            file.write(pack_time(path.stat().st_size, int(at * SECOND)))
    return path


def to_segment(path: Path, start: int, end: int) -> None:
    """Move a range into a segment, as the rotator does; zeros stand where the hole is."""
    data = path.read_bytes()
    Path(f"{path}.{start:016d}").write_bytes(data[start:end])
    path.write_bytes(bytes(end) + data[end:])


def texts(lines: list[OutputLine]) -> list[str]:
    return [line.text for line in lines]


def test_paths_make_the_directory_once_and_then_cost_no_system_call(
    store: OutputStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = store.paths("shop/web/api@2", 7)
    assert out == f"{store.logs_dir}/shop/web/api@2/7.out"
    assert err == f"{store.logs_dir}/shop/web/api@2/7.err"
    assert Path(out).parent.stat().st_mode & 0o777 == 0o700

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a system call")

    monkeypatch.setattr(os, "mkdir", forbidden)
    assert store.paths("shop/web/api@2", 8)[0].endswith("/8.out")
    store.forget("shop/web/api@2")
    with pytest.raises(AssertionError):
        store.paths("shop/web/api@2", 9)


@pytest.mark.parametrize("key", ["../x", "a/../../x", "a//b", "", "/etc", "a/.b", "a\0b"])
def test_what_cannot_be_a_key_reads_nothing(store: OutputStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.directory(key)


def test_out_and_err_are_merged_by_time(store: OutputStore) -> None:
    put(store, 1, "out", ("o1\n", 10), ("o2\no3\n", 12))
    put(store, 1, "err", ("e1\n", 11), ("e2\n", 13))
    lines = list(store.read("shop/api"))
    assert texts(lines) == ["o1", "e1", "o2", "o3", "e2"]
    assert [line.time for line in lines] == [10, 11, 12, 12, 13]
    assert [line.stream for line in lines] == ["out", "err", "out", "out", "err"]
    assert lines[0].key == "shop/api"


def test_incarnations_follow_each_other(store: OutputStore) -> None:
    put(store, 9, "out", ("nine\n", 10))
    put(store, 10, "out", ("ten\n", 20))
    put(store, 10, "err", ("ten err\n", 21))
    assert [(line.incarnation, line.text) for line in store.read("shop/api")] == [
        (9, "nine"),
        (10, "ten"),
        (10, "ten err"),
    ]
    assert texts(list(store.read("shop/api", incarnation=9))) == ["nine"]
    assert texts(list(store.read("shop/api", streams=("err",)))) == ["ten err"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, ["ten"]), (2, ["nine err", "ten"]), (4, ["eight", "nine", "nine err", "ten"]), (0, [])],
)
def test_the_last_lines_reach_back_into_earlier_incarnations(
    store: OutputStore, count: int, expected: list[str]
) -> None:
    put(store, 8, "out", ("seven\neight\n", 5))
    put(store, 9, "out", ("nine\n", 10))
    put(store, 9, "err", ("nine err\n", 11))
    put(store, 10, "out", ("ten\n", 20))
    assert texts(list(store.read("shop/api", lines=count))) == expected


def test_since_and_until_choose_by_time(store: OutputStore) -> None:
    put(store, 1, "out", *((f"{n}\n", 100 + n) for n in range(10)))
    assert texts(list(store.read("shop/api", since=104))) == ["4", "5", "6", "7", "8", "9"]
    assert texts(list(store.read("shop/api", since=104, until=106))) == ["4", "5", "6"]
    assert texts(list(store.read("shop/api", until=106, lines=2))) == ["5", "6"]
    assert texts(list(store.read("shop/api", since=104, lines=100))) == ["4", "5", "6", "7", "8", "9"]
    assert texts(list(store.read("shop/api", since=200))) == []


def test_segments_and_the_active_file_read_as_one(store: OutputStore) -> None:
    path = put(store, 1, "out", *((f"line {n}\n", 100 + n) for n in range(10)))
    to_segment(path, 0, 14)
    to_segment(path, 14, 31)  # ends in the middle of a line
    assert texts(list(store.read("shop/api"))) == [f"line {n}" for n in range(10)]
    assert [line.time for line in store.read("shop/api")] == list(range(100, 110))
    for count in range(1, 11):
        assert store.tail("shop/api", 1, "out", lines=count) == [f"line {n}" for n in range(10 - count, 10)]
        view = StreamView(str(path.parent), 1, "out")
        assert view.start_of_last(count, 70, max_bytes=1000) == 70 - 7 * count


def test_a_gap_left_by_the_bound_is_passed_over(store: OutputStore) -> None:
    path = put(store, 1, "out", *((f"line {n}\n", 100 + n) for n in range(10)))
    to_segment(path, 0, 14)
    to_segment(path, 35, 49)
    assert texts(list(store.read("shop/api"))) == ["line 0", "line 1"] + [f"line {n}" for n in range(5, 10)]
    assert texts(list(store.read("shop/api", lines=6))) == ["line 1"] + [f"line {n}" for n in range(5, 10)]
    Path(f"{path}.{0:016d}").unlink()
    assert texts(list(store.read("shop/api"))) == [f"line {n}" for n in range(5, 10)]


def test_bytes_that_are_in_both_places_are_read_once(store: OutputStore) -> None:
    """The rotator was killed after it wrote the segment and before it made the hole."""
    path = put(store, 1, "out", ("a\nb\nc\n", 1))
    Path(f"{path}.{0:016d}").write_bytes(b"a\nb\n")
    assert texts(list(store.read("shop/api"))) == ["a", "b", "c"]


def test_the_tail_is_the_end_of_one_stream_of_one_incarnation(store: OutputStore) -> None:
    put(store, 1, "err", ("old\n", 1))
    put(store, 2, "err", ("".join(f"Traceback {n}\n" for n in range(30)), 2))
    put(store, 2, "out", ("not this\n", 3))
    assert store.tail("shop/api", 2, "err") == [f"Traceback {n}" for n in range(10, 30)]
    assert store.tail("shop/api", 1, "err", lines=5) == ["old"]
    assert store.tail("shop/api", 3, "err") == []
    assert store.tail("no/such", 1, "err") == []


def test_a_tail_is_bounded_in_bytes_and_begins_with_a_whole_line(store: OutputStore) -> None:
    put(store, 1, "err", ("x" * 200_000 + "\n" + "whole\n" * 3, 1))
    assert store.tail("shop/api", 1, "err", max_bytes=1000) == ["whole"] * 3
    put(store, 2, "err", ("y" * 200_000, 1))
    (line,) = store.tail("shop/api", 2, "err", max_bytes=1000)
    assert line == "y" * 1000


def test_a_last_line_without_newline_is_a_line(store: OutputStore) -> None:
    put(store, 1, "err", ("first\nno newline", 1))
    assert store.tail("shop/api", 1, "err") == ["first", "no newline"]
    assert texts(list(store.read("shop/api"))) == ["first", "no newline"]


def test_a_line_without_end_is_shown_in_pieces(store: OutputStore) -> None:
    put(store, 1, "out", ("z" * (3 * MAX_LINE + 5) + "\nnext\n", 1))
    lines = texts(list(store.read("shop/api")))
    assert [len(line) for line in lines] == [MAX_LINE] * 3 + [5, 4]


def test_bytes_that_are_no_utf_8_are_shown_as_such(store: OutputStore) -> None:
    path = put(store, 1, "out", ("ok\r\n", 1))
    with path.open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert texts(list(store.read("shop/api"))) == ["ok", "\ufffd\ufffd"]


def test_a_supervisor_shows_everything_below_it(store: OutputStore) -> None:
    put(store, 1, "out", ("a1\n", 1), ("a3\n", 3), key="shop/web/a@1")
    put(store, 4, "err", ("b2\n", 2), key="shop/web/b")
    put(store, 1, "out", ("other\n", 1), key="other/a")
    assert [(line.key, line.text) for line in store.read("shop")] == [
        ("shop/web/a@1", "a1"),
        ("shop/web/b", "b2"),
        ("shop/web/a@1", "a3"),
    ]
    assert texts(list(store.read("shop", lines=2))) == ["b2", "a3"]
    assert store.keys("shop") == ["shop/web/a@1", "shop/web/b"]
    assert store.keys() == ["other/a", "shop/web/a@1", "shop/web/b"]
    assert store.size("shop") > 0


def test_a_clock_that_went_back_loses_no_line(store: OutputStore) -> None:
    put(store, 1, "out", ("a\n", 5000), ("b\n", 1400), ("c\n", 1401))
    put(store, 1, "err", ("x\n", 1399), ("y\n", 5002))
    assert sorted(texts(list(store.read("shop/api")))) == ["a", "b", "c", "x", "y"]
    out = [line.text for line in store.read("shop/api") if line.stream == "out"]
    assert out == ["a", "b", "c"]


def test_lines_that_are_not_yet_in_the_index_have_the_time_of_the_last_write(store: OutputStore) -> None:
    path = Path(store.paths("shop/api", 1)[0])
    path.write_text("new\n")
    os.utime(path, (77, 77))
    assert next(store.read("shop/api")).time == 77


def test_following_begins_with_the_last_lines_and_goes_on(store: OutputStore) -> None:
    put(store, 1, "out", ("1\n2\n3\n", 1))
    batches = store.follow("shop/api", lines=2, wait_s=0.05)
    assert texts(next(batches)) == ["2", "3"]
    assert next(batches) == []
    put(store, 1, "out", ("4\npart", 2))
    put(store, 1, "err", ("e\n", 1.5))
    assert sorted(texts(gather(batches, 2))) == ["4", "e"]
    put(store, 1, "out", ("ial\n", 3))
    assert texts(gather(batches, 1)) == ["partial"]
    put(store, 2, "out", ("reborn\n", 4))
    assert texts(gather(batches, 1)) == ["reborn"]


def gather(batches: Iterator[list[OutputLine]], count: int) -> list[OutputLine]:
    found: list[OutputLine] = []
    for batch in islice(batches, 2000):
        found += batch
        if len(found) >= count:
            break
    return found


def test_the_unfinished_last_line_of_an_ended_incarnation_is_followed_too(store: OutputStore) -> None:
    put(store, 1, "out", ("begun", 1))
    batches = store.follow("shop/api", wait_s=0.02)
    assert next(batches) == []
    put(store, 2, "out", ("next life\n", 2))
    assert sorted(texts(gather(batches, 2))) == ["begun", "next life"]


def test_following_sees_output_that_begins_later_below_a_supervisor(store: OutputStore) -> None:
    batches = store.follow("shop", wait_s=0.05)
    assert next(batches) == []
    put(store, 1, "out", ("hello\n", 1), key="shop/web/new@1")
    assert [(line.key, line.text) for line in gather(batches, 1)] == [("shop/web/new@1", "hello")]
    put(store, 1, "out", ("again\n", 2), key="shop/web/new@2")
    assert texts(gather(batches, 1)) == ["again"]


def test_following_a_child_that_writes_and_is_rotated_sees_every_line_once(store: OutputStore) -> None:
    path = Path(store.paths("shop/api", 1)[0])
    path.touch()
    batches = store.follow("shop/api", wait_s=0.02, lines=0)
    assert next(batches) == []

    def write() -> None:
        child = ChildOutput(str(path.parent), Limits(max_bytes=10_000_000, segments=100))
        with path.open("ab", buffering=0) as file:
            for n in range(40):
                file.write(b"".join(b"%d.%d %s\n" % (n, m, b"x" * 90) for m in range(1000)))
                child.look()

    writer = threading.Thread(target=write)
    writer.start()
    found = gather(batches, 40_000)
    writer.join()
    assert [line.text.split()[0] for line in found] == [f"{n}.{m}" for n in range(40) for m in range(1000)]
    assert len(list_streams(str(path.parent))[1, "out"].starts) > 10


def test_the_index_forgets_what_retention_took(tmp_path: Path) -> None:
    path = tmp_path / "times"
    path.write_bytes(b"".join(pack_time(end, end * SECOND) for end in (10, 20, 30, 40)) + b"torn")
    index = TimeIndex(str(path))
    assert [index.time_of(offset, 99) for offset in (0, 9, 10, 39, 40)] == [10, 10, 20, 40, 99]
    keep_times_from(str(path), 20)
    after = TimeIndex(str(path))
    assert [after.time_of(offset, 99) for offset in (20, 39, 40)] == [30, 40, 99]
    assert path.stat().st_size == 32


def test_a_view_of_nothing_is_empty(tmp_path: Path) -> None:
    view = StreamView(str(tmp_path / "none"), 1, "out")
    assert view.size() == 0
    assert list(view.lines(0)) == []
    assert view.start_of_last(5, 0, max_bytes=100) == 0
