"""Both ends of a helper's channel in one process."""

import os
import socket
from collections.abc import Iterator

import pytest

from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.link import MAX_MESSAGE, Link


@pytest.fixture
def ends() -> Iterator[tuple[Link, HelperChannel]]:
    node, theirs = Link.pair()
    helper = HelperChannel(Link(theirs))
    yield node, helper
    node.close()
    helper.close()


def test_pings_are_answered_and_what_else_is_said_is_given(ends: tuple[Link, HelperChannel]) -> None:
    node, helper = ends
    assert not helper.wait(0)
    node.send("ping")
    node.send("limits", key="a/b", max_bytes=5)
    assert helper.wait(5)
    messages = helper.receive()
    assert messages is not None
    assert [(message.op, message.body["key"]) for message in messages] == [("limits", "a/b")]
    assert [message.op for message in node.receive() or []] == ["pong"]


def test_the_end_of_the_node_is_told(ends: tuple[Link, HelperChannel]) -> None:
    node, helper = ends
    node.close()
    assert helper.wait(5)
    assert helper.receive() is None


def test_what_a_busy_node_does_not_take_is_kept_in_order(ends: tuple[Link, HelperChannel]) -> None:
    node, helper = ends
    sent = 0
    while helper.send("result", id=sent):
        sent += 1
    for number in range(sent + 1, sent + 500):
        assert not helper.send("result", id=number)
    assert [message.body["id"] for message in node.receive() or []] == list(range(sent))
    assert helper.wait(5)  # there is room again
    found = list(range(sent))
    while len(found) < sent + 500:
        helper.flush()
        found += [message.body["id"] for message in node.receive() or []]
    assert found == list(range(sent + 500))
    assert not helper.wait(0)


@pytest.mark.parametrize("length", [10, MAX_MESSAGE - 100, MAX_MESSAGE + 1, 5_000_000])
def test_a_message_may_be_of_any_length(ends: tuple[Link, HelperChannel], length: int) -> None:
    node, helper = ends
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # counted, not walked
    assert node.send("probe", id=1, environment={"LONG": "x" * length})
    assert helper.wait(5)
    (message,) = helper.receive() or []
    assert message.op == "probe"
    assert message.body["environment"] == {"LONG": "x" * length}
    assert message.fds == ()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("data", [b"not json", b"[1]", b"{}", b'"op"', b'{"op":"large"}', b"\xff"])
def test_what_is_no_message_is_passed_over(ends: tuple[Link, HelperChannel], data: bytes) -> None:
    node, helper = ends
    node.sock.send(data)
    node.send("hello")
    assert [message.op for message in helper.receive() or []][-1:] == ["hello"]


def test_a_large_message_that_is_none_leaks_no_descriptor(ends: tuple[Link, HelperChannel]) -> None:
    node, helper = ends
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with open("/dev/null", "rb") as nothing:  # noqa: PTH123
        socket.send_fds(node.sock, [b'{"op":"large"}'], [nothing.fileno()])
    assert helper.receive() == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_the_inherited_end_is_not_passed_on() -> None:
    node, theirs = Link.pair()
    fd = os.dup(theirs.fileno())
    os.set_inheritable(fd, True)
    channel = HelperChannel.inherited(fd)
    assert not os.get_inheritable(channel.fileno())
    channel.close()
    theirs.close()
    node.close()
