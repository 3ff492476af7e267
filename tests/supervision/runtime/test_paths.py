"""Directories of an instance: private, short, ours; and found again by a client with another environment."""

import json
import os
import stat
from pathlib import Path

import pytest

from supervision.runtime.paths import Paths, UnsafeDirectoryError, _open_directory

AS_ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An instance of an ordinary user without a session."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/run" and access(path, mode))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir(mode=0o1777)
    return Paths(tmp_path / "data")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_directory_is_made_for_its_owner_only(paths: Paths) -> None:
    paths.prepare()
    paths.prepare_runtime()
    made = [paths.data_dir, paths.journal_dir, paths.exits_dir, paths.logs_dir, paths.desired_dir]
    for path in (*made, paths.runtime_dir, paths.runtime_dir.parent):
        assert mode(path) == 0o700, path


def test_one_that_was_open_to_others_is_closed(paths: Paths) -> None:
    paths.data_dir.mkdir(mode=0o755)
    paths.journal_dir.mkdir(mode=0o777)
    paths.prepare()
    assert (mode(paths.data_dir), mode(paths.journal_dir)) == (0o700, 0o700)


def test_the_sockets_have_short_paths_however_deep_the_data_lies(tmp_path: Path, paths: Paths) -> None:
    deep = Paths(tmp_path.joinpath(*["x" * 50] * 4))
    assert len(os.fsencode(deep.control_socket)) - len(os.fsencode(tmp_path)) < 60
    assert len(deep.instance_id) == 8


def test_two_instances_never_share_a_socket(tmp_path: Path, paths: Paths) -> None:
    other = Paths(tmp_path / "other")
    assert other.control_socket != paths.control_socket
    assert other.notify_socket != paths.notify_socket


def test_a_link_to_the_data_is_the_same_instance(tmp_path: Path, paths: Paths) -> None:
    paths.prepare()
    (tmp_path / "link").symlink_to(paths.data_dir)
    linked = Paths(tmp_path / "link")
    assert linked.control_socket == paths.control_socket
    linked.prepare()


def test_where_data_lies_is_said_or_in_the_environment_or_beside_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERSTORY_DATA_DIR", str(tmp_path / "a" / ".." / "b"))
    assert Paths.from_environment().data_dir == tmp_path / "b"
    assert Paths.from_environment("~/c").data_dir == Path.home() / "c"
    monkeypatch.delenv("OVERSTORY_DATA_DIR")
    assert Paths.from_environment().data_dir.name == "var"


def test_a_session_directory_is_used_where_there_is_one(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tmp_path / "session"
    session.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    assert paths.runtime_dir == session / "overstory" / paths.instance_id
    paths.prepare_runtime()
    assert mode(session / "overstory") == 0o700


def test_a_client_with_another_environment_finds_the_sockets_by_what_the_guardian_wrote(
    tmp_path: Path, paths: Paths
) -> None:
    paths.prepare()
    paths.runtime_json.write_text(json.dumps({"runtime_dir": str(tmp_path / "elsewhere")}))
    assert paths.control_socket == tmp_path / "elsewhere" / "control.sock"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"runtime_dir": 5}', "\x00"])
def test_a_runtime_json_that_cannot_be_read_is_none(paths: Paths, text: str) -> None:
    paths.prepare()
    expected = paths.runtime_dir
    paths.runtime_json.write_text(text)
    assert paths.runtime_dir == expected


def test_the_runtime_directory_of_a_dead_guardian_is_used_again(tmp_path: Path, paths: Paths) -> None:
    """Its children live and know the notify socket there."""
    paths.prepare()
    left = tmp_path / "session" / "overstory" / paths.instance_id
    left.mkdir(mode=0o700, parents=True)
    left.parent.chmod(0o700)
    paths.runtime_json.write_text(json.dumps({"runtime_dir": str(left)}))
    paths.prepare_runtime()
    assert paths.runtime_dir == left


def test_one_that_went_with_its_session_is_forgotten(tmp_path: Path, paths: Paths) -> None:
    paths.prepare()
    paths.runtime_json.write_text(json.dumps({"runtime_dir": str(tmp_path / "gone" / "overstory" / "x")}))
    paths.prepare_runtime()
    assert paths.runtime_dir == tmp_path / "tmp" / f"overstory-{os.getuid()}" / paths.instance_id
    assert paths.runtime_dir.is_dir()
    assert not (tmp_path / "gone").exists()


def test_one_that_others_can_enter_now_is_not_trusted_again(tmp_path: Path, paths: Paths) -> None:
    paths.prepare()
    left = tmp_path / "shared"
    left.mkdir(mode=0o755)
    paths.runtime_json.write_text(json.dumps({"runtime_dir": str(left)}))
    paths.prepare_runtime()
    assert paths.runtime_dir != left


def test_a_file_where_a_directory_belongs_is_named(paths: Paths) -> None:
    paths.data_dir.parent.mkdir(exist_ok=True)
    paths.data_dir.write_text("")
    with pytest.raises(UnsafeDirectoryError, match=r"data is not a directory"):
        paths.prepare()


@pytest.mark.skipif(not AS_ROOT, reason="another user's directory can be made by root only")
class TestAnotherUser:
    """Who was first in a directory that everybody can write to."""

    def trap(self, paths: Paths) -> Path:
        trap = paths.runtime_dir.parent
        trap.mkdir(mode=0o700)
        os.chown(trap, NOBODY, NOBODY)
        return trap

    def test_a_directory_that_somebody_else_made_first_is_refused(self, paths: Paths) -> None:
        self.trap(paths)
        with pytest.raises(UnsafeDirectoryError, match=f"belongs to uid {NOBODY}"):
            paths.prepare_runtime()

    def test_a_link_that_somebody_else_made_to_a_directory_of_ours_is_refused(
        self, tmp_path: Path, paths: Paths
    ) -> None:
        ours = tmp_path / "ours"
        ours.mkdir(mode=0o700)
        paths.runtime_dir.parent.symlink_to(ours)
        os.chown(paths.runtime_dir.parent, NOBODY, NOBODY, follow_symlinks=False)
        with pytest.raises(UnsafeDirectoryError, match=f"belongs to uid {NOBODY}"):
            paths.prepare_runtime()
        assert not any(ours.iterdir())

    def test_a_link_of_ours_to_somebody_elses_directory_is_refused(
        self, tmp_path: Path, paths: Paths
    ) -> None:
        theirs = tmp_path / "theirs"
        theirs.mkdir(mode=0o700)
        os.chown(theirs, NOBODY, NOBODY)
        paths.runtime_dir.parent.symlink_to(theirs)
        with pytest.raises(UnsafeDirectoryError, match=f"belongs to uid {NOBODY}"):
            paths.prepare_runtime()

    def test_a_runtime_directory_that_was_taken_over_after_a_crash_is_not_trusted(
        self, tmp_path: Path, paths: Paths
    ) -> None:
        paths.prepare()
        taken = tmp_path / "taken"
        taken.mkdir(mode=0o700)
        os.chown(taken, NOBODY, NOBODY)
        paths.runtime_json.write_text(json.dumps({"runtime_dir": str(taken)}))
        paths.prepare_runtime()
        assert paths.runtime_dir != taken


def test_children_of_other_users_can_reach_the_notify_socket_whatever_our_umask(tmp_path: Path) -> None:
    above = tmp_path / "overstory"
    before = os.umask(0o077)
    try:
        _open_directory(above)
        assert above.stat().st_mode & 0o777 == 0o755
        above.chmod(0o700)  # made by a release that did not look
        _open_directory(above)
    finally:
        os.umask(before)
    assert above.stat().st_mode & 0o777 == 0o755
