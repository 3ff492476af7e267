"""The link between guardian and node: messages whole, descriptors beside them, never a wait."""

import json
import os
import socket
from collections.abc import Iterator

import pytest

from supervision.runtime.link import MAX_MESSAGE, Link

Ends = tuple[Link, Link]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = Link.pair()
    other = Link(theirs)
    yield ours, other
    ours.close()
    other.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_messages_arrive_in_order_with_their_fields(ends: Ends) -> None:
    ours, theirs = ends
    assert ours.send("beat")
    assert ours.send("stop", hard=True, why="SIGTERM")
    messages = theirs.receive()
    assert messages is not None
    assert [(m.op, m.body) for m in messages] == [
        ("beat", {"v": 1}),
        ("stop", {"v": 1, "hard": True, "why": "SIGTERM"}),
    ]
    assert theirs.receive() == []


def test_a_descriptor_rides_along_and_is_not_inherited(ends: Ends) -> None:
    ours, theirs = ends
    read_end, write_end = os.pipe()
    ours.send("store_fd", name="listen:x", fds=(read_end,))
    (message,) = theirs.receive() or []
    (fd,) = message.fds
    os.write(write_end, b"hello")
    assert os.read(fd, 5) == b"hello"
    assert not os.get_inheritable(fd)
    for each in (read_end, write_end, fd):
        os.close(each)


@pytest.mark.parametrize("size", [MAX_MESSAGE - 100, MAX_MESSAGE, MAX_MESSAGE + 1, 4_000_000])
def test_a_message_may_be_larger_than_the_socket_takes(ends: Ends, size: int) -> None:
    ours, theirs = ends
    before = open_descriptors()
    read_end, write_end = os.pipe()
    assert ours.send("probe", environment="x" * size, fds=(read_end,))
    (message,) = theirs.receive() or []
    assert (message.op, len(message.body["environment"]), len(message.fds)) == ("probe", size, 1)
    for each in (read_end, write_end, *message.fds):
        os.close(each)
    assert open_descriptors() == before


def test_a_dead_end_is_told_after_its_last_words(ends: Ends) -> None:
    ours, theirs = ends
    ours.send("store_fd", name="last words")
    ours.close()
    (message,) = theirs.receive() or []
    assert message.body["name"] == "last words"
    assert theirs.receive() is None
    assert not theirs.send("beat")


def test_the_last_words_of_an_end_that_left_something_unread_are_heard(ends: Ends) -> None:
    ours, theirs = ends
    for number in range(3):
        assert theirs.send("fork", id=number)
    ours.send("forked", id=7)
    ours.send("forked", id=8)
    ours.close()
    assert [message.body["id"] for message in theirs.receive() or []] == [7, 8]
    assert theirs.receive() is None
    assert not theirs.send("fork", id=9)


def test_sending_to_somebody_who_does_not_listen_never_blocks(ends: Ends) -> None:
    ours, theirs = ends
    sent = 0
    while ours.send("beat", number=sent):
        sent += 1
    messages = theirs.receive()
    assert messages is not None
    assert [message.body["number"] for message in messages] == [*range(sent)]
    assert ours.send("beat")


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"op":[]}x',
        b'{"v":1}',
        b'{"op":"large"}',
        b"\xff",
        b'{"v":99,"opp":"beat"}',
    ],
)
def test_what_is_no_message_is_passed_over_and_its_descriptors_are_closed(ends: Ends, data: bytes) -> None:
    ours, theirs = ends
    before = open_descriptors()
    fd = os.eventfd(0)
    socket.send_fds(ours.sock, [data], [fd])
    os.close(fd)
    ours.send("beat")
    messages = theirs.receive()
    assert messages is not None
    for message in messages:
        for each in message.fds:
            os.close(each)
    assert messages[-1].op == "beat"
    assert open_descriptors() == before


def test_a_newer_end_may_say_more(ends: Ends) -> None:
    ours, theirs = ends
    ours.sock.send(json.dumps({"v": 2, "op": "stop", "hard": False, "colour": "red"}).encode())
    (message,) = theirs.receive() or []
    assert (message.op, message.body["hard"]) == ("stop", False)
