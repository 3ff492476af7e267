"""The environment of a child: order, secrets, files, and with whose rights files are read."""

import contextlib
import os
from pathlib import Path

import pytest

from supervision.runtime.environment import (
    EnvironmentFault,
    EnvironmentFile,
    EnvironmentSource,
    acting_as,
    parse_environment_file,
)
from supervision.runtime.launch_spec import UserIds

NOBODY = UserIds("nobody", 65534, 65534, (65534,))
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's rights, which only root can")


def test_a_child_wins_over_files_and_files_win_over_the_tree(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("B=file\nC=file\nD=one\n")
    (tmp_path / "two").write_text("D=two\n")
    files = (EnvironmentFile(str(tmp_path / "one")), EnvironmentFile(str(tmp_path / "two")))
    source = EnvironmentSource({"A": "tree", "B": "tree", "C": "tree"}, files, {"C": "child"})
    assert source.resolve({}) == {"A": "tree", "B": "file", "C": "child", "D": "two"}
    assert not source.is_constant


def test_a_secret_comes_from_the_nodes_environment_under_its_prefix_only() -> None:
    source = EnvironmentSource({}, (), {"PASSWORD": {"secret": "DB"}})
    node = {"OVERSTORY_SECRET_DB": "hush", "DB": "wrong"}
    assert source.resolve(node) == {"PASSWORD": "hush"}
    assert not source.is_constant
    with pytest.raises(
        EnvironmentFault, match="PASSWORD: the node's environment does not hold OVERSTORY_SECRET_DB"
    ):
        source.resolve({"DB": "wrong", "SECRET_KEY": "ours"})


def test_a_secret_file_loses_one_newline(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    source = EnvironmentSource({}, (), {"P": {"secret_file": str(path)}})
    for content, value in [
        ("hush\n", "hush"),
        ("hush\r\n", "hush"),
        ("hush", "hush"),
        ("a\n\n", "a\n"),
        ("", ""),
    ]:
        path.write_bytes(content.encode())
        assert source.resolve({}) == {"P": value}


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff", "is not UTF-8"), (b"a\0b", "what no variable can hold")]
)
def test_a_secret_file_that_no_variable_can_hold_is_refused_without_showing_it(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(EnvironmentFault, match=words):
        EnvironmentSource({}, (), {"P": {"secret_file": str(path)}}).resolve({})


def test_a_missing_file_is_named_unless_it_is_optional(tmp_path: Path) -> None:
    path = str(tmp_path / "gone")
    assert EnvironmentSource({}, (EnvironmentFile(path, optional=True),), {}).resolve({}) == {}
    with pytest.raises(EnvironmentFault, match=f"environment file {path} does not exist"):
        EnvironmentSource({}, (EnvironmentFile(path),), {}).resolve({})


def test_what_is_no_regular_file_does_not_hold_the_node(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(EnvironmentFault, match="is not a regular file"):
            EnvironmentSource({}, (EnvironmentFile(str(path)),), {}).resolve({})


def test_a_file_over_a_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(EnvironmentFault, match="is larger than 1048576 bytes"):
        EnvironmentSource({}, (EnvironmentFile(str(tmp_path / "big")),), {}).resolve({})


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        ("\ufeffA=1\r\n\r\n# c\n; c\n  B = x\n".replace(" = ", "="), {"A": "1", "B": "x"}),
        ("export A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=x=y#z", {"A": "x=y#z"}),
        ("A='x \\n y'", {"A": "x \\n y"}),
        ('A="x\\n\\t\\"\\\\\\$\\q"', {"A": 'x\n\t"\\$\\q'}),
        ("A=$HOME", {"A": "$HOME"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=it's", {"A": "it's"}),
    ],
)
def test_a_file_has_lines_of_name_and_value(text: str, becomes: dict[str, str]) -> None:
    assert parse_environment_file(text, "f") == becomes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A", "f:1: not NAME=value"),
        ("\n1A=2", "f:2: not NAME=value"),
        ("A B=2", "f:1: not NAME=value"),
        ("A=x\0y", "f:1: not NAME=value"),
        ("A='x", "f:1: the quote is not closed"),
        ('A="', "f:1: the quote is not closed"),
        ("NOTIFY_SOCKET=x", "f:1: NOTIFY_SOCKET is set by Overstory itself"),
    ],
)
def test_a_faulty_line_is_named_by_its_number(text: str, words: str) -> None:
    with pytest.raises(EnvironmentFault, match=words):
        parse_environment_file(text, "f")


@as_root
def test_root_reads_a_file_with_the_rights_of_the_childs_user(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hush")
    path.chmod(0o600)
    source = EnvironmentSource({}, (), {"P": {"secret_file": str(path)}})
    assert source.resolve({}) == {"P": "hush"}
    with pytest.raises(EnvironmentFault, match=f"P: secret file {path}: Permission denied"):
        source.resolve({}, NOBODY)
    assert source.resolve({}, NOBODY, lambda asked: asked == str(path)) == {"P": "hush"}
    assert os.geteuid() == 0


@as_root
def test_root_comes_back_from_another_users_rights_whatever_happens() -> None:
    before = (os.getresuid(), os.getresgid(), os.getgroups())
    with contextlib.suppress(KeyError), acting_as(NOBODY):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (65534, 65534, [65534])
        raise KeyError
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
