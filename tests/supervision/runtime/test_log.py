"""The log of guardian and node: one line for each thing, bounded, and never a reason to fail."""

import json
import os
from pathlib import Path

import pytest

from supervision.runtime import log
from supervision.runtime.log import Log


def test_a_line_says_when_who_what_and_the_facts(tmp_path: Path) -> None:
    file = Log(str(tmp_path / "log"), "node")
    file.say("helper ended", role="rotator", pid=7, path=Path("/x"))
    words = (tmp_path / "log").read_text().split()
    assert float(words[0]) > 1.7e9
    assert words[1:] == ["node", "helper", "ended", 'role="rotator"', "pid=7", f"path={json.dumps('/x')}"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_line_break_in_a_fact_makes_no_second_line(tmp_path: Path) -> None:
    Log(str(tmp_path / "log"), "node").say("node died", why="a\nb\udc80")
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_dash_is_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    Log("-", "guardian").say("guardian stops")
    assert capfd.readouterr().err.endswith("guardian guardian stops\n")


def test_a_full_file_is_kept_once_and_a_new_one_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 200)
    file = Log(str(tmp_path / "log"), "node")
    for number in range(20):
        file.say("x" * 40, number=number)
    assert (tmp_path / "log.1").stat().st_size < 300
    assert (tmp_path / "log").stat().st_size <= 200
    assert "number=19" in (tmp_path / "log").read_text() + (tmp_path / "log.1").read_text()


def test_of_two_writers_the_second_goes_on_in_the_file_that_the_first_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 200)
    node, guardian = (Log(str(tmp_path / "log"), role) for role in ("node", "guardian"))
    while not (tmp_path / "log.1").exists():
        node.say("x" * 40)
    kept = (tmp_path / "log.1").read_text()
    node.say("first of the new file")
    guardian.say("y")  # still to the old file; it sees that it is full and turned over
    guardian.say("second of the new file")
    assert (tmp_path / "log.1").read_text().startswith(kept)
    assert [line.split(" ", 2)[2] for line in (tmp_path / "log").read_text().splitlines()] == [
        "first of the new file", "second of the new file",
    ]  # fmt: skip


def test_when_no_new_file_can_be_had_the_old_descriptor_is_kept_and_nobody_elses_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 100)
    directory = tmp_path / "logs"
    directory.mkdir()
    file = Log(str(directory / "log"), "node")
    opened = os.open

    def full(path: str, *args: int) -> int:
        if path == str(directory / "log"):
            raise OSError(28, "No space left on device")
        return opened(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        for _ in range(5):
            file.say("x" * 60)
        other = opened(tmp_path / "journal", os.O_WRONLY | os.O_CREAT)
        file.say("not into the journal")
        os.close(other)
    assert (tmp_path / "journal").read_bytes() == b""
    file.say("room again")
    file.say("room again")
    assert (directory / "log").exists()


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    file = Log("/dev/full", "node")
    file.say("lost")
