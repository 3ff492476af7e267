"""Private listening sockets."""

import socket
from pathlib import Path

import pytest

from supervision.runtime.local_socket import MAX_PATH_BYTES, bind_listener


def test_only_its_owner_may_connect_and_no_descriptor_is_inherited(session_dir: Path) -> None:
    path = session_dir / "l1"
    with bind_listener(path) as sock:
        assert path.stat().st_mode & 0o777 == 0o600
        assert not sock.get_inheritable()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_the_socket_of_a_dead_predecessor_is_replaced(session_dir: Path) -> None:
    path = session_dir / "l2"
    bind_listener(path).close()
    with bind_listener(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_link_in_its_place_is_replaced_and_what_it_points_to_stays(session_dir: Path) -> None:
    target, path = session_dir / "precious", session_dir / "l3"
    target.write_text("kept")
    path.symlink_to(target)
    bind_listener(path).close()
    assert not path.is_symlink()
    assert target.read_text() == "kept"


def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"longer than the {MAX_PATH_BYTES} bytes"):
        bind_listener(tmp_path / ("x" * MAX_PATH_BYTES))
