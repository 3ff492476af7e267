"""Questions of programs, as the gateway passes them on over courier.sock, and pushes to them the other way.

Each question is answered in one transaction, in one of a few threads with connections of their own. What cannot be answered
in time, or by a store that is away, is an error with a name. Lines of JSON; only our own user reaches the socket.
"""

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from controlplane.courier.session import Session
from supervision.fleet.exceptions import StaleEpochError
from supervision.programs import questions
from supervision.runtime.local_socket import bind_listener

logger = logging.getLogger(__name__)

WORKERS = 4
ACCEPT_S = 1.0
MAX_LINE = 2 * 1024 * 1024
SEND_LIMIT_S = 5.0
LEAST_S = 0.05


class Asked:
    """The job `asked`: accepts, and gives each connection (there is one, the gateway's) a thread that reads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._workers = ThreadPoolExecutor(
            WORKERS, thread_name_prefix="asked"
        )  # audit: ignore[SUP107] ends by exit
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.on_connected: Callable[[], None] = lambda: None

    def step(self) -> float:
        """Accept for a while. OSError."""
        if self._listener is None:
            self._listener = bind_listener(self.session.paths.courier_socket)
            self._listener.settimeout(ACCEPT_S)
        with contextlib.suppress(TimeoutError):
            connected, _ = self._listener.accept()
            connected.settimeout(SEND_LIMIT_S)
            with self._lock:
                self._connections.add(connected)
            threading.Thread(
                target=self._read, args=(connected,), name="asking", daemon=True
            ).start()  # audit: ignore[SUP101] it ends with its connection, and that with the gateway
            self.on_connected()
        return 0.0

    def push(self, topic: str, body: dict[str, Any], key: str = "") -> None:
        """Have the gateway tell its programs; who is not connected now is told to look when it is."""
        with self._lock:
            connections = list(self._connections)
        for connected in connections:
            self._send(connected, {"op": "push", "topic": topic, "body": body, "key": key})

    def _read(self, connected: socket.socket) -> None:  # audit: ignore[SUP810] the gateway connects again
        rest = b""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    data = connected.recv(65536)
                    if not data:
                        return
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        came_at = self.session.clock.boot()
                        self._workers.submit(
                            self._work, connected, line, came_at
                        )  # audit: ignore[SUP109] it answers
                    if len(rest) > MAX_LINE:
                        return
        except OSError:
            return
        finally:
            with self._lock:
                self._connections.discard(connected)
            connected.close()

    def _work(self, connected: socket.socket, line: bytes, came_at: float) -> None:
        try:
            message = json.loads(line)
            number = int(message["id"])
        except (ValueError, KeyError, TypeError):
            return
        try:
            answer = self._answer(message, came_at)
        except Exception:
            logger.exception("question %s failed", message.get("kind"))
            answer = {"error": {"code": "internal", "message": "the question could not be put"}}
        self._send(connected, {"op": "answer", "id": number, **answer})

    def _answer(self, message: dict[str, Any], came_at: float) -> dict[str, Any]:
        session = self.session
        epoch = session.epoch
        left_s = float(message["timeout_s"]) - (session.clock.boot() - came_at)
        if epoch is None:
            return _away("this node has not joined the fleet: its store is away, or its epoch is over")
        if left_s < LEAST_S:
            return _away("too many questions at once: this one was not looked at in time")
        try:
            with session.deadlines.within(left_s):
                return questions.answer(
                    node_id=session.node_id,
                    epoch=epoch,
                    key=str(message["key"]),
                    incarnation=int(message["incarnation"]),
                    pid=int(message["pid"]),
                    kind=str(message["kind"]),
                    body=message["body"],
                    timeout_s=left_s,
                )
        except StaleEpochError:
            session.lose_epoch(epoch)
            return _away("another node has taken over from this one: nothing is written under its old epoch")
        except (DatabaseError, InterfaceError) as error:
            _close_connection()
            return _away(f"the store is away ({type(error).__name__}); what was asked may have been done")

    def _send(self, connected: socket.socket, message: dict[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"
        with self._lock:  # whole lines, whoever sends
            try:
                connected.sendall(data)
            except OSError:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)


def _away(message: str) -> dict[str, Any]:
    return {"error": {"code": "store_unavailable", "message": message}}


def _close_connection() -> None:
    try:
        connection.close()
    except Exception:  # noqa: BLE001  it is broken: that is why it is closed
        connection.connection = None
