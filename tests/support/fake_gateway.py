"""The gateway's side of the protocol as far as a channel can tell, with what goes wrong under a test's control."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


class FakeGateway:
    """Takes events by stream and number, as the spool does. `answer` answers questions; None: never."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken: dict[str, list[tuple[int, str, Any]]] = {}
        self.said: list[dict[str, Any]] = []
        self.hellos = 0
        self.is_full = False
        self.is_silent = False
        self.answer: Answer = lambda question: {"result": {"kind": question["kind"]}}
        self.life = "life1"
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(16)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def events(self) -> list[tuple[int, str, Any]]:
        """Of all streams, in order for each."""
        with self._lock:
            return [event for stream in self.taken.values() for event in stream]

    def ops(self, op: str) -> list[dict[str, Any]]:
        with self._lock:
            return [message for message in self.said if message["op"] == op]

    def cut(self) -> None:
        """Every connection ends, as with kill -9."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def push(self, topic: str, at: int, body: dict[str, Any]) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            self._send(connection, op="push", topic=topic, life=self.life, at=at, body=body)

    def close(self) -> None:
        """Nobody listens any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        self.cut()

    def open_again(self) -> None:
        self._listener = self._listen()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream, refusing = "", False
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message.get("bytes"):
                    message["payload"] = lines.read(message["bytes"])
                with self._lock:
                    self.said.append(message)
                if message["op"] == "hello":
                    stream = message["stream"]
                    self._greet(connection, stream)
                elif message["op"] == "event":
                    refusing = self._event(connection, stream, message, refusing=refusing)
                elif message["op"] == "resume":
                    refusing = False
                elif message["op"] == "subscribe":
                    self._send(
                        connection, op="push", topic=message["topic"], life=self.life, at=0, resync=True
                    )
                elif "id" in message:
                    self._answer(connection, message)

    def _greet(self, connection: socket.socket, stream: str) -> None:
        with self._lock:
            self.hellos += 1
            taken = self.taken.setdefault(stream, [])
            last = taken[-1][0] if taken else 0
        if not self.is_silent:
            self._send(
                connection, op="hello", v=1, key="t/a", incarnation=1, node="n", last=last, life=self.life
            )

    def _event(
        self, connection: socket.socket, stream: str, message: dict[str, Any], *, refusing: bool
    ) -> bool:
        number = message["n"]
        if refusing:
            return True
        if self.is_full:
            self._send(connection, op="event_refused", n=number, code="spool_full")
            return True
        with self._lock:
            taken = self.taken[stream]
            if not taken or number > taken[-1][0]:
                taken.append((number, message["kind"], message["body"]))
        if not self.is_silent:
            self._send(connection, op="acked", n=number)
        return False

    def _answer(self, connection: socket.socket, message: dict[str, Any]) -> None:
        answer = self.answer(message)
        if answer is not None:
            payload = answer.pop("payload", b"")
            more = {"bytes": len(payload)} if payload else {}
            self._send(connection, payload, op="answer", id=message["id"], **answer, **more)

    def _send(self, connection: socket.socket, payload: bytes = b"", **message: Any) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(message).encode() + b"\n" + payload)
