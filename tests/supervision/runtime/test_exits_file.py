"""The guardian's exits file: whole lines, bounded, safe against kill -9 of either side and against rotation."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.exits_file import ExitsFile
from tests.supervision.runtime.spawning import ROOT, await_readable

made: list[ExitsFile] = []


def exits_file(directory: Path, **options: int) -> ExitsFile:
    """Closed when the test is over."""
    made.append(ExitsFile(directory, **options))
    return made[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while made:
        made.pop().close()


def current(directory: Path) -> Path:
    (found,) = (path for path in directory.glob("exits.*") if path.suffix != ".1")
    return found


def test_what_is_written_is_found_by_pid_and_start_time(tmp_path: Path) -> None:
    writer, reader = exits_file(tmp_path), exits_file(tmp_path)
    assert reader.lookup(7, 70) is None
    writer.append(7, 70, 9)
    writer.append(8, 80, 256)
    assert reader.lookup(7, 70) == 9
    assert reader.lookup(8, 80) == 256
    assert reader.lookup(7, 71) is None
    writer.append(7, 71, 0)
    assert (reader.lookup(7, 70), reader.lookup(7, 71), reader.lookup(7, None)) == (9, 0, 0)


def test_a_reader_is_told_what_is_new(tmp_path: Path) -> None:
    writer, reader = exits_file(tmp_path), exits_file(tmp_path)
    assert list(reader.read_new()) == []
    writer.append(7, 70, 9)
    assert list(reader.read_new()) == [(7, 70, 9)]
    assert list(reader.read_new()) == []
    assert list(exits_file(tmp_path).read_new()) == [(7, 70, 9)]


def test_a_line_without_its_end_is_not_read_until_it_has_one(tmp_path: Path) -> None:
    exits_file(tmp_path).append(7, 70, 9)
    reader = exits_file(tmp_path)
    with current(tmp_path).open("ab", buffering=0) as file:
        file.write(b"8 80 2")
        assert list(reader.read_new()) == [(7, 70, 9)]
        file.write(b"56\n")
        assert list(reader.read_new()) == [(8, 80, 256)]


def test_the_next_writer_makes_a_torn_line_unreadable(tmp_path: Path) -> None:
    """Closing it with a newline alone would turn `8 80 256` cut short into the status 2."""
    exits_file(tmp_path).append(7, 70, 9)
    reader = exits_file(tmp_path)
    assert len(list(reader.read_new())) == 1
    with current(tmp_path).open("ab", buffering=0) as file:
        file.write(b"8 80 2")
    exits_file(tmp_path).append(9, 90, 0)
    assert list(reader.read_new()) == [(9, 90, 0)]
    assert list(exits_file(tmp_path).read_new()) == [(7, 70, 9), (9, 90, 0)]


def test_it_is_bounded(tmp_path: Path) -> None:
    writer = exits_file(tmp_path, bound_bytes=1000)
    for pid in range(1000):
        writer.append(pid, 1, 0)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 1100
    reader = exits_file(tmp_path, bound_bytes=1000)
    assert reader.lookup(999, 1) == 0
    assert reader.lookup(1, 1) is None


def test_files_of_another_boot_are_removed(tmp_path: Path) -> None:
    (tmp_path / "exits.00000000").write_text("7 70 9\n")
    (tmp_path / "exits.00000000.1").write_text("7 70 9\n")
    exits_file(tmp_path).append(8, 80, 0)
    assert [path.name for path in tmp_path.iterdir()] == [current(tmp_path).name]


@pytest.mark.parametrize("seed", range(20))
def test_a_reader_loses_nothing_however_it_meets_a_rotation(tmp_path: Path, seed: int) -> None:
    """Any order of appends, trims and reads with at most one trim between two reads; trims also within a read."""
    chance = random.Random(seed)
    writer, reader = exits_file(tmp_path), exits_file(tmp_path)
    written: list[tuple[int, int, int]] = []
    read: list[tuple[int, int, int]] = []
    read_previous = reader._read_previous

    def append() -> None:
        line = (len(written) + 1, 1, chance.choice([0, 9, 256]))
        writer.append(*line)
        written.append(line)

    def trim_meanwhile(*known: int) -> bytes:
        append()
        if not trimmed:
            writer.trim()
        append()
        return read_previous(*known)

    for _ in range(100):
        trimmed = False
        for _ in range(chance.randrange(4)):
            append()
        if chance.random() < 0.5:
            writer.trim()
            trimmed = True
            for _ in range(chance.randrange(3)):
                append()
        within = chance.random() < 0.2 and not trimmed
        reader._read_previous = trim_meanwhile if within else read_previous  # type: ignore[method-assign]
        read += reader.read_new()
    reader._read_previous = read_previous  # type: ignore[method-assign]
    read += reader.read_new()
    assert sorted(set(read)) == sorted(written)
    assert all(reader.lookup(pid, start) == status for pid, start, status in written)


def test_kill_9_of_the_writer_leaves_whole_lines_and_the_next_one_goes_on(tmp_path: Path) -> None:
    code = f"""
import itertools, sys; sys.path.insert(0, {str(ROOT)!r})
from supervision.runtime.exits_file import ExitsFile
file = ExitsFile({str(tmp_path)!r}, bound_bytes=4096)
for pid in itertools.count(1):
    file.append(pid, 1, 256)
    if pid == 300: print(flush=True)
"""
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        await_readable(writer.stdout.fileno())
        assert writer.stdout.read(1) == b"\n", "it writes"
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        lines = list(exits_file(tmp_path, bound_bytes=4096).read_new())
        pids = [pid for pid, _, _ in lines]
        assert lines
        assert lines == [(pid, 1, 256) for pid in pids]
    last = exits_file(tmp_path, bound_bytes=4096)
    last.append(10**9, 2, 0)
    assert exits_file(tmp_path).lookup(10**9, 2) == 0
    for path in tmp_path.iterdir():
        assert all(len(line.split()) == 3 for line in path.read_text().splitlines())


def test_a_full_disk_is_an_error_of_the_write_and_tears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = exits_file(tmp_path), exits_file(tmp_path)
    writer.append(7, 70, 9)
    whole = os.write

    def half(descriptor: int, data: bytes) -> int:
        return whole(descriptor, data[:4])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="short write"):
        writer.append(8, 80, 256)
    monkeypatch.setattr(os, "write", whole)
    writer.append(9, 90, 0)
    assert list(reader.read_new()) == [(7, 70, 9), (9, 90, 0)]
