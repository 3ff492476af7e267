"""The control socket's server without a node: turns, slow readers, crowds, farewells. The clock is moved by hand."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import control
from supervision.runtime.clock import ManualClock
from supervision.runtime.control import ControlError, ControlServer, Request
from supervision.runtime.local_socket import bind_listener
from supervision.runtime.loop import Loop


class Client:
    """A raw client: sends bytes, reads what came so far as messages."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.sock.setblocking(False)
        self.rest = b""
        self.ended = False

    def send(self, data: bytes) -> int:
        """How much of it the socket took."""
        with contextlib.suppress(BlockingIOError):
            return self.sock.send(data)
        return 0

    def ask(self, op: str, request_id: Any = 1, **args: Any) -> None:
        line = json.dumps({"id": request_id, "op": op, "args": args}).encode() + b"\n"
        assert self.send(line) == len(line)

    def receive(self) -> list[dict[str, Any]]:
        """What came; `ended` is set when the server closed."""
        with contextlib.suppress(BlockingIOError):
            while data := self.sock.recv(1 << 20):
                self.rest += data
            self.ended = True
        *lines, self.rest = self.rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self.sock.close()


class Room:
    """A server, its loop, and what its handler was asked."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "c"
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.asked: list[Request] = []
        self.server = ControlServer(
            self.loop, bind_listener(self.path), hello={"node_id": "n"}, handler=self.handle
        )
        self.clients: list[Client] = []

    def handle(self, request: Request) -> None:
        self.asked.append(request)
        if request.op == "echo":
            request.answer(request.args)
        elif request.op == "slow":
            self.clock.jump(1)
            request.answer(None)
        elif request.op == "large":
            request.answer("x" * request.args["size"])
        elif request.op == "refuse":
            raise ControlError("conflict", "no", "/args/key", more=1)
        elif request.op == "fail":
            raise ZeroDivisionError("a bug")

    def connect(self) -> Client:
        client = Client(self.path)
        self.clients.append(client)
        self.turn()
        return client

    def turn(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            self.loop.run_once(at_most=0)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.close()
        self.loop.close()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def room(session_dir: Path) -> Iterator[Room]:
    directory = session_dir / f"control{os.urandom(3).hex()}"
    directory.mkdir()
    made = Room(directory)
    yield made
    made.close()


def test_the_server_speaks_first_and_says_which_versions_it_speaks(room: Room) -> None:
    assert room.connect().receive() == [{"overstory": "control", "v": 1, "min": 1, "node_id": "n"}]


def test_requests_are_answered_under_their_id_in_their_order(room: Room) -> None:
    client = room.connect()
    client.receive()
    client.ask("echo", 1, a=1)
    client.ask("echo", "two", a=2)
    client.ask("refuse", None)
    room.turn()
    assert client.receive() == [
        {"id": 1, "ok": True, "result": {"a": 1}},
        {"id": "two", "ok": True, "result": {"a": 2}},
        {
            "id": None,
            "ok": False,
            "error": {"code": "conflict", "message": "no", "pointer": "/args/key", "more": 1},
        },
    ]


def test_who_asks_is_what_the_kernel_says(room: Room) -> None:
    room.connect().ask("later")
    room.turn()
    assert (room.asked[0].peer.pid, room.asked[0].peer.uid) == (os.getpid(), os.getuid())


def test_events_come_before_the_answer_and_none_after_it(room: Room) -> None:
    client = room.connect()
    client.receive()
    client.ask("later", 7)
    room.turn()
    request = room.asked[0]
    request.event(1)
    request.answer("done")
    request.event(2)
    request.answer("again")
    request.refuse(ControlError("conflict", "too late"))
    assert client.receive() == [{"id": 7, "event": 1}, {"id": 7, "ok": True, "result": "done"}]


def test_what_is_no_request_is_answered_and_the_next_one_is_heard(room: Room) -> None:
    client = room.connect()
    client.receive()
    client.send(b'not json\n\n{"id":3,"op":5}\n{"id":4,"op":"echo"}\n')
    room.turn()
    first, second, third, fourth = client.receive()
    assert [first["error"]["code"], second["error"]["code"], third["id"]] == ["bad_request"] * 2 + [3]
    assert fourth == {"id": 4, "ok": True, "result": {}}


def test_a_request_of_17_mib_is_refused_by_its_size_and_the_next_one_is_heard(room: Room) -> None:
    client = room.connect()
    client.receive()
    piece = b"x" * (1 << 16)
    left = 17 << 20
    while left > 0:
        left -= client.send(piece[:left])
        room.turn(1)
    (refusal,) = client.receive()
    assert refusal["error"]["message"] == "a request longer than 16777216 bytes"
    client.send(b"\n")
    client.ask("echo", 2)
    room.turn()
    assert client.receive() == [{"id": 2, "ok": True, "result": {}}]


def test_a_client_that_disconnects_is_forgotten_and_its_answer_with_it(room: Room) -> None:
    client = room.connect()
    client.ask("later")
    room.turn()
    gone: list[bool] = []
    room.asked[0].on_close = lambda: gone.append(True)
    client.close()
    room.turn()
    assert gone == [True]
    assert not room.server.connections
    room.asked[0].event(1)
    room.asked[0].answer(None)


def test_one_client_that_asks_without_end_leaves_the_others_their_turn(room: Room) -> None:
    greedy, modest = room.connect(), room.connect()
    modest.receive()
    for number in range(100):
        greedy.ask("slow", number)
    modest.ask("echo", 1)
    room.turn(2)
    assert modest.receive() == [{"id": 1, "ok": True, "result": {}}]
    assert len(room.asked) <= 4, "one slow request in each round"
    room.turn(110)
    assert [answer["id"] for answer in greedy.receive()[1:]] == [*range(100)]


def test_of_a_client_that_does_not_read_its_answers_nothing_more_is_taken_until_it_does(room: Room) -> None:
    client = room.connect()
    for number in range(50):
        client.ask("large", number, size=100_000)
    room.turn(60)
    taken = len(room.asked)
    assert taken < 20, "one mebibyte and what the socket holds"
    answers: list[dict[str, Any]] = []
    for _ in range(200):
        answers += client.receive()
        room.turn(1)
    assert [answer["id"] for answer in answers[1:]] == [*range(50)]


def test_a_client_that_lets_a_stream_pile_up_is_cut_off(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_UNSENT_BYTES", 2_000_000)
    client = room.connect()
    client.ask("later")
    room.turn()
    for _ in range(30):
        room.asked[0].event("x" * 100_000)
    room.turn()
    assert not room.server.connections


def test_one_connection_has_a_bounded_number_of_requests_under_way(room: Room) -> None:
    client = room.connect()
    client.receive()
    for number in range(control.MAX_UNDER_WAY + 1):
        client.ask("later", number)
    room.turn()
    (refusal,) = client.receive()
    assert (refusal["id"], refusal["error"]["code"]) == (control.MAX_UNDER_WAY, "unavailable")
    room.asked[0].answer(None)
    client.ask("echo", 1000)
    room.turn()
    assert [answer["id"] for answer in client.receive()] == [0, 1000]


def test_a_client_too_many_is_told_so_and_can_read_it_after_it_asked(room: Room) -> None:
    busy = [room.connect() for _ in range(control.MAX_CONNECTIONS)]
    for client in busy:
        client.ask("later")
    room.turn()
    late = room.connect()
    late.ask("stop", key="shop")
    room.turn()
    hello, refusal = late.receive()
    assert hello["overstory"] == "control"
    assert refusal["error"]["code"] == "unavailable"
    assert "64 clients" in refusal["error"]["message"]
    assert late.ended
    assert [request.op for request in room.asked] == ["later"] * control.MAX_CONNECTIONS
    room.clock.jump(control.FAREWELL_S)
    room.turn()
    busy[0].close()
    room.turn()
    assert room.connect().receive()[0]["overstory"] == "control"
    assert len(room.server.connections) == control.MAX_CONNECTIONS


def test_an_idle_client_gives_way_to_one_that_wants_something(room: Room) -> None:
    idle = room.connect()
    room.clock.jump(control.IDLE_S)
    others = [room.connect() for _ in range(control.MAX_CONNECTIONS - 1)]
    others[0].receive()
    late = room.connect()
    late.ask("echo")
    room.turn()
    assert late.receive()[1]["ok"]
    _hello, farewell = idle.receive()
    assert farewell["error"]["message"] == "closed to make room: this connection was idle"
    assert not others[0].receive()


def test_a_crowd_that_never_leaves_costs_a_bounded_number_of_descriptors(room: Room) -> None:
    before = descriptors()
    for _ in range(3 * control.MAX_CONNECTIONS):
        client = room.connect()
        with contextlib.suppress(BrokenPipeError):  # those past the second 64 are closed at once
            client.ask("later")
        room.turn()
    assert descriptors() - before == 5 * control.MAX_CONNECTIONS
    room.clock.jump(control.FAREWELL_S)
    room.turn()
    assert descriptors() - before == 4 * control.MAX_CONNECTIONS


def test_a_fault_of_ours_is_told_to_the_client_and_ends_the_process_that_is_in_an_unknown_state(
    room: Room,
) -> None:
    client = room.connect()
    client.receive()
    client.ask("fail")
    with pytest.raises(ZeroDivisionError):
        room.turn()
    (refusal,) = client.receive()
    assert refusal["error"] == {"code": "internal", "message": "ZeroDivisionError: a bug"}


def test_closing_the_server_leaves_the_listening_socket_to_its_owner(session_dir: Path) -> None:
    loop = Loop(ManualClock())
    listener = bind_listener(session_dir / "kept")
    kept = socket.socket(fileno=os.dup(listener.fileno()))
    server = ControlServer(loop, listener, hello={}, handler=lambda _: None)
    fd = listener.fileno()
    client = Client(session_dir / "kept")
    loop.run_once(at_most=0)
    server.close()
    assert len(client.receive()) == 1
    assert client.ended
    client.close()
    Client(session_dir / "kept").close()
    os.close(fd)
    kept.close()
    loop.close()
