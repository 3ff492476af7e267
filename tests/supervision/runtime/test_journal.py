"""The writer: one complete line for each record, whatever happens in between."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.journal_segments import list_segments
from tests.supervision.runtime.full_disk import ROOT, run_on_small_disk

KIB = 1024


def opened(directory: Path, **options: Any) -> Journal:
    options.setdefault("clock", ManualClock())
    options.setdefault("reserve_bytes", 64 * KIB)
    return Journal.open(directory, **options)


def numbers(journal: Journal) -> list[int]:
    """The `n` of every record that replay gives."""
    return [record["n"] for record in journal.replay()[1] if "n" in record]


def files(directory: Path) -> list[str]:
    return [Path(segment.path).name for segment in list_segments(str(directory))]


def newest(directory: Path) -> Path:
    return Path(list_segments(str(directory))[-1].path)


def test_a_record_is_one_json_line_with_its_head_first(tmp_path: Path) -> None:
    clock = ManualClock(boot=12.5, wall=1_700_000_000.25)
    journal = opened(tmp_path, clock=clock)
    assert journal.append("exit", {"key": "shop/api", "reason": "signal(9)", "stderr": ["grüße\n"]}) == 1
    line = newest(tmp_path).read_bytes()
    assert line == (
        b'{"v":1,"seq":1,"t":1700000000.250000,"b":12.500000,"k":"exit",'
        b'"key":"shop/api","reason":"signal(9)","stderr":["gr\\u00fc\\u00dfe\\n"]}\n'
    )
    assert journal.append("node", {}) == 2
    assert json.loads(newest(tmp_path).read_bytes().splitlines()[1])["k"] == "node"


def test_numbers_go_on_after_the_journal_is_opened_again(tmp_path: Path) -> None:
    first = opened(tmp_path)
    assert first.fresh
    assert [first.append("step", {"n": n}) for n in range(3)] == [1, 2, 3]
    first.close()
    second = opened(tmp_path)
    assert not second.fresh
    assert second.next_seq == 4
    assert second.append("step", {"n": 3}) == 4
    assert numbers(second) == [0, 1, 2, 3]


@pytest.mark.parametrize("body", [{"seq": 1}, {"k": "x"}, {"n": float("nan")}])
def test_a_body_that_would_not_come_back_as_it_is_is_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match=r"body may not hold|Out of range"):
        journal.append("step", body)
    assert journal.next_seq == 1


def test_a_kind_that_version_1_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no record kind"):
        opened(tmp_path).append("novelty", {})


@pytest.mark.parametrize("cut", [1, 30, 70])
def test_a_torn_last_line_is_cut_on_open(tmp_path: Path, cut: int) -> None:
    journal = opened(tmp_path)
    for n in range(3):
        journal.append("step", {"n": n})
    journal.close()
    path = newest(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = opened(tmp_path)
    assert numbers(again) == [0, 1]
    assert again.append("step", {"n": 7}) == 3
    assert again.cut is not None
    assert again.cut.path == str(path)
    assert again.cut.offset + again.cut.bytes == len(whole) - cut
    assert numbers(opened(tmp_path)) == [0, 1, 7]


def test_a_write_that_the_kernel_takes_in_parts_is_completed(tmp_path: Path) -> None:
    journal = opened(tmp_path, write=lambda fd, data: os.write(fd, data[:10]))
    journal.append("step", {"n": 1})
    journal.append("step", {"n": 2})
    assert numbers(opened(tmp_path)) == [1, 2]


def failing(after: int, number: int) -> Callable[[int, bytes], int]:
    """A write that takes `after` bytes in all and then fails."""
    left = [after]

    def write(fd: int, data: bytes) -> int:
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        count = os.write(fd, data[: left[0]])
        left[0] -= count
        return count

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_record_that_does_not_fit_leaves_no_trace(tmp_path: Path, number: int) -> None:
    journal = opened(tmp_path, write=failing(150, number))
    journal.append("step", {"n": 1})
    before = newest(tmp_path).read_bytes()
    for _ in range(3):
        with pytest.raises(JournalFull):
            journal.append("step", {"n": 2, "text": "x" * 200})
        assert newest(tmp_path).read_bytes() == before
    assert journal.next_seq == 2


def test_the_reserve_is_behind_the_end_of_the_segment_and_given_back(tmp_path: Path) -> None:
    journal = opened(tmp_path, reserve_bytes=1024 * KIB)
    journal.append("step", {"n": 1})
    path = newest(tmp_path)
    assert journal.mode == "fallocate"
    assert journal.room >= 1024 * KIB
    assert path.stat().st_size < 200
    assert path.stat().st_blocks * 512 >= 1024 * KIB
    journal.close()
    assert path.stat().st_blocks * 512 < 64 * KIB


FILL = """
import sys, os, errno
from pathlib import Path
from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal, JournalFull
def unsupported(fd, offset, length):
    raise OSError(errno.EOPNOTSUPP, "not here")
def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    if file.write(bytes(size)) < size:
                        break
            except OSError:
                pass
disk = Path(sys.argv[1])
clock = ManualClock()
options = {"allocate": unsupported} if MODE == "ballast" else {}
journal = Journal.open(disk / "journal", clock=clock, reserve_bytes=256 * 1024, **options)
assert journal.mode == MODE and not journal.short
for n in range(100):
    journal.append("step", {"n": n, "text": "x" * 1000})
fill(disk / "other")
written = 100
clock.jump(5)
seen_short = False
rooms = []
try:
    while True:
        journal.append("step", {"n": written, "text": "x" * 1000})
        written += 1
        seen_short = seen_short or journal.short
        rooms.append(journal.room)
        assert written < 5000
except JournalFull as error:
    print(error)
assert written >= 300, written       # the reserve was good for 256 KiB
assert seen_short
assert rooms == sorted(rooms, reverse=True) or MODE == "fallocate"
assert journal.room < 2048
size = os.stat(journal._path).st_size
for _ in range(3):
    try:
        journal.append("step", {"n": -1, "text": "x" * 5000})
    except JournalFull:
        pass
    else:
        raise SystemExit("written into a full disk")
assert os.stat(journal._path).st_size == size
assert [r["n"] for r in journal.replay()[1]] == list(range(written))
other = Journal.open(disk / "journal", clock=clock, reserve_bytes=256 * 1024, **options)
assert other.cut is None and other.next_seq == written + 1
(disk / "other").unlink()
assert journal.refill() >= 256 * 1024 and not journal.short
journal.append("step", {"n": written})
assert [r["n"] for r in journal.replay()[1]] == list(range(written + 1)) and not journal.damage
"""


@pytest.mark.parametrize("mode", ["fallocate", "ballast"])
def test_on_a_full_disk_the_reserve_takes_records_and_then_appending_fails_by_name(
    tmp_path: Path, mode: str
) -> None:
    said = run_on_small_disk(f"MODE = {mode!r}\n{FILL}", tmp_path)
    assert "room for" in said or "No space left" in said


def test_a_full_disk_postpones_the_next_segment(tmp_path: Path) -> None:
    run_on_small_disk(
        """
import sys
from pathlib import Path
from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal
disk = Path(sys.argv[1])
journal = Journal.open(disk / "journal", clock=ManualClock(), reserve_bytes=256 * 1024, segment_bytes=1000)
for n in range(20):
    journal.append("step", {"n": n, "text": "x" * 100})
with open(disk / "other", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)) == 4096:
            pass
    except OSError:
        pass
journal.append_snapshot({"state": 1})
assert not journal.snapshot_due
journal.append("step", {"n": 19})
assert not journal.snapshot_due  # trying again at each record would fill the reserve with snapshots
assert [path.name for path in (disk / "journal").iterdir()] == ["0000000000000001.journal"]
snapshot, records = journal.replay()
assert snapshot["state"] == 1 and [r["n"] for r in records] == [19]
(disk / "other").unlink()
journal.append("step", {"n": 20, "text": "x" * 1100000})
assert journal.snapshot_due
journal.append_snapshot({"state": 2})
names = sorted(path.name for path in (disk / "journal").iterdir())
assert names == ["0000000000000001.journal", "0000000000000024.journal"], names
assert journal.room >= 256 * 1024
""",
        tmp_path,
    )


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal, JournalFull
journal = Journal.open(sys.argv[1], clock=ManualClock(), reserve_bytes=65536)
n = 0
try:
    while n < 100000:
        journal.append("step", {{"n": n, "text": "x" * 1000}})
        n += 1
except JournalFull:
    print(n)
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300 * KIB, 300 * KIB))

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    journal = opened(tmp_path)
    assert journal.cut is None
    assert numbers(journal) == list(range(int(done.stdout)))
    assert int(done.stdout) > 200


def test_replay_begins_with_the_newest_snapshot(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append("step", {"n": 1})
    journal.append_snapshot({"state": "old"})
    journal.append("step", {"n": 2})
    journal.append_snapshot({"state": "new", "text": '{"v":1,"seq":9,"t":1.0,"b":1.0,"k":"snapshot",'})
    journal.append("step", {"n": 3, "detail": {"k": "snapshot", "x": 1}})
    snapshot, records = opened(tmp_path).replay()
    assert snapshot is not None
    assert snapshot["state"] == "new"
    assert [record["n"] for record in records] == [3]


def test_a_snapshot_is_due_when_replay_would_grow_long(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert not journal.snapshot_due
    while journal.bytes_since_snapshot <= 1024 * KIB:
        assert not journal.snapshot_due
        journal.append("step", {"text": "x" * 50_000})
    assert journal.snapshot_due
    journal.append_snapshot({"text": "x" * 900_000})
    assert not journal.snapshot_due
    assert journal.bytes_since_snapshot == 0
    while journal.bytes_since_snapshot <= 1_790_000:
        assert not journal.snapshot_due
        journal.append("step", {"text": "x" * 50_000})
    assert journal.snapshot_due
    assert opened(tmp_path).snapshot_due


def test_a_full_segment_ends_at_a_snapshot_which_opens_the_next(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=2000)
    for n in range(30):
        journal.append("step", {"n": n, "text": "x" * 100})
        if journal.snapshot_due:
            journal.append_snapshot({"upto": n})
    found = list_segments(str(tmp_path))
    assert len(found) > 2
    for segment in found[1:]:
        first = json.loads(Path(segment.path).read_bytes().splitlines()[0])
        assert first["k"] == "snapshot"
        assert first["seq"] == segment.first_seq
    snapshot, records = opened(tmp_path, segment_bytes=2000).replay()
    assert snapshot is not None
    assert [record["n"] for record in records] == list(range(snapshot["upto"] + 1, 30))
    for segment in found[:-1]:
        assert Path(segment.path).stat().st_blocks * 512 < 16 * KIB  # what was taken ahead was given back


def spoil(path: Path, marker: bytes, *, with_: bytes = b"#") -> int:
    """Overwrite one byte of the line that holds `marker`; the number of that line."""
    data = path.read_bytes()
    at = data.index(marker)
    path.write_bytes(data[:at] + with_ + data[at + 1 :])
    return data[:at].count(b"\n") + 1


def test_a_damaged_line_is_named_and_replay_goes_on_behind_it(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append_snapshot({"state": 0})
    for n in range(5):
        journal.append("step", {"n": n})
    line = spoil(newest(tmp_path), b'"n":2')
    again = opened(tmp_path)
    assert numbers(again) == [0, 1, 3, 4]
    (damage,) = again.damage
    assert (damage.path, damage.line, damage.first_seq, damage.last_seq) == (
        str(newest(tmp_path)),
        line,
        4,
        4,
    )
    assert str(damage) == f"{newest(tmp_path)}, line {line}: a damaged step record; records 4 to 4 are lost"


def test_damage_before_the_newest_snapshot_costs_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for n in range(3):
        journal.append("step", {"n": n})
    journal.append_snapshot({"state": 1})
    journal.append("step", {"n": 3})
    spoil(newest(tmp_path), b'"n":1')
    again = opened(tmp_path)
    assert numbers(again) == [3]
    assert again.damage == ()


def test_a_damaged_snapshot_falls_back_to_the_one_before(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=100)
    journal.append_snapshot({"state": "kept"})
    journal.append("step", {"n": 1})
    journal.append_snapshot({"state": "broken"})
    journal.append("step", {"n": 2})
    assert len(files(tmp_path)) == 2
    spoil(newest(tmp_path), b'"broken"')
    again = opened(tmp_path)
    snapshot, records = again.replay()
    assert snapshot is not None
    assert snapshot["state"] == "kept"
    assert [record["n"] for record in records] == [1, 2]
    assert "a damaged snapshot record; records 3 to 3 are lost" in str(again.damage[0])


def test_several_damaged_lines_and_a_missing_segment_are_told_apart(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=100)
    journal.append_snapshot({"state": 0})
    for n in range(6):
        journal.append("step", {"n": n})
    path = newest(tmp_path)
    spoil(path, b'{"v":1,"seq":3,')
    spoil(path, b'"n":2')
    spoil(path, b'"n":4')
    again = opened(tmp_path)
    assert numbers(again) == [0, 3, 5]
    assert [(item.first_seq, item.last_seq) for item in again.damage] == [(3, 4), (6, 6)]


def test_lost_lines_at_the_end_keep_their_numbers(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for n in range(4):
        journal.append("step", {"n": n})
    journal.close()
    path = newest(tmp_path)
    for marker in (b'{"v":1,"seq":3,', b'{"v":1,"seq":4,'):
        spoil(path, marker)
    again = opened(tmp_path)
    assert again.next_seq == 5
    assert numbers(again) == [0, 1]
    assert "records 3 to the end are lost" in str(again.damage[0])
    again.append("step", {"n": 9})
    assert numbers(again) == [0, 1, 9]
    assert (again.damage[0].first_seq, again.damage[0].last_seq) == (3, 4)


def test_a_segment_whose_first_line_never_reached_the_disk_is_taken_away(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=50)
    journal.append_snapshot({"state": 1})
    journal.append_snapshot({"state": 2})
    journal.close()
    assert len(files(tmp_path)) == 2
    newest(tmp_path).write_bytes(bytes(4096))
    (tmp_path / "0000000000000009.journal.new").write_bytes(b"half")
    again = opened(tmp_path, segment_bytes=100)
    assert files(tmp_path) == ["0000000000000001.journal"]
    assert [path.name for path in tmp_path.iterdir()] == ["0000000000000001.journal"]
    assert again.next_seq == 2


def test_order_is_the_number_when_the_wall_clock_goes_back_an_hour(tmp_path: Path) -> None:
    clock = ManualClock()
    journal = opened(tmp_path, clock=clock)
    journal.append("step", {"n": 0})
    clock.set_wall(clock.wall() - 3600)
    clock.jump(1)
    journal.append_snapshot({"state": 1})
    journal.append("step", {"n": 1})
    clock.set_wall(clock.wall() + 10_000)
    journal.append("step", {"n": 2})
    clock.set_wall(clock.wall() - 7200)
    journal.append("step", {"n": 3})
    again = opened(tmp_path, clock=clock)
    assert numbers(again) == [1, 2, 3]
    lines = [json.loads(line) for line in newest(tmp_path).read_bytes().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["b"] for line in lines] == sorted(line["b"] for line in lines)
    assert [line["t"] for line in lines] != sorted(line["t"] for line in lines)


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from supervision.runtime.clock import SystemClock
from supervision.runtime.journal import Journal
journal = Journal.open(sys.argv[1], clock=SystemClock(), segment_bytes=200_000, reserve_bytes=100_000)
snapshot, records = journal.replay()
assert not journal.damage, journal.damage
last = [record["n"] for record in records][-1:] or [snapshot["upto"] if snapshot else 0]
n = last[0]
sys.stdout.write("open\\n")
sys.stdout.flush()
while True:
    n += 1
    journal.append("step", {"n": n, "text": "x" * (n * 37 % 300)})
    if n % 400 == 0:
        journal.append_snapshot({"upto": n, "text": "y" * 20_000})
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""


def test_kill_9_in_the_middle_of_writing_loses_no_record_that_append_returned(tmp_path: Path) -> None:
    acknowledged = 0
    for round_number in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WRITER, str(tmp_path), str(ROOT)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        for _ in range(500 + 333 * round_number):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
        acknowledged = max([acknowledged, *(int(line) for line in rest[:-1])])
        writer.wait()
        writer.stdout.close()
        journal = opened(tmp_path)
        snapshot, records = journal.replay()
        assert snapshot is not None
        found = [record["n"] for record in records]
        assert found == list(range(snapshot["upto"] + 1, snapshot["upto"] + 1 + len(found)))
        last = found[-1] if found else snapshot["upto"]
        assert last in (acknowledged, acknowledged + 1)
        assert journal.damage == ()
        journal.close()


def test_a_record_larger_than_the_reserve_fits_while_the_disk_does(tmp_path: Path) -> None:
    journal = opened(tmp_path, reserve_bytes=64 * KIB)
    journal.append("tree", {"n": 1, "text": "x" * 3_000_000})
    assert journal.refill(5_000_000) >= 5_000_000
    journal.append("tree", {"n": 2})
    assert journal.room >= 64 * KIB
    assert numbers(journal) == [1, 2]
