"""A node without processes: the control protocol over a real Unix socket, around a scripted tree.

Runs in a thread of the test. Its state is plain JSON as the node's answers are; `changing()` edits it as life would and
hints to every watcher. What the real node does over seconds is scripted: `hold_answers(op)` keeps the answers back until
released, `stall()` stops answering as SIGSTOP would, `replace()` drops every connection and returns under another pid.
"""

import contextlib
import json
import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.fake_rows import Json
from tests.support.scripted_node import RefusalError, ScriptedNode


class FakeNode(ScriptedNode):
    """Serves `path` until closed. Use as a context manager."""

    def __init__(self, path: Path, trees: list[Json] | None = None) -> None:
        super().__init__(trees)
        self.path = path
        self.requests: list[tuple[str, Json]] = []
        self.handlers: dict[str, Callable[[Json], Any]] = {}
        """Ops a test answers itself; a handler may raise RefusalError."""
        self.lock = threading.RLock()
        self._held: dict[str, list[tuple[_Connection, Any, Json]]] = {}
        self._stalled = False
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="fake-node", daemon=True)

    def __enter__(self) -> "FakeNode":
        self._listen()
        self._selector.register(self._wake_r, selectors.EVENT_READ, "wake")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._wake()
        self._thread.join(timeout=10)
        with self.lock:
            self._drop_all()
        self._selector.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    # What a test does to it

    @contextlib.contextmanager
    def changing(self) -> Iterator["FakeNode"]:
        """Edit the state; watchers are hinted afterwards."""
        with self.lock:
            yield self
            self.changed()

    def hold_answers(self, op: str) -> None:
        """Carry out `op` when asked, but do not answer before `release_answers`."""
        with self.lock:
            self._held.setdefault(op, [])

    def release_answers(self, op: str) -> None:
        with self.lock:
            for connection, request_id, answer in self._held.pop(op, []):
                connection.send({"id": request_id, **answer})

    def forget_answers(self, op: str) -> None:
        """Answer `op` again; what was held back is lost."""
        with self.lock:
            self._held.pop(op, None)

    def stall(self) -> None:
        """Accept and read, answer nothing."""
        self._stalled = True

    def resume(self) -> None:
        self._stalled = False
        self._wake()

    def replace(self, *, away: bool = False) -> None:
        """Die and come back as another process; with `away` stay dead until `return_`."""
        with self.lock:
            self._drop_all()
            self.pid += 1
            if not away:
                self._listen()
        self._wake()

    def return_(self) -> None:
        with self.lock:
            self._listen()
        self._wake()

    def asked(self, op: str) -> list[Json]:
        """The arguments of every request for `op` so far."""
        with self.lock:
            return [args for name, args in self.requests if name == op]

    # The protocol

    def _listen(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, "accept")

    def _drop_all(self) -> None:
        for connection in list(self._connections):
            self._close(connection)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self.path.unlink(missing_ok=True)
            self._listener = None

    def _close(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)
        connection.sock.close()

    def _wake(self) -> None:
        os.write(self._wake_w, b"x")

    def _serve(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(timeout=5):
                with self.lock:
                    self._ready(key.data)
            if not self._stalled:
                with self.lock:
                    for connection in list(self._connections):
                        self._answer_all(connection)

    def _ready(self, what: Any) -> None:
        if what == "wake":
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_r, 4096)
        elif what == "accept":
            if self._listener is not None:
                with contextlib.suppress(BlockingIOError):
                    sock, _ = self._listener.accept()
                    connection = _Connection(sock)
                    self._connections.add(connection)
                    self._selector.register(sock, selectors.EVENT_READ, connection)
        elif isinstance(what, _Connection) and what in self._connections and not what.receive():
            self._close(what)

    def _answer_all(self, connection: "_Connection") -> None:
        if not connection.greeted:
            connection.greeted = True
            connection.send(
                {"overstory": "control", "v": 1, "min": 1, "node_id": self.node_id, "pid": self.pid}
            )
        for line in connection.lines():
            self._answer(connection, line)

    def _answer(self, connection: "_Connection", line: bytes) -> None:
        try:
            request = json.loads(line)
            op, args = str(request["op"]), dict(request.get("args") or {})
        except (ValueError, KeyError, TypeError) as error:
            refusal = {"code": "bad_request", "message": f"not a request: {error}"}
            connection.send({"id": None, "ok": False, "error": refusal})
            return
        self.requests.append((op, args))
        if op == "watch":
            connection.watches.append(request["id"])
            connection.send({"id": request["id"], "event": {"seq": self.seq}})
            return
        answer: Json
        try:
            handler = self.handlers.get(op) or getattr(self, f"op_{op}", None)
            if handler is None:
                raise RefusalError("bad_request", f"unknown operation {op!r}", "/op")
            answer = {"ok": True, "result": handler(args)}
        except RefusalError as refused:
            answer = {"ok": False, "error": refused.body}
        except KeyError as missing:
            name = missing.args[0]
            answer = {
                "ok": False,
                "error": {"code": "bad_request", "message": f"{name} is missing", "pointer": f"/{name}"},
            }
        if op in self._held:
            self._held[op].append((connection, request["id"], answer))
        else:
            connection.send({"id": request["id"], **answer})

    def changed(self) -> None:
        """Hint to every watcher."""
        super().changed()
        for connection in self._connections:
            for watch in connection.watches:
                if not self._stalled:
                    connection.send({"id": watch, "event": {"seq": self.seq}})


class _Connection:
    """One client of the fake."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.greeted = False
        self.watches: list[Any] = []
        self._buffer = b""

    def receive(self) -> bool:
        try:
            data = self.sock.recv(1 << 20)
        except OSError:
            return False
        self._buffer += data
        return bool(data)

    def lines(self) -> list[bytes]:
        *lines, self._buffer = self._buffer.split(b"\n")
        return lines

    def send(self, body: Json) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(json.dumps(body).encode() + b"\n")
