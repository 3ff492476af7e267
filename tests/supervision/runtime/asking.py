"""Requests without a socket: what was answered is kept."""

import json
from typing import Any

from supervision.runtime.control import Peer, Request
from supervision.runtime.control_wire import Asked


class FakeConnection:
    """One client; `closed` when it went away."""

    def __init__(self) -> None:
        self.closed = False
        self.peer = Peer(4711, 1000)
        self.sent: list[dict[str, Any]] = []

    def send(self, body: dict[str, Any]) -> None:
        self.sent.append(body)

    def finish(self, request: Request, text: str) -> None:
        self.send(json.loads(text))


def ask(op: str, connection: FakeConnection | None = None, **args: Any) -> Request:
    """A request as a connection makes it; arguments as they came."""
    return Request(connection or FakeConnection(), Asked(1, op, args))  # type: ignore[arg-type]


def sent(request: Request) -> list[dict[str, Any]]:
    """Events and answer so far, without their id."""
    connection: Any = request.connection
    return [{name: value for name, value in body.items() if name != "id"} for body in connection.sent]


def disconnect(request: Request) -> None:
    """Its client goes away."""
    connection: Any = request.connection
    connection.closed = True
    if request.on_close is not None:
        request.on_close()
