"""The rotator helper as a real process: found by looking, killed at will, losing nothing."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait as wait_ready
from pathlib import Path

import pytest

from supervision.runtime import rotator as rotator_module
from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal
from supervision.runtime.output import OutputStore
from supervision.runtime.output_files import list_streams
from supervision.runtime.output_view import StreamView
from supervision.runtime.rotation import ChildOutput, Limits
from supervision.runtime.rotation_watch import Directories
from supervision.runtime.rotator import JournalSync, Rotator
from supervision.runtime.spare_files import DIRECTORY, MADE_AT_ONCE, MADE_WHEN_BUSY
from tests.supervision.runtime.helpers import Helper
from tests.support.waiting import wait_for

LINE = 64
MIB = 1 << 20


def nothing(_: str) -> None:
    """What is said is not looked at."""


@pytest.fixture
def logs_dir(data_dir: Path) -> Path:
    (data_dir / "logs").mkdir(parents=True, mode=0o700)
    (data_dir / "journal").mkdir(mode=0o700)
    return data_dir / "logs"


def block(first: int, count: int) -> bytes:
    """Numbered lines of LINE bytes."""
    line = b"%015d some text of the kind that busy services write.\n"
    return b"".join(line % n for n in range(first, first + count))


def test_a_line_is_as_long_as_the_tests_think() -> None:
    assert len(block(7, 1)) == LINE


# -- a round -------------------------------------------------------------------------------------------------------------


def test_spare_files_are_made_when_children_are_quiet_and_listed_only_when_some_were_taken(
    logs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def make(_: str, *, at_most: int) -> bool:
        asked.append(at_most)
        (logs_dir / DIRECTORY).mkdir(exist_ok=True)
        return len(asked) > 2  # the third look finds them all there

    monkeypatch.setattr(rotator_module, "make_pairs", make)
    rotator = Rotator(logs_dir, say=nothing)
    store = OutputStore(logs_dir)
    rotator.look()
    Path(store.paths("t/a", 1)[0]).write_bytes(b"x")
    rotator.look()  # finds the tree's directory
    Path(store.paths("t/a", 1)[0]).write_bytes(b"y")
    rotator.look()
    rotator.look()
    assert asked == [MADE_AT_ONCE, MADE_AT_ONCE, MADE_WHEN_BUSY]
    (logs_dir / DIRECTORY / "taken-one").touch()
    rotator.look()
    assert asked[3:] == [MADE_AT_ONCE]
    rotator.close()


def test_output_of_children_at_any_depth_is_found_and_rotated(logs_dir: Path) -> None:
    rotator = Rotator(logs_dir, say=nothing)
    store = OutputStore(logs_dir)
    rotator.look()
    for key in ("shop/api", "shop/web/deep/er/api@2", "other"):
        with Path(store.paths(key, 1)[0]).open("wb") as file:
            file.write(block(0, 40_000))
    rotator.look()
    rotator.look()
    for key in ("shop/api", "shop/web/deep/er/api@2", "other"):
        assert list_streams(store.directory(key))[1, "out"].starts == [0]
    rotator.close()


def test_a_round_looks_only_where_something_was_written(
    logs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = OutputStore(logs_dir)
    paths = [Path(store.paths(f"t/c{n}", 1)[0]) for n in range(30)]
    for path in paths:
        path.write_text("hello\n")
    rotator = Rotator(logs_dir, say=nothing)
    for _ in range(4):
        rotator.look()
    looked: list[str] = []
    monkeypatch.setattr(rotator, "_look_at", lambda directory: looked.append(directory))
    rotator.look()
    assert looked == []
    with paths[7].open("a") as file:
        file.write("more\n")
    rotator.look()
    assert looked == [str(paths[7].parent)]
    rotator.close()


@pytest.mark.parametrize("watch", [True, False])
def test_directories_are_found_with_and_without_inotify(tmp_path: Path, watch: bool) -> None:
    directories = Directories(str(tmp_path), watch=watch)
    assert directories.changed() == [str(tmp_path)]
    below = tmp_path / "a"
    below.mkdir()
    assert str(tmp_path) in directories.changed()
    directories.add(str(below))
    assert str(below) in directories.changed()
    (below / "1.out").write_text("x")
    assert str(below) in directories.changed()
    below.joinpath("1.out").unlink()
    below.rmdir()
    directories.changed()
    directories.forget(str(below))
    assert str(below) not in directories.changed()
    directories.close()


def test_limits_are_kept_for_the_next_rotator(logs_dir: Path) -> None:
    store = OutputStore(logs_dir)
    path = Path(store.paths("t/a", 1)[0])
    path.write_bytes(block(0, 40_000))
    first = Rotator(logs_dir, say=nothing, defaults=Limits(max_bytes=100 * MIB, segments=4))
    first.set_limits("t/a", Limits(max_bytes=MIB, segments=4))
    first.look()
    first.look()
    first.close()
    assert sum(file.stat().st_blocks * 512 for file in path.parent.iterdir()) < 1.2 * MIB
    with path.open("ab") as file:
        file.write(block(40_000, 40_000))
    second = Rotator(logs_dir, say=nothing, defaults=Limits(max_bytes=100 * MIB, segments=4))
    second.look()
    second.close()
    assert sum(file.stat().st_blocks * 512 for file in path.parent.iterdir()) < 1.2 * MIB


def test_a_broken_directory_holds_nobody_up(logs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OutputStore(logs_dir)
    for key in ("t/bad", "t/good"):
        Path(store.paths(key, 1)[0]).write_bytes(block(0, 40_000))
    said: list[str] = []
    rotator = Rotator(logs_dir, say=said.append)
    real = ChildOutput.look

    def look(child: ChildOutput) -> list[str]:
        if child.directory.endswith("bad"):
            raise OSError(5, "Input/output error")
        return real(child)

    monkeypatch.setattr(ChildOutput, "look", look)
    rotator.look()
    rotator.look()
    assert said == [f"{logs_dir}/t/bad: Input/output error"]
    assert list_streams(store.directory("t/good"))[1, "out"].starts
    monkeypatch.undo()
    rotator.look()
    assert list_streams(store.directory("t/bad"))[1, "out"].starts
    rotator.close()


def test_a_file_system_without_holes_is_named(logs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotator_module, "can_punch", lambda _: False)
    said: list[str] = []
    rotator = Rotator(logs_dir, say=said.append)
    assert rotator.mode == "grow"
    assert "no holes" in said[0]
    path = Path(OutputStore(logs_dir).paths("t/a", 1)[0])
    path.write_bytes(block(0, 40_000))
    rotator.look()
    assert list_streams(str(path.parent))[1, "out"].starts == []
    rotator.close()


def test_what_removed_children_left_is_bounded(logs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotator_module, "KEEP_ENDED", 3)
    store = OutputStore(logs_dir)
    with Path(store.paths("t/live", 1)[0]).open("ab", buffering=0) as alive:
        alive.write(b"old, but alive\n")
        os.utime(alive.name, (1, 1))
        for n in range(6):
            path = Path(store.paths(f"t/job@{n}", 1)[0])
            path.write_text("done\n")
            os.utime(path, (100 + n, 100 + n))
        rotator = Rotator(logs_dir, say=nothing)
        removed: list[str] = []
        monkeypatch.setattr(rotator, "on_removed", removed.append)
        rotator.look()
        rotator.tidy()
        assert removed == ["t/job@0", "t/job@1", "t/job@2"]
        assert store.keys() == ["t/job@3", "t/job@4", "t/job@5", "t/live"]
        assert (logs_dir / "t" / "job@0").exists()  # the node was only just told
        rotator.look()
        rotator.tidy()
        assert sorted(path.name for path in (logs_dir / "t").iterdir()) == ["job@3", "job@4", "job@5", "live"]
        rotator.close()


def test_the_journal_is_synced_when_it_grew(data_dir: Path, logs_dir: Path) -> None:
    sync = JournalSync(data_dir / "journal", nothing)
    assert sync()
    assert not sync()
    journal = Journal.open(data_dir / "journal", clock=ManualClock(), reserve_bytes=65536)
    journal.append("node", {})
    assert sync()
    assert not sync()
    journal.append("node", {})
    assert sync()


def test_a_journal_that_cannot_be_synced_is_told_once(
    data_dir: Path, logs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    Journal.open(data_dir / "journal", clock=ManualClock(), reserve_bytes=65536)
    sync = JournalSync(data_dir / "journal", said.append)

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    assert not sync()
    assert not sync()
    assert said == ["journal not brought to disk: [Errno 5] Input/output error"]
    monkeypatch.undo()
    assert sync()


# -- the process ---------------------------------------------------------------------------------------------------------


def test_it_answers_pings_takes_limits_and_ends_with_its_channel(data_dir: Path, logs_dir: Path) -> None:
    with Helper("rotator", "--data-dir", str(data_dir), "--period", "0.02") as helper:
        helper.ping()
        helper.send("limits", key="t/a", max_bytes=2 * MIB, segments=3)
        helper.send("limits", key="../../etc", max_bytes=1, segments=1)
        helper.send("limits", key="t/b", max_bytes="lots", segments=None)
        helper.send("novelty")
        wait_for(lambda: (logs_dir / "t/a/limits").exists(), timeout=30)
        assert "limits of ../../etc" in _problem(helper)
        assert not (logs_dir / "t/b").exists()
        assert helper.leave() == 0


def _problem(helper: Helper) -> str:
    """Problems come with the answer to a ping."""

    def told() -> str:
        helper.ping()
        return "".join(str(message.body["what"]) for message in helper.waiting if message.op == "problem")

    return wait_for(told, timeout=30)


def _indexed(path: Path) -> int:
    return StreamView(str(path.parent), 1, "out").times().last_end()


def test_a_line_has_its_time_soon_after_it_was_written(data_dir: Path, logs_dir: Path) -> None:
    store = OutputStore(logs_dir)
    path = Path(store.paths("t/a", 1)[0])
    with Helper("rotator", "--data-dir", str(data_dir), "--period", "0.02"):
        for n in range(3):
            with path.open("a") as file:
                file.write(f"{n}\n")
            at = path.stat().st_mtime
            times = path.with_name("1.out.times")
            wait_for(lambda: _indexed(path) == path.stat().st_size, timeout=30)
            assert times.stat().st_size == 16 * (n + 1)
            assert [line.time for line in store.read("t/a")][-1] == pytest.approx(at, abs=1e-4)


WRITER = """
import os, sys, time
rate, seconds = float(sys.argv[1]) * 1e6, float(sys.argv[2])
line = b"%015d some text of the kind that busy services write.\\n"
count, began = 0, time.monotonic()
while (now := time.monotonic() - began) < seconds:
    if count * 64 > now * rate:
        time.sleep(0.002)
        continue
    for _ in range(16):
        data = b"".join(line % n for n in range(count, count + 100))
        assert os.write(1, data) == len(data)
        count += 100
os.write(2, b"%d" % count)
"""


def write_at(rate_mb: float, seconds: float, path: str) -> "subprocess.Popen[bytes]":
    """A child that appends numbered lines to `path` at a rate; it says how many on its standard error."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WRITER, str(rate_mb), str(seconds)],
            stdout=fd,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(fd)


def kill_rotators_while(running: Callable[[], bool], data_dir: Path, seed: int) -> int:
    """Rotators one after the other, each killed with -9 after a random time; how many there were."""
    chance = random.Random(seed)
    killed = 0
    while running():
        with Helper("rotator", "--data-dir", str(data_dir), "--period", "0.05") as helper:
            helper.ping()
            wait_ready([helper.pidfd], chance.uniform(0.02, 0.5))
            helper.kill()
        killed += 1
    return killed


def blocks_of(directory: Path) -> int:
    """Bytes on disk; what the rotator takes away meanwhile counts nothing."""
    total = 0
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def all_chunks(view: StreamView) -> Iterator[tuple[int, bytes]]:
    offset = view.first
    while True:
        at, data = view.read(offset, MIB)
        if not data:
            return
        yield at, data
        offset = at + len(data)


def assert_every_byte(directory: Path, lines: int) -> None:
    """Line n stands at n * LINE, none is missing, none is there twice, no byte is another."""
    view = StreamView(str(directory), 1, "out")
    assert view.first == 0
    expected_at, rest, number = 0, b"", 0
    for at, data in all_chunks(view):
        assert at == expected_at, f"bytes {expected_at} to {at} are lost"
        expected_at += len(data)
        rest += data
        count = len(rest) // LINE
        assert rest[: count * LINE] == block(number, count), f"other bytes near line {number}"
        rest = rest[count * LINE :]
        number += count
    assert rest == b""
    assert number == lines


def rotate_under_load(
    data_dir: Path, logs_dir: Path, *, rate_mb: float, seconds: float, seed: int
) -> dict[str, float]:
    """Write, kill rotators all the while, compare every byte. Figures of the run."""
    store = OutputStore(logs_dir)
    out, _ = store.paths("t/busy", 1)
    directory = Path(out).parent
    rotator = Rotator(logs_dir, say=nothing)
    rotator.set_limits("t/busy", Limits(max_bytes=100_000 * MIB, segments=10_000))
    rotator.look()
    rotator.close()
    writer = write_at(rate_mb, seconds, out)
    killed = kill_rotators_while(lambda: writer.poll() is None, data_dir, seed)
    assert writer.stderr is not None
    lines = int(writer.stderr.read())
    writer.stderr.close()
    with Helper("rotator", "--data-dir", str(data_dir), "--period", "0.05"):
        wait_for(lambda: Path(out).stat().st_blocks * 512 < 2 * MIB, timeout=60)
    assert_every_byte(directory, lines)
    return {
        "MB/s": lines * LINE / seconds / 1e6,
        "rotators killed": killed,
        "segments": len(list_streams(str(directory))[1, "out"].starts),
    }


def test_rotation_at_50_mb_a_second_loses_no_byte(data_dir: Path, logs_dir: Path) -> None:
    figures = rotate_under_load(data_dir, logs_dir, rate_mb=50, seconds=3, seed=1)
    print(figures)
    assert figures["rotators killed"] >= 3
    assert figures["segments"] >= 3


def test_a_bounded_child_that_writes_50_mb_a_second_stays_within_its_bound(
    data_dir: Path, logs_dir: Path
) -> None:
    store = OutputStore(logs_dir)
    out, err = store.paths("t/busy", 1)
    Path(err).write_text("the one line that matters\n")
    largest = 0
    with Helper("rotator", "--data-dir", str(data_dir), "--period", "0.05") as helper:
        helper.send("limits", key="t/busy", max_bytes=8 * MIB, segments=4)
        helper.ping()
        writer = write_at(50, 2, out)
        while writer.poll() is None:
            wait_ready([helper.pidfd], 0.02)
            largest = max(largest, blocks_of(Path(out).parent))
        assert writer.stderr is not None
        lines = int(writer.stderr.read())
        writer.stderr.close()
        wait_for(lambda: blocks_of(Path(out).parent) < 9 * MIB, timeout=30)
    assert largest < 200 * MIB
    view = StreamView(str(Path(out).parent), 1, "out")
    assert view.first > 0
    end = 0
    for at, data in all_chunks(view):  # what went over the bound may lie between two of them
        assert block(at // LINE, len(data) // LINE + 2)[at % LINE :].startswith(data)
        end = at + len(data)
    assert end == lines * LINE
    assert store.tail("t/busy", 1, "err") == ["the one line that matters"]


@pytest.mark.soak
def test_rotation_at_50_mb_a_second_loses_no_byte_for_long(data_dir: Path, logs_dir: Path) -> None:
    """A gigabyte a round; rounds until the minutes of the soak are over."""
    minutes = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "1"))
    end = time.monotonic() + min(minutes * 60 / 4, 600)
    seed = 2
    while True:
        figures = rotate_under_load(data_dir, logs_dir, rate_mb=50, seconds=20, seed=seed)
        print(figures)
        assert figures["MB/s"] > 20
        if time.monotonic() > end:
            return
        seed += 1
        for path in (logs_dir / "t" / "busy").iterdir():
            path.unlink()
