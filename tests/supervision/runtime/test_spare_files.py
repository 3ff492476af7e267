"""Spare output files: made ahead, taken by a start, named afterwards, and never taken twice."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import spare_files
from supervision.runtime.output import OutputStore
from supervision.runtime.spare_files import (
    DIRECTORY,
    FEW,
    PAIRS,
    Pair,
    SpareFiles,
    Taking,
    make_pairs,
    pairs_in,
)
from tests.supervision.runtime.spawning import launcher, plan, run


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    make_pairs(str(tmp_path), at_most=2)
    (tmp_path / "t").mkdir()
    return tmp_path


def node_of(logs: Path) -> SpareFiles:
    spares = SpareFiles(str(logs))
    spares.refresh()
    return spares


def asked(spares: SpareFiles, logs: Path, number: int = 1) -> Pair | None:
    return spares.take("t", number, str(logs / "t" / f"{number}.out"), str(logs / "t" / f"{number}.err"))


def take(spares: SpareFiles, logs: Path, number: int = 1) -> Pair | None:
    """One with files."""
    found = asked(spares, logs, number)
    return found if found is not None and found.out else None


def taken(spares: SpareFiles, logs: Path, number: int = 1) -> Pair:
    found = take(spares, logs, number)
    assert found is not None
    return found


def names(logs: Path) -> list[str]:
    return sorted(path.name for path in (logs / "t").iterdir())


def test_pairs_are_made_up_to_a_number_some_at_a_time(tmp_path: Path) -> None:
    make_pairs(str(tmp_path), at_most=3)
    assert len(pairs_in(str(tmp_path / DIRECTORY))) == 3
    for _ in range(PAIRS):
        if make_pairs(str(tmp_path)):
            break
    assert len(pairs_in(str(tmp_path / DIRECTORY))) == PAIRS
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / DIRECTORY).iterdir())


def test_who_makes_its_own_files_says_who_it_is_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    spares = node_of(tmp_path)
    pair = asked(spares, tmp_path, 3)
    assert pair is not None
    assert (pair.out, pair.err) == ("", "")
    start = launcher()
    pid = start.launch(plan(tmp_path, "echo", "here", spare=pair))
    os.waitpid(pid, 0)
    start.close()
    assert spares.takings()["t", 3].pid == pid
    assert spares.owed == 0
    assert spares.nameless() <= {"taken"}
    assert (tmp_path / "out").read_text() == "here\n"


def test_a_node_writes_nothing_over_that_the_one_before_it_left(tmp_path: Path) -> None:
    """Where its first slots lie is left to chance, as how far the other came is not known."""
    begins = {pair.at for pair in (asked(node_of(tmp_path), tmp_path) for _ in range(20)) if pair is not None}
    assert len(begins) > 10
    assert all(0 <= at < PAIRS * spare_files.SLOT_BYTES for at in begins)


def test_half_a_pair_is_none(logs: Path) -> None:
    next((logs / DIRECTORY).glob("err.*")).unlink()
    assert len(pairs_in(str(logs / DIRECTORY))) == 1


def test_a_pair_gets_its_names_when_they_are_settled(logs: Path) -> None:
    spares = node_of(logs)
    pair = taken(spares, logs)
    Path(pair.out).write_text("said")
    assert names(logs) == []
    spares.settle()
    assert names(logs) == ["1.err", "1.out"]
    assert (logs / "t" / "1.out").read_text() == "said"
    assert len(pairs_in(str(logs / DIRECTORY))) == 1


def test_each_pair_is_given_once(logs: Path) -> None:
    spares = node_of(logs)
    assert taken(spares, logs, 1).out != taken(spares, logs, 2).out
    spares.refresh()  # the two are still there under their old names
    assert take(spares, logs, 3) is None


def test_without_spares_there_are_none_and_later_there_are(tmp_path: Path) -> None:
    spares = node_of(tmp_path)
    assert take(spares, tmp_path) is None
    make_pairs(str(tmp_path))
    spares.refresh()
    assert take(spares, tmp_path) is not None


def test_all_pairs_are_known_once_they_have_all_been_made(tmp_path: Path) -> None:
    make_pairs(str(tmp_path), at_most=FEW)
    spares = node_of(tmp_path)
    while not make_pairs(str(tmp_path)):
        pass
    spares.refresh()  # it has just changed: perhaps more are coming
    spares.refresh()
    for number in range(PAIRS):
        taken(spares, tmp_path, number)
    assert take(spares, tmp_path, PAIRS) is None


def test_a_directory_that_did_not_change_is_not_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pairs(str(tmp_path), at_most=FEW + 1)
    spares = node_of(tmp_path)
    listed: list[str] = []

    def listing(directory: str) -> list[str]:
        listed.append(directory)
        return []

    monkeypatch.setattr(spare_files, "pairs_in", listing)
    for _ in range(3):
        spares.refresh()
    assert listed == []


def test_what_was_not_taken_is_not_renamed_over_the_real_file(logs: Path) -> None:
    spares = node_of(logs)
    taken(spares, logs)
    (logs / "t" / "1.out").write_text("its own")
    spares.not_taken(str(logs / "t" / "1.out"))
    spares.settle()
    assert (logs / "t" / "1.out").read_text() == "its own"


def test_what_cannot_get_its_name_is_no_spare_any_more(logs: Path) -> None:
    spares = node_of(logs)
    pair = taken(spares, logs)
    (logs / "t").rmdir()
    spares.settle()
    assert not Path(pair.out).exists()
    assert len(pairs_in(str(logs / DIRECTORY))) == 1


def test_a_full_disk_is_tried_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spares = node_of(logs)
    taken(spares, logs)
    real = os.rename

    def full(*_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "rename", full)
    spares.settle()
    assert names(logs) == []
    monkeypatch.setattr(os, "rename", real)
    spares.settle()
    assert names(logs) == ["1.err", "1.out"]


def test_names_are_given_a_few_at_a_time(logs: Path) -> None:
    spares = node_of(logs)
    taken(spares, logs, 1)
    taken(spares, logs, 2)
    assert not spares.settle(at_most=1)
    assert names(logs) == ["1.err", "1.out"]
    assert spares.settle(at_most=1)
    assert names(logs) == ["1.err", "1.out", "2.err", "2.out"]


def test_one_pair_gets_its_names_at_once_where_somebody_waits_for_them(logs: Path) -> None:
    spares = node_of(logs)
    taken(spares, logs, 1)
    taken(spares, logs, 2)
    spares.settle_one(str(logs / "t" / "2.out"))
    spares.settle_one(str(logs / "t" / "3.out"))  # nobody took that
    assert names(logs) == ["2.err", "2.out"]


def test_a_pair_that_nobody_has_any_more_is_no_spare(logs: Path) -> None:
    spares = node_of(logs)
    pair = taken(spares, logs)
    spares.spoil(str(logs / "t" / "1.out"))
    spares.settle()
    assert names(logs) == []
    assert not Path(pair.out).exists()
    assert not Path(pair.err).exists()


def test_the_directory_is_made_when_the_names_are_given(tmp_path: Path) -> None:
    make_pairs(str(tmp_path))
    output = OutputStore(tmp_path)
    output.spares.refresh()
    out, err = output.names("t/a", 1)
    assert output.spares.take("t/a", 1, out, err) is not None
    assert not (tmp_path / "t").exists()
    output.spares.settle()
    assert sorted(path.name for path in (tmp_path / "t" / "a").iterdir()) == ["1.err", "1.out"]
    assert not output.make_directory("t/a")  # known from now on


def test_a_key_too_long_for_its_slot_takes_no_spare(logs: Path) -> None:
    spares = node_of(logs)
    assert spares.take("k" * 600, 1, str(logs / "1.out"), str(logs / "1.err")) is None
    assert take(spares, logs) is not None


# -- with a process -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [{}, {"nice": 1}],
    ids=["plain", "shim"],
)
def test_a_process_writes_into_its_spares_and_says_so(logs: Path, extra: dict[str, Any]) -> None:
    start, spares = launcher(), node_of(logs)
    pair = taken(spares, logs, 7)
    what = plan(logs, "sh", "-c", "echo one; echo two >&2; echo $$ >&2", spare=pair, **extra)
    what.stdout, what.stderr = str(logs / "t" / "7.out"), str(logs / "t" / "7.err")
    pid = start.launch(what)
    os.waitpid(pid, 0)
    start.close()
    assert names(logs) == []
    name = pair.out.rpartition(".")[2]
    assert spares.takings() == {("t", 7): Taking("t", 7, pid, name)}
    spares.settle()
    assert (logs / "t" / "7.out").read_text() == "one\n"
    assert (logs / "t" / "7.err").read_text() == f"two\n{pid}\n"


@pytest.mark.parametrize("extra", [{}, {"nice": 1}], ids=["plain", "shim"])
def test_a_process_whose_spares_are_gone_makes_its_own_files(logs: Path, extra: dict[str, Any]) -> None:
    start, spares = launcher(), node_of(logs)
    pair = taken(spares, logs)
    Path(pair.out).unlink()
    Path(pair.err).unlink()
    said = run(start, plan(logs, "echo", "here", spare=pair, **extra))
    start.close()
    assert said == "here\n"


def test_where_only_posix_spawn_is_to_be_had_none_is_used(logs: Path) -> None:
    start, spares = launcher(vfork=False), node_of(logs)
    what = plan(logs, "echo", "here", spare=taken(spares, logs))
    assert run(start, what) == "here\n"
    assert what.spare is None
    start.close()


# -- for a successor ----------------------------------------------------------------------------------------------------


def test_a_successor_gives_the_names_that_a_dead_node_owed(logs: Path) -> None:
    start, dead = launcher(), node_of(logs)
    os.waitpid(start.launch(plan(logs, "echo", "here", spare=taken(dead, logs, 3))), 0)
    start.close()
    spares = SpareFiles(str(logs))
    for taking in spares.takings().values():
        spares.owe(taking, str(logs / "t" / "3.out"), str(logs / "t" / "3.err"))
    spares.settle()
    assert (logs / "t" / "3.out").read_text() == "here\n"
    assert take(spares, logs, 4) is not None
    assert take(spares, logs, 5) is None


def test_nothing_is_owed_of_a_pair_that_has_its_names(logs: Path) -> None:
    dead = node_of(logs)
    names_of = [taken(dead, logs, number).out.rpartition(".")[2] for number in (1, 2)]
    assert SpareFiles(str(logs)).nameless() >= set(names_of)
    dead.settle_one(str(logs / "t" / "1.out"))
    nameless = SpareFiles(str(logs)).nameless()
    assert names_of[0] not in nameless
    assert names_of[1] in nameless
    assert SpareFiles(str(logs / "nowhere")).nameless() == frozenset()


@pytest.mark.parametrize("torn", [b"", b"12", b"12 ab x t\n", b"\xff 1 2\n", b"x ab 1 t\n"])
def test_a_slot_that_says_nothing_whole_says_nothing(logs: Path, torn: bytes) -> None:
    (logs / DIRECTORY / "taken").write_bytes(torn.ljust(spare_files.SLOT_BYTES, b"\0") + b"9 ab 2 t/x\n")
    assert SpareFiles(str(logs)).takings() == {("t/x", 2): Taking("t/x", 2, 9, "ab")}


def test_what_was_said_before_a_new_journal_is_forgotten(logs: Path) -> None:
    (logs / DIRECTORY / "taken").write_bytes(b"9 ab 2 t/x\n")
    spares = SpareFiles(str(logs))
    spares.forget_takings()
    assert spares.takings() == {}
