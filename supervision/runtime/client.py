"""Client of the node's control socket: JSON lines over a Unix stream socket, standard library only.

The server speaks first (a hello that names protocol versions and the node). A request is `{"id", "op", "args"}`; its answer
carries the same id; a stream sends events under that id before the answer. Requests may overlap: `begin` sends one and
`poll` waits for it, which is how a command shows progress while `stop` takes its time. Answers to requests nobody waits
for any more are dropped.

Nothing here retries. A call that lost its connection may have been carried out, and only the caller knows whether asking
twice is harmless (`stop` is, `restart` is not).
"""

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from supervision.exceptions import SupervisionError
from supervision.runtime.clock import Clock, SystemClock

VERSION = 1
"""The newest protocol version spoken here; the hello's `min` says which is the oldest the node still speaks."""

MAX_LINE = 256 << 20
"""Bytes of the longest answer taken: a tree of 500,000 children. Past it the peer is no node of ours."""

CONNECT_TIMEOUT_S = 5.0
"""How long a node may take to greet: ten times the longest pause its own heartbeat allows."""

SEND_TIMEOUT_S = 10.0
"""How long the node may leave a request unread: a large tree file does not fit the socket's buffer at once."""


class ControlError(SupervisionError):
    """The node refused a request, or could not be asked.

    `code` is the node's word: not_found, bad_request, conflict, refused, unavailable, internal; `pointer` names the part of
    the request that is wrong (RFC 6901), where one is.
    """

    def __init__(
        self, code: str, message: str, pointer: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pointer = pointer
        self.details = details or {}
        """What else the refusal says: `errors` and `findings` of a tree document."""


class NodeUnreachableError(ControlError):
    """No node answers: none runs, it went away in the middle, or it is stopped."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__("unreachable", message)
        self.sent = sent
        """True when the request was on its way already: it may have been carried out."""


class DeadlineError(ControlError):
    """The answer did not come within the caller's deadline; the request itself still stands."""

    def __init__(self, message: str) -> None:
        super().__init__("timeout", message)


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers on the other end."""

    node_id: str
    pid: int
    version: int


@dataclass(slots=True)
class Pending:
    """A request that was sent. `done` once answered; then `result` or `error` says how."""

    id: int
    op: str
    events: list[Any] = field(default_factory=list)
    done: bool = False
    result: Any = None
    error: ControlError | None = None

    def value(self) -> Any:
        """The answer's result; raises the ControlError it carried."""
        if self.error is not None:
            raise self.error
        return self.result


class ControlClient:
    """One connection to the node that listens on `path`. Not for threads; close it or use it as a context manager.

    Raises NodeUnreachableError when nobody greets within CONNECT_TIMEOUT_S, and ControlError("refused") when the socket
    belongs to another user than us or root: a runtime directory under /tmp may be somebody else's trap.
    """

    def __init__(
        self, path: Path | str, *, clock: Clock | None = None, connect_timeout_s: float = CONNECT_TIMEOUT_S
    ) -> None:
        self._clock = clock or SystemClock()
        self._path = str(path)
        self._buffer = bytearray()
        self._scanned = 0
        self._next_id = 1
        self._pending: dict[int, Pending] = {}
        self._sock = _connect(self._path, connect_timeout_s)
        try:
            self.hello = self._greet(connect_timeout_s)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; what was asked goes on, its answers are lost."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def call(self, op: str, *, timeout_s: float | None = None, **args: Any) -> Any:
        """Ask and wait for the result. Raises ControlError as answered, DeadlineError after `timeout_s` seconds."""
        pending = self.begin(op, **args)
        if not self.poll(pending, timeout_s=timeout_s):
            self.forget(pending)
            raise DeadlineError(f"the node did not answer {op} within {timeout_s:g} s")
        return pending.value()

    def stream(self, op: str, *, quiet_s: float | None = None, **args: Any) -> Iterator[Any]:
        """Ask, then yield each event until the final answer; None each time `quiet_s` seconds passed without one."""
        pending = self.begin(op, **args)
        try:
            while True:
                heard = self.poll(pending, timeout_s=quiet_s)
                events, pending.events = pending.events, []
                yield from events
                if pending.done:
                    pending.value()
                    return
                if not heard:
                    yield None
        finally:
            self.forget(pending)

    def begin(self, op: str, **args: Any) -> Pending:
        """Send a request; `poll` waits for it."""
        pending = Pending(self._next_id, op)
        self._next_id += 1
        request = {"id": pending.id, "op": op, "args": args}
        self._pending[pending.id] = pending
        self._send(json.dumps(request, separators=(",", ":")).encode() + b"\n")
        return pending

    def poll(self, pending: Pending, *, timeout_s: float | None = None) -> bool:
        """Wait until `pending` is answered or has an event; False when neither came within `timeout_s` seconds."""
        deadline = None if timeout_s is None else self._clock.boot() + timeout_s
        while not pending.done and not pending.events:
            left = None if deadline is None else deadline - self._clock.boot()
            line = self._line(None if left is None else max(0.0, left))
            if line is None:
                return False
            self._take(line)
        return True

    def drain(self) -> None:
        """Take every message that is here already, without waiting: for loops that watch `fileno` themselves."""
        while (line := self._line(0.0)) is not None:
            self._take(line)

    def forget(self, pending: Pending) -> None:
        """Drop what still comes for `pending`."""
        self._pending.pop(pending.id, None)

    def _take(self, line: bytes) -> None:
        message = _decode(line)
        pending = self._pending.get(message.get("id", -1))
        if pending is None:
            if message.get("ok") is False and message.get("id") is None:
                raise _error(message)
            return
        if "ok" not in message:
            pending.events.append(message.get("event"))
            return
        del self._pending[pending.id]
        pending.done = True
        if message["ok"]:
            pending.result = message.get("result")
        else:
            pending.error = _error(message)

    def _greet(self, timeout_s: float) -> Hello:
        line = self._line(timeout_s)
        if line is None:
            raise NodeUnreachableError(
                f"the node accepts connections on {self._path} but does not answer; it may be stopped"
            )
        hello = _decode(line)
        if hello.get("overstory") != "control":
            raise ControlError("refused", f"what listens on {self._path} is no overstory node")
        version, oldest = int(hello.get("v", 0)), int(hello.get("min", hello.get("v", 0)))
        if oldest > VERSION or version < 1:
            raise ControlError(
                "refused",
                f"the node speaks protocol {oldest} to {version}, this client {VERSION}: upgrade the client",
            )
        return Hello(str(hello.get("node_id", "")), int(hello.get("pid", 0)), min(version, VERSION))

    def _send(self, data: bytes) -> None:
        self._sock.settimeout(SEND_TIMEOUT_S)
        try:
            self._sock.sendall(data)
        except TimeoutError:
            raise NodeUnreachableError("the node does not read what it is asked; it may be stopped") from None
        except OSError as error:
            raise NodeUnreachableError(f"the node went away: {error.strerror or error}", sent=True) from None

    def _line(self, timeout_s: float | None) -> bytes | None:
        """The next line, without its end; None when it did not come in time."""
        deadline = None if timeout_s is None else self._clock.boot() + timeout_s
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._scanned > MAX_LINE:
                raise ControlError("internal", f"an answer longer than {MAX_LINE} bytes")
            left = None if deadline is None else deadline - self._clock.boot()
            if left is not None and left <= 0:
                self._sock.settimeout(0)
            else:
                self._sock.settimeout(left)
            try:
                data = self._sock.recv(1 << 18)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                raise NodeUnreachableError(
                    f"the node went away: {error.strerror or error}", sent=True
                ) from None
            if not data:
                raise NodeUnreachableError("the node closed the connection", sent=True)
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        return line


def _connect(path: str, timeout_s: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.settimeout(timeout_s)
    try:
        sock.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        raise NodeUnreachableError(f"no node runs here (nothing listens on {path})") from None
    except OSError as error:
        sock.close()
        raise NodeUnreachableError(f"cannot reach the node on {path}: {error.strerror or error}") from None
    _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if os.getuid() not in (0, uid) and uid != 0:
        sock.close()
        raise ControlError("refused", f"what listens on {path} belongs to uid {uid}, not to us")
    return sock


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        raise ControlError("internal", "the node sent a line that is not JSON") from None
    if not isinstance(message, dict):
        raise ControlError("internal", "the node sent a line that is not an object")
    return message


def _error(message: dict[str, Any]) -> ControlError:
    error = message.get("error")
    if not isinstance(error, dict):
        error = {}
    pointer = error.get("pointer")
    return ControlError(
        str(error.get("code", "internal")),
        str(error.get("message", "the node refused without saying why")),
        None if pointer is None else str(pointer),
        {name: value for name, value in error.items() if name not in ("code", "message", "pointer")},
    )
