"""The client of the control socket, against a node that only speaks the protocol."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervision.runtime.client import ControlClient, ControlError, DeadlineError, NodeUnreachableError
from tests.support.fake_node import FakeNode


@pytest.fixture
def node(session_dir: Path) -> Iterator[FakeNode]:
    with FakeNode(session_dir / "client.sock") as fake:
        yield fake


def test_the_hello_says_who_answers(node: FakeNode) -> None:
    with ControlClient(node.path) as client:
        assert (client.hello.node_id, client.hello.pid, client.hello.version) == (node.node_id, node.pid, 1)


def test_a_call_answers_with_its_result(node: FakeNode) -> None:
    with ControlClient(node.path) as client:
        assert client.call("status")["node_id"] == node.node_id
        assert client.call("tree", tree="shop")["trees"][0]["name"] == "shop"


def test_a_refusal_carries_code_message_and_pointer(node: FakeNode) -> None:
    with ControlClient(node.path) as client:
        with pytest.raises(ControlError, match="no such tree") as refused:
            client.call("tree", tree="nix")
        assert refused.value.code == "not_found"
        with pytest.raises(ControlError) as refused:
            client.call("dance")
        assert (refused.value.code, refused.value.pointer) == ("bad_request", "/op")
        assert client.call("status"), "the connection is good after a refusal"


def test_a_stream_yields_events_and_hints_of_changes(node: FakeNode) -> None:
    with ControlClient(node.path) as client:
        stream = client.stream("watch")
        assert next(stream) == {"seq": node.seq}
        with node.changing():
            node.find("shop/db")["state"] = "stopped"
        assert next(stream) == {"seq": node.seq}


def test_a_quiet_stream_says_so_and_goes_on(node: FakeNode) -> None:
    with ControlClient(node.path) as client:
        stream = client.stream("watch", quiet_s=0.01)
        next(stream)
        assert next(stream) is None
        with node.changing():
            pass
        assert next(event for event in stream if event is not None)["seq"] == node.seq


def test_requests_overlap_and_answers_find_their_request(node: FakeNode) -> None:
    node.hold_answers("stop")
    with ControlClient(node.path) as client:
        slow = client.begin("stop", key="shop/db")
        assert client.call("status")["pid"] == node.pid
        assert not client.poll(slow, timeout_s=0.01)
        node.release_answers("stop")
        assert client.poll(slow, timeout_s=10)
        assert slow.value()["state"] == "stopped"


def test_an_answer_that_nobody_waits_for_any_more_is_dropped(node: FakeNode) -> None:
    node.hold_answers("stop")
    with ControlClient(node.path) as client:
        with pytest.raises(DeadlineError):
            client.call("stop", key="shop/db", timeout_s=0.01)
        node.release_answers("stop")
        assert client.call("status")["pid"] == node.pid


def test_no_node_is_told_apart_from_a_refusal(session_dir: Path) -> None:
    with pytest.raises(NodeUnreachableError, match="no node runs here") as absent:
        ControlClient(session_dir / "nobody.sock")
    assert not absent.value.sent


def test_a_dead_socket_file_is_no_node(session_dir: Path) -> None:
    path = session_dir / "dead.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with pytest.raises(NodeUnreachableError, match="no node runs here"):
        ControlClient(path)


def test_a_path_too_long_for_a_socket_is_said(session_dir: Path) -> None:
    with pytest.raises(NodeUnreachableError, match="cannot reach the node"):
        ControlClient(session_dir / ("x" * 200))


def test_a_stopped_node_that_does_not_greet_is_unreachable(node: FakeNode) -> None:
    node.stall()
    with pytest.raises(NodeUnreachableError, match="may be stopped"):
        ControlClient(node.path, connect_timeout_s=0.05)


def test_a_node_that_goes_away_in_the_middle_is_unreachable_with_the_request_sent(node: FakeNode) -> None:
    node.hold_answers("stop")
    with ControlClient(node.path) as client:
        pending = client.begin("stop", key="shop/db")
        assert not client.poll(pending, timeout_s=0.05)
        node.replace()
        with pytest.raises(NodeUnreachableError) as gone:
            client.poll(pending, timeout_s=10)
        assert gone.value.sent


def test_a_large_answer_arrives_whole(node: FakeNode) -> None:
    node.handlers["spec"] = lambda _args: {"text": "x" * 5_000_000}
    with ControlClient(node.path) as client:
        assert len(client.call("spec")["text"]) == 5_000_000


def _serve_once(path: Path, first_line: bytes) -> Callable[[], None]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def serve() -> None:
        with listener, listener.accept()[0] as sock:
            sock.sendall(first_line)
            sock.recv(100)

    thread = threading.Thread(target=serve)
    thread.start()
    return lambda: thread.join(10)


@pytest.mark.parametrize(
    ("first_line", "said"),
    [
        (b"220 mail.example ESMTP\r\n", "not JSON"),
        (b"[]\n", "not an object"),
        (b'{"hello": 1}\n', "no overstory node"),
        (json.dumps({"overstory": "control", "v": 9, "min": 8}).encode() + b"\n", "upgrade the client"),
    ],
)
def test_what_is_no_node_of_ours_is_refused(session_dir: Path, first_line: bytes, said: str) -> None:
    path = session_dir / "strange.sock"
    path.unlink(missing_ok=True)
    finish = _serve_once(path, first_line)
    with pytest.raises(ControlError, match=said):
        ControlClient(path)
    finish()


def test_a_newer_node_that_still_speaks_our_version_is_understood(session_dir: Path) -> None:
    path = session_dir / "newer.sock"
    hello = {"overstory": "control", "v": 7, "min": 1, "node_id": "abc", "pid": 5, "moon": "full"}
    finish = _serve_once(path, json.dumps(hello).encode() + b"\n")
    with ControlClient(path) as client:
        assert client.hello.version == 1
    finish()
