"""The node's local control socket: JSON lines, versioned, one reader per connection, nothing that blocks.

The wire (docs/adr/0005): the server says hello first; each request `{"id", "op", "args"}` is answered once with `ok`, after
any number of `event` lines. Who may connect is decided by the file system (0600 in a 0700 directory); who did is taken from
SO_PEERCRED and journaled with every change.
"""

import json
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervision.runtime.loop import Loop

VERSION = 1
OLDEST_VERSION = 1
MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_UNSENT_BYTES = 64 * 1024 * 1024
MAX_CONNECTIONS = 64


class ControlError(Exception):
    """A request that is refused: `code` as the protocol names it, a message for people, a JSON pointer to the field."""

    def __init__(self, code: str, message: str, pointer: str | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pointer = pointer
        self.extra = extra

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message, **self.extra}
        if self.pointer is not None:
            body["pointer"] = self.pointer
        return body


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end when it connected."""

    pid: int
    uid: int


class Request:
    """One request being answered, at once or later."""

    __slots__ = ("answered", "args", "connection", "id", "on_close", "op")

    def __init__(self, connection: "Connection", request_id: Any, op: str, args: dict[str, Any]) -> None:
        self.connection = connection
        self.id = request_id
        self.op = op
        self.args = args
        self.answered = False
        self.on_close: Callable[[], None] | None = None

    @property
    def peer(self) -> Peer:
        return self.connection.peer

    @property
    def open(self) -> bool:
        return not self.answered and not self.connection.closed

    def event(self, body: Any) -> None:
        if self.open:
            self.connection.send({"id": self.id, "event": body})

    def answer(self, result: Any) -> None:
        if self.open:
            self.answered = True
            self.connection.finish(self, {"id": self.id, "ok": True, "result": result})

    def refuse(self, error: ControlError) -> None:
        if self.open:
            self.answered = True
            self.connection.finish(self, {"id": self.id, "ok": False, "error": error.to_json()})


class Connection:
    """One client: buffers both ways, the requests it waits for."""

    def __init__(self, server: "ControlServer", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.closed = False
        self.peer = _peer(sock)
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._requests: list[Request] = []
        sock.setblocking(False)
        server.loop.watch(sock.fileno(), self._ready)

    def send(self, body: dict[str, Any]) -> None:
        if self.closed:
            return
        self._outgoing += json.dumps(body, separators=(",", ":")).encode() + b"\n"
        if len(self._outgoing) > MAX_UNSENT_BYTES:
            self.close()  # a reader that does not read must not fill our memory
        else:
            self._flush()

    def finish(self, request: Request, body: dict[str, Any]) -> None:
        self._requests.remove(request)
        self.send(body)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.server.loop.unwatch(self.sock.fileno())
        self.sock.close()
        self.server.connections.discard(self)
        for request in self._requests:
            if request.on_close is not None:
                request.on_close()

    def _ready(self) -> None:
        self._flush()
        if self.closed:
            return
        try:
            data = self.sock.recv(262_144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._incoming += data
        self._take_lines()
        if len(self._incoming) > MAX_REQUEST_BYTES:
            self.send(
                {"id": None, "ok": False, "error": ControlError("bad_request", "request too large").to_json()}
            )
            self.close()

    def _take_lines(self) -> None:
        while not self.closed:
            line, separator, rest = self._incoming.partition(b"\n")
            if not separator:
                return
            self._incoming = bytearray(rest)
            self._take(bytes(line))

    def _take(self, line: bytes) -> None:
        try:
            body = json.loads(line)
            request = Request(self, body.get("id"), str(body["op"]), body.get("args") or {})
            if not isinstance(request.args, dict):
                raise TypeError("args is not an object")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.send(
                {
                    "id": None,
                    "ok": False,
                    "error": ControlError("bad_request", f"not a request: {error}").to_json(),
                }
            )
            return
        self._requests.append(request)
        self.server.dispatch(request)

    def _flush(self) -> None:
        try:
            while self._outgoing:
                sent = self.sock.send(self._outgoing)
                del self._outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if not self.closed:
            mask = select.EPOLLIN | (select.EPOLLOUT if self._outgoing else 0)
            self.server.loop.watch(self.sock.fileno(), self._ready, mask)


class ControlServer:
    """Accepts clients on an already listening socket and hands their requests to `handler`."""

    def __init__(
        self, loop: Loop, sock: socket.socket, *, hello: dict[str, Any], handler: Callable[[Request], None]
    ) -> None:
        self.loop = loop
        self.sock = sock
        self.handler = handler
        self.hello = {"overstory": "control", "v": VERSION, "min": OLDEST_VERSION, **hello}
        self.connections: set[Connection] = set()
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self.sock.accept()
        except OSError:
            return
        if len(self.connections) >= MAX_CONNECTIONS:
            sock.close()
            return
        connection = Connection(self, sock)
        self.connections.add(connection)
        connection.send(self.hello)

    def dispatch(self, request: Request) -> None:
        """Answer `request` now or later; an unexpected error is the request's, never the node's."""
        try:
            self.handler(request)
        except ControlError as error:
            request.refuse(error)

    def close(self) -> None:
        """Close every connection; the listening socket is the guardian's and stays."""
        self.loop.unwatch(self.sock.fileno())
        self.sock.detach()
        for connection in list(self.connections):
            connection.close()


def _peer(sock: socket.socket) -> Peer:
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid, uid)
