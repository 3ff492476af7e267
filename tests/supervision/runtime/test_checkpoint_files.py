"""Checkpoints on disk: whole or not there, the newest that can be read, never over a newer life's."""

import os
from pathlib import Path

import pytest

from supervision.runtime.checkpoint_files import (
    CORRUPT,
    CheckpointFiles,
    Kept,
    Meta,
    StaleIncarnation,
    decode,
    encode,
)

KEPT = Kept(3)


def meta(incarnation: int = 1, *, at: float = 1000.0, version: int = 1) -> Meta:
    return Meta(version, incarnation, 7, 2, "json", at)


@pytest.fixture
def files(tmp_path: Path) -> CheckpointFiles:
    return CheckpointFiles(str(tmp_path / "checkpoints"))


def spoil(files: CheckpointFiles, key: str, how: str) -> None:
    """Damage the newest file of `key`."""
    path = Path(files.entries(key)[0].path)
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "bit":
        path.write_bytes(content[:-40] + bytes([content[-40] ^ 1]) + content[-39:])
    else:
        path.write_bytes(b'{"v":1}\n' + content)


def test_the_newest_state_is_loaded_with_what_is_known_of_it(files: CheckpointFiles) -> None:
    for number in range(1, 6):
        saved = files.save("t/a", meta(), b"state %d" % number, KEPT)
        assert saved.version == number
    found = files.load("t/a", 1)
    assert (found.meta, found.data, found.corrupt) == (meta(version=5), b"state 5", ())
    assert [entry.version for entry in files.entries("t/a")] == [5, 4, 3]
    assert files.load("t/b", 1).meta is None


@pytest.mark.parametrize("how", ["cut", "empty", "bit", "longer"])
def test_a_damaged_one_gives_way_to_the_one_before_and_is_told_once(files: CheckpointFiles, how: str) -> None:
    for number in range(1, 4):
        files.save("t/a", meta(), b"state %d of some length, so that it has a middle" % number, KEPT)
    spoil(files, "t/a", how)
    found = files.load("t/a", 1)
    assert found.meta is not None
    assert (found.meta.version, found.data[:7], [version for version, _ in found.corrupt]) == (
        2,
        b"state 2",
        [3],
    )
    assert files.load("t/a", 1).corrupt == ()
    assert files.save("t/a", meta(), b"next", KEPT).version == 4, "a number means one state for ever"
    assert list(Path(files.path_of("t/a")).glob(f"*{CORRUPT}"))


def test_nothing_is_found_when_all_are_damaged(files: CheckpointFiles) -> None:
    for _ in range(2):
        files.save("t/a", meta(), b"state", KEPT)
    for entry in files.entries("t/a"):
        Path(entry.path).write_bytes(b"nonsense")
    found = files.load("t/a", 1)
    assert (found.meta, [version for version, _ in found.corrupt]) == (None, [2, 1])


def test_an_older_incarnation_cannot_save_over_a_newer_one(files: CheckpointFiles) -> None:
    files.save("t/a", meta(2), b"two", KEPT)
    with pytest.raises(StaleIncarnation) as error:
        files.save("t/a", meta(1), b"one", KEPT)
    assert error.value.newest == 2
    spoil(files, "t/a", "empty")  # the name still tells
    with pytest.raises(StaleIncarnation):
        files.save("t/a", meta(1), b"one", KEPT)
    assert files.save("t/a", meta(2), b"again", KEPT).version == 2


def test_nor_once_a_newer_one_has_loaded(files: CheckpointFiles) -> None:
    files.save("t/a", meta(1), b"one", KEPT)
    assert files.load("t/a", 2).data == b"one"
    with pytest.raises(StaleIncarnation):
        files.save("t/a", meta(1), b"late", KEPT)
    with pytest.raises(StaleIncarnation):
        files.load("t/a", 1)
    assert files.load("t/a", 2).data == b"one"


def test_what_a_kill_left_half_written_is_no_checkpoint(files: CheckpointFiles) -> None:
    files.save("t/a", meta(), b"one", KEPT)
    half = Path(files.path_of("t/a")) / "000000000002-0000000001.checkpoint.new"
    half.write_bytes(encode(meta(version=2), b"two")[:50])
    assert files.load("t/a", 1).data == b"one"
    files.save("t/a", meta(), b"three", KEPT)
    assert files.load("t/a", 1).data == b"three"


def test_old_ones_go_by_count_and_age_but_never_the_newest(files: CheckpointFiles) -> None:
    files.save("t/a", meta(), b"one", Kept(10))
    path = files.entries("t/a")[0].path
    os.utime(path, (500, 500))
    files.save("t/a", meta(at=1000), b"two", Kept(10, max_age_s=400))
    assert [entry.version for entry in files.entries("t/a")] == [2]
    os.utime(files.entries("t/a")[0].path, (10, 10))
    files.save("t/a", meta(at=100_000_000_000), b"three", Kept(10, max_age_s=1))
    assert [entry.version for entry in files.entries("t/a")] == [3]


def test_a_child_that_is_no_more_leaves_nothing_and_takes_nobody_with_it(files: CheckpointFiles) -> None:
    for key in ("t/a", "t/a/below", "t/b"):
        files.save(key, meta(), b"state", KEPT)
    assert sorted(files.keys()) == ["t/a", "t/a/below", "t/b"]
    files.forget("t/a")
    assert sorted(files.keys()) == ["t/a/below", "t/b"]
    files.forget("t/a/below")
    files.forget("t/b")
    assert list(Path(files.directory).iterdir()) == []
    files.forget("t/never")


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "t/..", "t/.fence", "t/a\0"])
def test_what_is_no_key_reaches_no_file(files: CheckpointFiles, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        files.save(key, meta(), b"", KEPT)


def test_every_byte_that_changes_is_noticed() -> None:
    content = encode(meta(), b"some state")
    assert decode(content) == (meta(), b"some state")
    for place in range(len(content)):
        spoilt = bytearray(content)
        spoilt[place] ^= 0xFF
        with pytest.raises(ValueError, match="checksum"):
            decode(bytes(spoilt))
