"""A disk that has no room: the reserve is used up first, then appending fails by name."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervision.runtime.full_disk import ROOT, run_on_small_disk
from tests.supervision.runtime.journaling import KIB, numbers, opened

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


def test_a_record_larger_than_the_reserve_fits_while_the_disk_does(tmp_path: Path) -> None:
    journal = opened(tmp_path, reserve_bytes=64 * KIB)
    journal.append("tree", {"n": 1, "text": "x" * 3_000_000})
    assert journal.refill(5_000_000) >= 5_000_000
    journal.append("tree", {"n": 2})
    assert journal.room >= 64 * KIB
    assert numbers(journal) == [1, 2]
