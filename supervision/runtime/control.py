"""The node's local control socket: JSON lines, versioned, one reader per connection, nothing that blocks.

The wire (docs/adr/0005): the server says hello first; each request `{"id", "op", "args"}` is answered once with `ok`, after
any number of `event` lines. Who may connect is decided by the file system (0600 in a 0700 directory); who did is taken from
SO_PEERCRED and journaled with every change.

Clients may be clumsy or hostile and must not be noticed by what is supervised: requests are worked off in slices, in turn
from each connection; from one that does not read its answers no more are taken; everything a connection can hold is bounded.
"""

import contextlib
import json
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervision.runtime.control_wire import (
    Asked,
    ControlError,
    LineReader,
    RequestError,
    RequestId,
    parse_request,
)
from supervision.runtime.loop import Loop

__all__ = ["Connection", "ControlError", "ControlServer", "Peer", "Request"]

VERSION = 1
OLDEST_VERSION = 1
READ_BYTES = 256 * 1024
PAUSE_UNSENT_BYTES = 1024 * 1024
"""Nothing more is taken from a client that leaves this much unread."""
MAX_UNSENT_BYTES = 64 * 1024 * 1024
"""A client that leaves this much unread is cut off: one answer and the events of a stream may be so long."""
MAX_UNDER_WAY = 256
"""Requests of one connection that wait for their answer."""
MAX_CONNECTIONS = 64
IDLE_S = 10.0
"""When there are no more connections to give, one that asked nothing for so long gives way."""
FAREWELL_S = 1.0
SLICE_S = 0.02
"""How long clients may keep the loop from everything else in one round."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end when it connected."""

    pid: int
    uid: int


class Request:
    """One request being answered, at once or later.

    `on_close`: called when its client goes away before the answer. `on_answer`: called once with the answer, also when
    nobody is there to hear it.
    """

    __slots__ = ("answered", "args", "connection", "id", "on_answer", "on_close", "op")

    def __init__(self, connection: "Connection", asked: Asked) -> None:
        self.connection = connection
        self.id: RequestId = asked.id
        self.op = asked.op
        self.args = asked.args
        self.answered = False
        self.on_close: Callable[[], None] | None = None
        self.on_answer: Callable[[dict[str, Any]], None] | None = None

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
        self._finish({"id": self.id, "ok": True, "result": result})

    def answer_text(self, result: str) -> None:
        """As `answer`, with what is JSON already; of an operation that only reads, whose outcome nobody keeps."""
        if self.open:
            self.answered = True
            text = f'{{"id":{json.dumps(self.id)},"ok":true,"result":{result}}}'
            self.connection.finish(self, text)

    def refuse(self, error: ControlError) -> None:
        self._finish(_refusal(self.id, error))

    def _finish(self, body: dict[str, Any]) -> None:
        on_answer, self.on_answer = self.on_answer, None
        if on_answer is not None:
            on_answer({name: value for name, value in body.items() if name != "id"})
        if self.open:
            self.answered = True
            self.connection.finish(self, _text(body))


class Connection:
    """One client: lines that wait for their turn, requests under way, bytes that wait to be read."""

    def __init__(self, server: "ControlServer", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.closed = False
        self.peer = _peer(sock)
        self.heard_at = server.loop.clock.boot()
        self._leaving = False
        self._reader = LineReader()
        self._unsent = bytearray()
        self._under_way: set[Request] = set()
        self._mask = select.EPOLLIN
        sock.setblocking(False)
        server.loop.watch(sock.fileno(), self._ready, self._mask)

    @property
    def has_work(self) -> bool:
        """A request may be taken from it."""
        return not self.closed and bool(self._reader.lines) and len(self._unsent) <= PAUSE_UNSENT_BYTES

    def idle_since(self) -> float | None:
        """Boot time when it was last heard of; None while it waits for something."""
        busy = self._under_way or self._reader.lines or self._unsent
        return None if busy else self.heard_at

    # -- out --------------------------------------------------------------------------------------------------------

    def send(self, body: dict[str, Any]) -> None:
        self._send(_text(body))

    def _send(self, text: str) -> None:
        if self.closed:
            return
        self._unsent += text.encode() + b"\n"
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self.close()
        else:
            self._flush()

    def finish(self, request: Request, text: str) -> None:
        self._under_way.discard(request)
        self._send(text)

    def leave(self, error: ControlError) -> None:
        """Say why, and close once the client had the time to read it: a socket closed at once may fail it earlier."""
        self._leaving = True
        self._reader = LineReader()
        self.send(_refusal(None, error))
        if not self.closed:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            self.server.loop.call_later(FAREWELL_S, self.close)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.server.loop.unwatch(self.sock.fileno())
        self.sock.close()
        self.server.closed(self)
        for request in self._under_way:
            if request.on_close is not None:
                request.on_close()

    def _flush(self) -> None:
        try:
            while self._unsent:
                sent = self.sock.send(self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self.await_more()

    # -- in ---------------------------------------------------------------------------------------------------------

    def await_more(self) -> None:
        """Ask the loop for what can be used: room to send while something is unsent, requests once all are taken."""
        if self.closed:
            return
        readable = not self._reader.lines and len(self._unsent) <= PAUSE_UNSENT_BYTES
        mask = (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if self._unsent else 0)
        if mask != self._mask:
            self._mask = mask
            self.server.loop.watch(self.sock.fileno(), self._ready, mask)
        if self.has_work:
            self.server.enqueue(self)

    def _ready(self) -> None:
        reads = self._mask & select.EPOLLIN
        self._flush()
        if reads and not self.closed:
            self._read()

    def _read(self) -> None:
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif not self._leaving:
            self.heard_at = self.server.loop.clock.boot()
            self._reader.feed(data)
            self.await_more()

    def take(self) -> None:
        """Handle the next line; what it asks may be answered at once or later."""
        try:
            asked = parse_request(self._reader.lines.popleft())
        except RequestError as error:
            self.send(_refusal(error.request_id, error))
            return
        request = Request(self, asked)
        if len(self._under_way) >= MAX_UNDER_WAY:
            words = f"{MAX_UNDER_WAY} requests of this connection wait for their answer"
            request.refuse(ControlError("unavailable", words))
            return
        self._under_way.add(request)
        self.server.dispatch(request)


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
        self._leaving: set[Connection] = set()
        self._turns: deque[Connection] = deque()
        self._working = False
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self.sock.accept()
        except OSError:
            return
        if len(self._leaving) >= MAX_CONNECTIONS:
            sock.close()
            return
        connection = Connection(self, sock)
        if len(self.connections) >= MAX_CONNECTIONS and not self._make_room():
            self._leaving.add(connection)
            connection.send(self.hello)
            words = f"{MAX_CONNECTIONS} clients are connected already, and each is waiting for something"
            connection.leave(ControlError("unavailable", words))
            return
        self.connections.add(connection)
        connection.send(self.hello)

    def _make_room(self) -> bool:
        """End the connection that has been idle longest, so that idle ones never keep an operator out."""
        idle = [(since, c) for c in self.connections if (since := c.idle_since()) is not None]
        since, oldest = min(idle, key=lambda pair: pair[0], default=(self.loop.clock.boot(), None))
        if oldest is None or self.loop.clock.boot() - since < IDLE_S:
            return False
        self.connections.discard(oldest)
        self._leaving.add(oldest)
        oldest.leave(ControlError("unavailable", "closed to make room: this connection was idle"))
        return True

    # -- turns ------------------------------------------------------------------------------------------------------

    def enqueue(self, connection: Connection) -> None:
        """`connection` has something to be taken; it gets its turn at the end of this round or in a later one."""
        if connection not in self._turns:
            self._turns.append(connection)
        if not self._working:
            self._working = True
            self.loop.call_soon(self._work)

    def _work(self) -> None:
        until = self.loop.clock.boot() + SLICE_S
        while self._turns:
            connection = self._turns.popleft()
            if connection.has_work:
                connection.take()
            connection.await_more()
            if self.loop.clock.boot() > until:
                break
        self._working = False
        if self._turns:
            self._working = True
            self.loop.call_soon(self._work)

    def dispatch(self, request: Request) -> None:
        """Answer `request` now or later. Anything but a ControlError leaves us in a state nobody knows: it is told to the
        client, and then ends this process, which another replaces without touching a child."""
        try:
            self.handler(request)
        except ControlError as error:
            request.refuse(error)
        except Exception as error:
            request.refuse(ControlError("internal", f"{type(error).__name__}: {error}"))
            raise

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._leaving.discard(connection)

    def close(self) -> None:
        """Close every connection; the listening socket is the guardian's and stays."""
        self.loop.unwatch(self.sock.fileno())
        self.sock.detach()
        for connection in [*self.connections, *self._leaving]:
            connection.close()


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


def _refusal(request_id: RequestId, error: ControlError) -> dict[str, Any]:
    return {"id": request_id, "ok": False, "error": error.to_json()}


def _peer(sock: socket.socket) -> Peer:
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid, uid)
