"""Evidence beside an abnormal end."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import evidence
from supervision.runtime.clock import ManualClock
from supervision.runtime.evidence import LINES, MAX_LINE, Evidence
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.journal_reader import read
from supervision.runtime.kinship import Leader
from supervision.runtime.output import OutputStore


class Desk:
    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.oom_kills = 5
        monkeypatch.setattr(evidence, "read_oom_kills", lambda: self.oom_kills)
        self.directory = directory / "journal"
        self.output = OutputStore(directory / "logs")
        self.journal = Journal.open(self.directory, clock=ManualClock())
        self.evidence = Evidence(self.journal, self.output)

    def says(self, text: str) -> None:
        """What the first life wrote to its standard error."""
        Path(self.output.paths("t/a", 1)[1]).write_text(text)

    def record(self, reason: str, leader: Leader | None = None) -> Mapping[str, Any]:
        self.evidence.record("t/a", 1, reason, leader)
        return list(read(self.directory))[-1]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(tmp_path, monkeypatch)
    yield made
    made.journal.close()


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [("normal", False), ("shutdown", False), ("exit(1)", True), ("signal(9)", True), ("timeout", True), ("lost", True),
     ("start_failed(x)", True)],
)  # fmt: skip
def test_it_is_written_for_abnormal_ends_only(reason: str, wanted: bool) -> None:
    assert Evidence.wanted(reason) is wanted


def test_the_last_lines_of_stderr_stand_in_it_and_who_said_how_it_ended(desk: Desk) -> None:
    desk.says("".join(f"line {number}\n" for number in range(100)))
    leader = Leader("t/a", 1, "main", 7, -1, "node", lambda _: None, status=256, status_source="wait")
    record = desk.record("exit(1)", leader)
    assert record["stderr"] == [f"line {number}" for number in range(100 - LINES, 100)]
    assert (record["pid"], record["status"], record["source"]) == (7, 256, "wait")
    assert (record["k"], record["key"], record["incarnation"], record["reason"]) == (
        "exit",
        "t/a",
        1,
        "exit(1)",
    )


def test_a_line_without_end_is_cut_and_what_is_no_text_does_no_harm(desk: Desk) -> None:
    Path(desk.output.paths("t/a", 1)[1]).write_bytes(b"\xff\x00" + b"x" * 10_000)
    (line,) = desk.record("exit(1)")["stderr"]
    assert len(line) == MAX_LINE


def test_a_child_without_output_has_none(desk: Desk) -> None:
    assert desk.record("lost")["stderr"] == []


def test_a_kill_while_the_machine_ran_out_of_memory_is_probably_that(desk: Desk) -> None:
    desk.oom_kills += 1
    assert "probably out of memory" in desk.record("signal(9)")["cause"]
    assert "cause" not in desk.record("exit(1)")


def test_a_kill_long_after_that_is_not(desk: Desk) -> None:
    desk.oom_kills += 1
    desk.evidence.look()
    assert "cause" in desk.record("signal(9)"), "the counter is looked at each second: this may be that kill"
    desk.evidence.look()
    assert "cause" not in desk.record("signal(9)")


def test_a_full_journal_leaves_it_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise JournalFull("no room")

    monkeypatch.setattr(desk.journal, "append", full)
    desk.evidence.record("t/a", 1, "exit(1)", None)


def test_the_kernels_counter_is_a_number_here() -> None:
    assert evidence.read_oom_kills() >= 0
