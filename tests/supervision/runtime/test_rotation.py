"""Rotation and retention of one child's directory, stopped at every step it takes."""

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import output_files, rotation
from supervision.runtime.linux import punch_hole
from supervision.runtime.output_files import TimeIndex, list_streams
from supervision.runtime.output_view import StreamView
from supervision.runtime.rotation import ChildOutput, Limits
from supervision.runtime.rotation_files import can_punch, copy_range, first_difference, has_writer
from tests.supervision.runtime.full_disk import run_on_small_disk

SMALL = Limits(max_bytes=100_000_000, segments=999)
"""Segments of 100 kB, a bound that is never met."""


def numbered(first: int, count: int, width: int = 60) -> bytes:
    return b"".join(b"%010d %s\n" % (n, b"." * width) for n in range(first, first + count))


def content(directory: Path, incarnation: int = 1, stream: Any = "out") -> bytes:
    """Everything that can be read of a stream, from its first byte on."""
    view = StreamView(str(directory), incarnation, stream)
    found: list[bytes] = []
    offset = view.first
    while True:
        at, data = view.read(offset, 1 << 20)
        if not data:
            return b"".join(found)
        found.append(data)
        offset = at + len(data)


def segments(directory: Path, incarnation: int = 1, stream: Any = "out") -> list[int]:
    streams = list_streams(str(directory))
    return streams[incarnation, stream].starts if (incarnation, stream) in streams else []


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.fixture
def child_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "logs" / "shop" / "api"
    directory.mkdir(parents=True)
    return directory


def test_what_is_complete_moves_to_segments_and_its_blocks_are_freed(child_dir: Path) -> None:
    active = child_dir / "1.out"
    data = numbered(0, 20_000)
    active.write_bytes(data + b"begun")
    ChildOutput(str(child_dir), SMALL).look()
    assert content(child_dir) == data + b"begun"
    assert active.stat().st_size == len(data) + 5
    assert blocks(active) <= 8192
    assert active.read_bytes()[: len(data)].strip(b"\0") == b""
    starts = segments(child_dir)
    assert len(starts) > 10
    for start in starts:
        assert start == 0 or data[start - 1 : start] == b"\n"
        assert (child_dir / f"1.out.{start:016d}").stat().st_size <= SMALL.segment_bytes


def test_little_output_stays_in_the_file_the_child_writes(child_dir: Path) -> None:
    (child_dir / "1.out").write_bytes(numbered(0, 100))
    ChildOutput(str(child_dir), Limits()).look()
    assert segments(child_dir) == []
    assert content(child_dir) == numbered(0, 100)


def test_many_rounds_with_a_writer_in_between_keep_every_byte_in_place(child_dir: Path) -> None:
    chance = random.Random(5)
    child = ChildOutput(str(child_dir), SMALL)
    written = b""
    with (child_dir / "1.out").open("ab", buffering=0) as file:
        for _ in range(60):
            piece = chance.randbytes(chance.randrange(40_000)) + b"\n" * chance.randrange(2)
            file.write(piece)
            written += piece
            if chance.random() < 0.7:
                child.look()
            if chance.random() < 0.2:
                child = ChildOutput(str(child_dir), SMALL)  # a new rotator
            assert content(child_dir) == written
    assert len(segments(child_dir)) > 5


class Killed(BaseException):
    """The rotator dies here."""


class Death:
    """Counts what the rotator asks of the file system and kills it before the step numbered `at`."""

    def __init__(self, at: int, patch: pytest.MonkeyPatch) -> None:
        self.left = at
        for name in ("fdatasync", "fsync", "unlink", "rename"):
            patch.setattr(os, name, self._before(getattr(os, name)))
        patch.setattr(rotation, "copy_range", self._torn_copy)
        patch.setattr(
            rotation.StreamRotation, "_begin_segment", self._before(rotation.StreamRotation._begin_segment)
        )

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def _before(self, real: Any) -> Any:
        def step(*args: Any, **options: Any) -> Any:
            self.step()
            return real(*args, **options)

        return step

    def _torn_copy(self, source: int, at: int, target: int, to: int, length: int) -> int:
        self.left -= 1
        if self.left == 0:
            copy_range(source, at, target, to, length // 3)
            raise Killed
        return copy_range(source, at, target, to, length)

    def punch(self, fd: int, offset: int, length: int) -> None:
        self.step()
        punch_hole(fd, offset, length)


def kill_points() -> Iterator[int]:
    yield from range(1, 60)


@pytest.mark.parametrize("limits", [SMALL, Limits(max_bytes=400_000, segments=4)])
def test_killed_at_any_step_no_byte_is_lost_or_doubled(
    tmp_path: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 0
    for point in kill_points():
        directory = tmp_path / str(point)
        directory.mkdir()
        first, second = numbered(0, 5_000), numbered(5_000, 2_500)
        (directory / "1.out").write_bytes(first)
        (directory / "1.err").write_bytes(b"few\n")
        with monkeypatch.context() as patch:
            death = Death(point, patch)
            child = ChildOutput(str(directory), limits, punch=death.punch)
            try:
                child.look()
                with (directory / "1.out").open("ab") as file:
                    file.write(second)
                child.look()
            except Killed:
                deaths += 1
        whole = first + second if (directory / "1.out").stat().st_size > len(first) else first
        assert whole.endswith(content(directory))
        after = ChildOutput(str(directory), limits)
        after.look()
        found = content(directory)
        assert whole.endswith(found)
        assert found == whole if limits is SMALL else 200_000 < len(found) <= limits.max_bytes
        assert content(directory, stream="err") == b"few\n"
        assert blocks(directory / "1.out") <= limits.segment_bytes + 8192
        if death.left > 0:
            break
    assert deaths > 8
    assert death.left > 0, "there are more steps than kill points"


def test_a_segment_that_lost_its_end_in_a_power_cut_is_written_again(child_dir: Path) -> None:
    data = numbered(0, 4_000)
    (child_dir / "1.out").write_bytes(data)
    # The size reached the disk and the last bytes did not; the hole was not made, or it would have waited for them.
    (child_dir / f"1.out.{0:016d}").write_bytes(data[:150_000] + bytes(50_000))
    child = ChildOutput(str(child_dir), Limits(max_bytes=100_000_000, segments=200))
    child.look()
    assert content(child_dir) == data


def test_an_output_that_begins_with_zeros_is_not_taken_for_a_hole(child_dir: Path) -> None:
    data = bytes(10_000) + numbered(0, 10_000)
    (child_dir / "1.out").write_bytes(data)
    ChildOutput(str(child_dir), SMALL).look()
    ChildOutput(str(child_dir), SMALL).look()
    assert content(child_dir) == data


def test_the_bound_drops_the_oldest_of_the_larger_stream_only(child_dir: Path) -> None:
    limits = Limits(max_bytes=1_000_000, segments=9)
    child = ChildOutput(str(child_dir), limits)
    errors = b"Traceback\n" * 100
    (child_dir / "1.err").write_bytes(errors)
    written = 0
    with (child_dir / "1.out").open("ab", buffering=0) as file:
        for n in range(50):
            file.write(numbered(n * 1000, 1000))
            written += 72_000
            child.look()
            assert len(content(child_dir)) <= 1_000_000
    kept = content(child_dir)
    assert len(kept) > 800_000
    assert numbered(0, 50_000).endswith(kept)
    assert kept[:10].isdigit()  # what is kept begins with a whole line
    assert content(child_dir, stream="err") == errors
    assert sum(blocks(path) for path in child_dir.iterdir()) < 1_300_000


def test_more_than_the_bound_at_once_is_passed_over_without_being_copied(child_dir: Path) -> None:
    data = numbered(0, 100_000)
    (child_dir / "1.out").write_bytes(data)
    child = ChildOutput(str(child_dir), Limits(max_bytes=500_000, segments=4))
    child.look()
    kept = content(child_dir)
    assert data.endswith(kept)
    assert 300_000 < len(kept) <= 500_000
    assert kept[:10].isdigit()
    assert blocks(child_dir / "1.out") <= 8192


def test_a_smaller_bound_takes_effect_at_the_next_look(child_dir: Path) -> None:
    (child_dir / "1.out").write_bytes(numbered(0, 50_000))
    child = ChildOutput(str(child_dir), Limits(max_bytes=10_000_000, segments=50))
    child.look()
    child.limits = Limits(max_bytes=1_000_000, segments=4)
    child.look()
    assert len(content(child_dir)) <= 1_000_000


def test_old_incarnations_go_before_the_new_one_loses_anything(child_dir: Path) -> None:
    for incarnation in range(1, 6):
        (child_dir / f"{incarnation}.out").write_bytes(numbered(incarnation * 10_000, 5_000))
    ChildOutput(str(child_dir), Limits(max_bytes=800_000, segments=4)).look()
    assert content(child_dir, 5) == numbered(50_000, 5_000)
    assert numbered(40_000, 5_000).endswith(content(child_dir, 4))
    assert {number for number, _ in list_streams(str(child_dir))} <= {4, 5, 3}


def test_twenty_incarnations_are_kept_and_the_empty_files_of_ended_ones_are_not(child_dir: Path) -> None:
    for incarnation in range(1, 31):
        (child_dir / f"{incarnation}.out").write_bytes(b"said\n")
        (child_dir / f"{incarnation}.err").touch()
    child = ChildOutput(str(child_dir), Limits())
    child.look()
    child.look()
    found = list_streams(str(child_dir))
    assert {number for number, _ in found} == set(range(11, 31))
    assert [number for number, stream in found if stream == "err"] == [30]


def test_an_ended_incarnation_that_was_rotated_becomes_segments_only(child_dir: Path) -> None:
    child = ChildOutput(str(child_dir), SMALL)
    data = numbered(0, 3_000) + b"no newline at the end"
    (child_dir / "1.out").write_bytes(data)
    child.look()
    (child_dir / "2.out").write_bytes(b"next\n")
    child.look()
    assert not (child_dir / "1.out").exists()
    assert content(child_dir, 1) == data
    assert TimeIndex(str(child_dir / "1.out.times")).last_end() == len(data)


def test_what_a_kept_descendant_of_an_older_incarnation_writes_is_kept(child_dir: Path) -> None:
    child = ChildOutput(str(child_dir), SMALL)
    with (child_dir / "1.err").open("ab", buffering=0) as descendant:
        (child_dir / "2.err").touch()
        child.look()
        child.look()
        assert (child_dir / "1.err").exists()
        for n in range(40):
            descendant.write(numbered(n * 100, 100))
            child.look()
    assert len(segments(child_dir, 1, "err")) > 1
    assert content(child_dir, 1, "err") == numbered(0, 4000)
    (child_dir / "3.err").touch()
    child.look()
    assert not (child_dir / "1.err").exists()
    assert content(child_dir, 1, "err") == numbered(0, 4000)


def test_without_holes_a_file_grows_until_its_incarnation_ends(child_dir: Path) -> None:
    child = ChildOutput(str(child_dir), Limits(max_bytes=200_000, segments=4), punch=None)
    with (child_dir / "1.out").open("ab", buffering=0) as file:
        for n in range(10):
            file.write(numbered(n * 1000, 1000))
            child.look()
        assert content(child_dir) == numbered(0, 10_000)
    (child_dir / "2.out").write_bytes(b"next\n")
    child.look()
    assert content(child_dir) == b""
    assert content(child_dir, 2) == b"next\n"


def test_each_line_has_the_time_of_its_writing(child_dir: Path) -> None:
    child = ChildOutput(str(child_dir), SMALL)
    active = child_dir / "1.out"
    for n, at in enumerate((1000, 1001, 900, 1500)):
        with active.open("ab") as file:
            file.write(b"%d\n" % n)
        os.utime(active, (at, at))
        child.look()
        child.look()
    index = TimeIndex(str(child_dir / "1.out.times"))
    assert [index.time_of(offset, 0) for offset in (0, 2, 4, 6)] == [1000, 1001, 900, 1500]
    assert (child_dir / "1.out.times").stat().st_size == 4 * 16


def test_a_torn_pair_of_the_time_index_is_cut(child_dir: Path) -> None:
    active, times = child_dir / "1.out", child_dir / "1.out.times"
    active.write_bytes(b"a\n")
    ChildOutput(str(child_dir), SMALL).look()
    times.write_bytes(times.read_bytes() + b"1234567")
    with active.open("ab") as file:
        file.write(b"b\n")
    ChildOutput(str(child_dir), SMALL).look()
    assert times.stat().st_size == 32
    assert TimeIndex(str(times)).last_end() == 4


def test_files_that_are_not_ours_are_left_alone(child_dir: Path) -> None:
    (child_dir / "1.out").write_bytes(numbered(0, 30_000))
    for name in ("notes.txt", "1.log", "x.out", "1.out.bak"):
        (child_dir / name).write_text("mine")
    (child_dir / "2.out").mkdir()
    ChildOutput(str(child_dir), Limits(max_bytes=10_000, segments=1)).look()
    assert {path.name for path in child_dir.iterdir()} >= {
        "notes.txt",
        "1.log",
        "x.out",
        "1.out.bak",
        "2.out",
    }


def test_files_removed_by_hand_stop_nothing(child_dir: Path) -> None:
    child = ChildOutput(str(child_dir), SMALL)
    (child_dir / "1.out").write_bytes(numbered(0, 20_000))
    (child_dir / "1.err").write_bytes(b"e\n")
    child.look()
    for path in child_dir.iterdir():
        path.unlink()
    (child_dir / "2.out").write_bytes(numbered(0, 20_000))
    child.look()
    child.look()
    assert content(child_dir, 2) == numbered(0, 20_000)


def test_a_full_disk_stops_rotation_and_loses_nothing(tmp_path: Path) -> None:
    run_on_small_disk(
        """
import os, sys
from pathlib import Path
from supervision.runtime.rotation import ChildOutput, Limits
from tests.supervision.runtime.test_rotation import blocks, content, numbered, segments
directory = Path(sys.argv[1]) / "logs"
directory.mkdir()
data = numbered(0, 20_000)
(directory / "1.out").write_bytes(data)
filler = directory / "notes"
with filler.open("wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)) == 4096:
            pass
    except OSError:
        pass
child = ChildOutput(str(directory), Limits(max_bytes=100_000_000, segments=999))
for _ in range(3):
    try:
        child.look()
    except OSError:
        pass
    assert content(directory) == data
os.truncate(filler, filler.stat().st_size - 200_000)   # a little room is enough to go on
for _ in range(3):
    child.look()
    assert content(directory) == data
assert blocks(directory / "1.out") < 200_000, blocks(directory / "1.out")
""",
        tmp_path,
    )


def test_a_range_is_copied_through_memory_where_the_kernel_does_not_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> int:
        raise OSError(errno.EXDEV, "not between these")

    monkeypatch.setattr(os, "copy_file_range", unsupported)
    data = random.Random(1).randbytes(3_000_000)
    (tmp_path / "a").write_bytes(data)
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("wb") as target:
        assert copy_range(source.fileno(), 10, target.fileno(), 0, 5_000_000) == len(data) - 10
    assert (tmp_path / "b").read_bytes() == data[10:]


def test_the_first_difference_is_found_and_zeros_at_the_beginning_may_be_a_hole(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(bytes(100) + b"abcdef")
    other.write_bytes(b"x" * 100 + b"abcdef")
    with one.open("rb") as a, other.open("rb") as b:
        assert first_difference(a.fileno(), 0, b.fileno(), 0, 106) == 106
        assert first_difference(a.fileno(), 0, b.fileno(), 1, 105) == 100
    other.write_bytes(b"x" * 100 + b"abc")
    with one.open("rb") as a, other.open("rb") as b:
        assert first_difference(a.fileno(), 0, b.fileno(), 0, 106) == 103


def test_a_writer_is_seen_whoever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("ab"), path.open("rb"):
        assert has_writer(str(path)) is True
    with path.open("rb"):
        assert has_writer(str(path)) is False


def test_this_file_system_makes_holes_and_a_refusal_is_noticed(tmp_path: Path) -> None:
    assert can_punch(str(tmp_path))

    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    assert not can_punch(str(tmp_path), refuse)
    assert not can_punch(str(tmp_path), lambda *_: None)
    assert list(tmp_path.iterdir()) == []
    assert output_files.LIMITS == "limits"
