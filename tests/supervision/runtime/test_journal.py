"""The writer: one complete line for each record, whatever happens in between."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import JournalFull
from tests.supervision.runtime.full_disk import ROOT
from tests.supervision.runtime.journaling import KIB, newest, numbers, opened


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
