"""The sd_notify socket: who said what, and nothing that a sender can break."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime import notify
from tests.supervision.runtime.spawning import await_readable, helper


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "n")


@pytest.fixture
def bound(path: str) -> Iterator[socket.socket]:
    sock = notify.bind(path)
    yield sock
    sock.close()


def test_a_message_carries_its_senders_pid(bound: socket.socket, path: str) -> None:
    code = f"""
import socket
def answer(line):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(line.replace("|", "\\n").encode(), {path!r})
    return "sent"
"""
    with helper(code) as child:
        child.ask("READY=1|STATUS=up and well|MAINPID=1")
        await_readable(bound.fileno())
        (said,) = notify.receive(bound)
        assert (said.pid, said.uid) == (child.pid, os.geteuid())
        assert said.fields == {"READY": "1", "STATUS": "up and well", "MAINPID": "1"}
    assert notify.receive(bound) == []


def test_messages_keep_their_order_and_a_call_is_bounded(
    bound: socket.socket, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "RECEIVE_BATCH", 3)
    for number in range(5):
        notify.send(path, {"STATUS": str(number)})
    assert [said.fields["STATUS"] for said in notify.receive(bound)] == ["0", "1", "2"]
    assert [said.fields["STATUS"] for said in notify.receive(bound)] == ["3", "4"]


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"READY=1\n", {"READY": "1"}),
        (b"A=b=c\nnonsense\n=x\nA=d", {"A": "d"}),
        (b"STATUS=\xff", {"STATUS": "\ufffd"}),
        (b"", {}),
        (b"nonsense", {}),
    ],
)
def test_assignments_are_read_and_the_rest_ignored(data: bytes, fields: dict[str, str]) -> None:
    assert notify.decode(data) == fields


def test_empty_and_oversized_messages_are_dropped(bound: socket.socket, path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        for data in (b"", b"nonsense", b"STATUS=" + b"x" * notify.MESSAGE_BYTES, b"READY=1"):
            sock.sendto(data, path)
    assert [said.fields for said in notify.receive(bound)] == [{"READY": "1"}]


def test_descriptors_in_a_message_are_not_kept(bound: socket.socket, path: str) -> None:
    """A sender of BARRIER=1 waits until its descriptor is closed here."""
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(path)
        socket.send_fds(sock, [b"BARRIER=1"], [writing])
    os.close(writing)
    assert [said.fields for said in notify.receive(bound)] == [{"BARRIER": "1"}]
    await_readable(reading)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_stale_socket_is_replaced_and_open_to_children_of_other_users(path: str) -> None:
    notify.bind(path).close()
    with notify.bind(path) as sock:
        assert Path(path).stat().st_mode & 0o777 == 0o666
        assert not sock.getblocking()
        assert not sock.get_inheritable()


def test_a_path_that_is_too_long_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="107 bytes"):
        notify.bind("/tmp/" + "x" * 103)


def test_what_is_encoded_is_decoded() -> None:
    fields = {"READY": "1", "STATUS": "grüß Gott"}
    assert notify.decode(notify.encode(fields)) == fields
    with pytest.raises(ValueError, match="newline"):
        notify.encode({"STATUS": "a\nREADY=1"})
