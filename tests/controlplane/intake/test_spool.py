"""Reports on disk: whole lines, one owner at a time, and bounds."""

import asyncio
import contextlib
import datetime as dt
import os
from pathlib import Path

import pytest

from controlplane.intake.keys import MISSES, Door, Doors, TooManyUnknownError
from controlplane.intake.quota import Quota
from controlplane.intake.spool import Part, Row, Spool, SpoolFullError
from supervision.runtime.clock import ManualClock


def _row(number: int) -> Row:
    return Row(
        1,
        "event",
        f"{number:032x}",
        b"\0body\n",
        1.5,
        "shop/api",
        7,
        dt.datetime(2026, 11, 28, tzinfo=dt.UTC),
    )


def _taken(spool: Spool) -> list[Part]:
    return [part for path in spool.waiting() if (part := spool.take(path)) is not None]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new")
    spool.append([_row(1), _row(2)])
    spool.append([_row(3)])
    (part,) = _taken(spool)
    assert list(part.rows) == [_row(1), _row(2), _row(3)]
    part.forget()
    part.release()
    assert spool.size() == 0


def test_what_is_set_aside_is_kept_and_not_taken_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([_row(1), _row(2)])
    (part,) = _taken(spool)
    part.set_aside([_row(2)])
    part.release()
    assert _taken(spool) == []
    (line,) = part.path.with_suffix(".refused").read_bytes().splitlines()
    assert f"{2:032x}".encode() in line


def test_a_part_that_was_not_forgotten_comes_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([_row(1)])
    (part,) = _taken(spool)
    assert _taken(spool) == [], "it is in somebody's hands"
    part.release()
    assert [row.event_id for part in _taken(spool) for row in part.rows] == [_row(1).event_id]


def test_a_torn_line_is_not_taken_and_those_before_it_are(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([_row(1), _row(2)])
    spool.close()
    (file,) = tmp_path.glob("*.jsonl")
    os.truncate(file, file.stat().st_size - 5)
    assert [row.event_id for part in _taken(spool) for row in part.rows] == [_row(1).event_id]


def test_what_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    busy, other = Spool(tmp_path), Spool(tmp_path)
    busy.append([_row(1)])
    assert _taken(other) == []
    busy.close()
    assert len(_taken(other)) == 1


def test_a_full_spool_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controlplane.intake.spool.MOST_BYTES", 10)
    spool = Spool(tmp_path)
    spool.append([_row(1)])
    with pytest.raises(SpoolFullError):
        spool.append([_row(2)])


def test_a_disk_that_fails_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([_row(1)])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OSError, match="No space"):
        spool.append([_row(2)])
    monkeypatch.undo()
    assert [row.event_id for part in _taken(spool) for row in part.rows] == [_row(1).event_id]


def test_a_bucket_refills_steadily() -> None:
    clock = ManualClock()
    quota = Quota(clock.boot)

    def take(project: int = 1, category: str = "error") -> float:
        return asyncio.run(quota.take(project, category, 1, 60))

    assert [take() for _ in range(60)] == [0.0] * 60
    assert take() == pytest.approx(1.0)
    assert take(2) == take(1, "monitor") == 0.0
    clock.jump(1.01)
    assert take() == 0.0
    assert take() > 0


def test_a_door_is_remembered_and_a_wrong_key_keeps_nobody_out() -> None:
    clock = ManualClock()
    asked: list[tuple[int, str]] = []

    def look_up(project: int, key: str) -> Door | None:
        asked.append((project, key))
        return Door(project, 60) if key == "right" else None

    doors = Doors(look_up, clock.boot)
    assert [doors.find(1, key) for key in ("wrong", "right", "wrong", "right")] == [None, Door(1, 60)] * 2
    assert len(asked) == 2
    assert doors.known(1, "right") == Door(1, 60)
    assert doors.known(1, "wrong") is doors.known(2, "right") is None
    clock.jump(31)
    assert doors.known(1, "right") is None
    doors.find(1, "right")
    assert len(asked) == 3


def test_with_the_database_away_a_known_door_stays_open() -> None:
    clock = ManualClock()
    is_away = False

    def look_up(project: int, key: str) -> Door | None:
        if is_away:
            raise OSError("away")
        return Door(project, 60)

    doors = Doors(look_up, clock.boot)
    doors.find(1, "k")
    clock.jump(3600)
    is_away = True
    assert doors.find(1, "k") == Door(1, 60)
    with pytest.raises(OSError, match="away"):
        doors.find(1, "other")


def test_who_guesses_keys_does_not_keep_the_database_busy_and_known_ones_stay_open() -> None:
    clock = ManualClock()
    asked: list[str] = []

    def look_up(project: int, key: str) -> Door | None:
        asked.append(key)
        return Door(project, 60) if key.startswith("right") else None

    doors = Doors(look_up, clock.boot)
    doors.find(1, "right")
    for number in range(200):
        with contextlib.suppress(TooManyUnknownError):
            doors.find(1, f"guess-{number}")
    assert len(asked) == 1 + MISSES
    assert doors.find(1, "right") == Door(1, 60)
    with pytest.raises(TooManyUnknownError):
        doors.find(1, "right too")
    clock.jump(1)
    for number in range(20):
        assert doors.find(1, f"right {number}") == Door(1, 60), "what is found costs nothing"
