"""What replay gives: from the newest snapshot that can be read, past what is damaged, in order of the numbers."""

import json
from pathlib import Path

from supervision.runtime.clock import ManualClock
from supervision.runtime.journal_segments import list_segments
from tests.supervision.runtime.journaling import KIB, files, newest, numbers, opened


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
