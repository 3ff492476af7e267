"""The one connection of a program to its node: durable events, questions, gauges, pushes.

    channel = overstory.channel.default()
    channel.event("order.filled", {"order": 7})      # on the node's disk soon, in PostgreSQL once and in order
    channel.ask("registry.whereis", {"key": "a"})    # an answer out of a transaction, or an error with a name

Guarantee: an event for which `event` answered True arrives exactly once and in order, as long as this process lives until
it is acknowledged (`flush`) and memory holds it: past MAX_EVENTS or MAX_BYTES the oldest go, counted. Nothing here waits
for the control plane but `ask`, and that no longer than its deadline. Outside Overstory every call is a cheap no-op.

Threads: any thread may call. One thread of ours reads, reconnects and sends what could not be sent at once; another runs
the callbacks of pushes, so that these may ask. Both start with the first use, and anew in a forked child, which has a
stream of its own and leaves what its parent had not sent to its parent.
"""

import atexit
import contextlib
import os
import select
import socket
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import __version__, _wire
from ._outbox import Outbox
from ._outgoing import Outgoing
from ._pushes import Callback, Push, Pushes
from .errors import NotSupervised, Refused, Unavailable

__all__ = ["ASK_LIMIT_S", "Callback", "Channel", "Push", "default"]

SOCKET_VARIABLE = "OVERSTORY_SOCKET"
ASK_LIMIT_S = 5.0
RETRY_S = 0.05
RETRY_MAX_S = 2.0
FULL_RETRY_S = 1.0
"""After the node's disk had no room."""
EXIT_FLUSH_S = 2.0
MAX_OUTGOING = 256 * 1024
"""Unsent bytes past which events stay in the outbox."""
READ_BYTES = 256 * 1024


@dataclass(slots=True)
class _Question:
    """Something asked that has no answer yet."""

    line: bytes
    answer: dict[str, Any] | None = None


class Channel:
    """See the module's docstring. `path`: of the socket; by default what OVERSTORY_SOCKET says."""

    def __init__(self, path: str | None = None) -> None:
        self._path = os.environ.get(SOCKET_VARIABLE, "") if path is None else path
        self.key = os.environ.get("OVERSTORY_CHILD", "")
        self.incarnation = int(os.environ.get("OVERSTORY_INCARNATION", "0") or 0)
        self.node = os.environ.get("OVERSTORY_NODE", "")
        self._reset()
        _CHANNELS.add(self)

    def _reset(self) -> None:
        """A new stream, nothing sent, nothing started. Locks too: another thread may have held one when we were forked."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._outbox = Outbox()
        self._stream = os.urandom(16).hex()
        self._sock: socket.socket | None = None
        """Once the node knows us."""
        self._connection: socket.socket | None = None
        self._outgoing = Outgoing()
        self._questions: dict[int, _Question] = {}
        self._last_id = 0
        self._pushes = Pushes()
        self._gauges: dict[str, float] = {}
        self._started = False
        self._was_greeted = False
        self._closing = False
        self._paused_until = 0.0
        self._wake = -1
        self._reader: threading.Thread | None = None

    # -- what programs call -----------------------------------------------------------------------------------------

    @property
    def is_supervised(self) -> bool:
        """Whether there is a node to talk to."""
        return bool(self._path)

    def event(self, kind: str, body: Mapping[str, Any] | None = None, *, telemetry: bool = False) -> bool:
        """Say that something happened; False outside Overstory. `telemetry`: the first to go when memory is short.

        ValueError for a kind that is none, or a body that JSON cannot say or that is longer than a line may be.
        """
        if not self._path:
            return False
        _wire.check_kind(kind)
        text = _wire.encode({"op": "event", "kind": kind, "body": dict(body or {})})
        with self._lock:
            self._add_event(text, telemetry=telemetry)
            self._start()
            self._send_some()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until the node has every event on its disk; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._outbox, timeout_s)

    def mark(self) -> int:
        """The number of the newest event, for `has_acknowledged`."""
        with self._lock:
            return self._outbox.next_number - 1

    def has_acknowledged(self, mark: int) -> bool:
        """Whether the node has every event up to `mark` on its disk."""
        with self._lock:
            return self._outbox.first_number > mark

    def ask(
        self, kind: str, body: Mapping[str, Any] | None = None, timeout_s: float = ASK_LIMIT_S
    ) -> dict[str, Any]:
        """The control plane's answer, out of one transaction. It may be asked twice when a connection is lost meanwhile.

        Raises NotSupervised, Refused with the code that was answered, and Unavailable within `timeout_s`.
        """
        _wire.check_kind(kind)
        fields = {"kind": kind, "body": dict(body or {}), "timeout_s": timeout_s}
        return self.request("ask", fields, timeout_s)[0]

    def lives(self, lives: Iterable[tuple[str, str, int]], timeout_s: float = ASK_LIMIT_S) -> list[str]:
        """Of each (node, key, incarnation): `running`, `ending`, `ended` (nothing of it is left), or `unknown`.

        Only lives of this program's own node are known here. Raises as `ask` does.
        """
        answer, _ = self.request("lives", {"lives": [list(life) for life in lives]}, timeout_s)
        return [str(each) for each in answer["lives"]]

    def gauges(self, values: Mapping[str, float]) -> bool:
        """Say how much there is of something now; only the newest value of each name counts. False outside Overstory."""
        if not self._path:
            return False
        with self._lock:
            self._gauges.update(values)
            self._start()
            self._send_some()
        return True

    def subscribe(self, topic: str, callback: Callback) -> bool:
        """Have `callback(push)` called for each push, in a thread of ours. It is called with `resync` at once, and again
        whenever pushes may have been missed: then the truth has to be asked for. False outside Overstory.
        """
        if not self._path:
            return False
        with self._lock:
            self._pushes.subscribe(topic, callback)
            self._start()
            if self._sock is not None:
                self._outgoing.add(self._pushes.line(topic))
                self._send_some()
        return True

    def close(self, timeout_s: float = 0.0) -> bool:
        """Flush, then end the threads; whether everything was acknowledged."""
        done = self.flush(timeout_s)
        with self._changed:
            self._closing = True
            self._pushes.close()
            self._notify()
            reader = self._reader
            self._changed.notify_all()
        if reader is not None and reader is not threading.current_thread():
            reader.join(timeout_s + 1.0)
        return done

    # -- asking -----------------------------------------------------------------------------------------------------

    def request(
        self, op: str, fields: dict[str, Any], timeout_s: float, payload: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """(result, raw bytes) of an answer."""
        if not self._path:
            raise NotSupervised("this program does not run under Overstory")
        with self._changed:
            self._last_id += 1
            number = self._last_id
            size = {"bytes": len(payload)} if payload else {}
            question = _Question(_wire.encode({"op": op, "id": number, **fields, **size}) + payload)
            self._questions[number] = question
            self._start()
            if self._sock is not None:
                self._outgoing.add(question.line)
                self._send_some()
            try:
                self._changed.wait_for(lambda: question.answer is not None or self._closing, timeout_s)
            finally:
                self._questions.pop(number, None)
        answer = question.answer
        if answer is None:
            raise Unavailable("gateway_unavailable", f"no answer from the node within {timeout_s:g} s")
        error = answer.get("error")
        if error is not None:
            raise _error(error)
        return answer.get("result") or {}, answer.get("payload", b"")

    # -- sending: the lock is held ----------------------------------------------------------------------------------

    def _add_event(self, text: bytes, *, telemetry: bool = False) -> None:
        number = self._outbox.next_number
        self._outbox.add(b'{"n":%d,' % number + text[1:], telemetry=telemetry)

    def _send_some(self) -> None:
        """Send what the socket takes now; the reader's thread sends the rest."""
        if self._sock is None:
            return
        try:
            while True:
                if not self._outgoing:
                    self._refill()
                if not self._outgoing:
                    return
                self._outgoing.send(self._sock)
        except BlockingIOError:
            self._notify()
        except OSError:
            self._notify()  # the reader finds out, too

    def _refill(self) -> None:
        if self._gauges:
            self._outgoing.add(_wire.encode({"op": "gauges", "values": self._gauges}))
            self._gauges = {}
        if time.monotonic() < self._paused_until:
            return
        while len(self._outgoing) < MAX_OUTGOING:
            line = self._outbox.next_unsent()
            if line is None:
                return
            self._outgoing.add(line)

    def _notify(self) -> None:
        """Wake the reader's thread."""
        if self._wake >= 0:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_write(self._wake, 1)

    # -- the reader's thread ----------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._reader = threading.Thread(target=self._run, name="overstory-channel", daemon=True)
        self._reader.start()

    def _run(self) -> None:
        delay = RETRY_S
        while not self._closing:
            self._was_greeted = False
            try:
                self._live()
            except (OSError, _wire.WireError):
                pass  # the node is away, or has nothing to say to us: we come again
            except Exception:  # noqa: BLE001  of a newer node, or a fault of ours: another connection is another try
                traceback.print_exc(file=sys.stderr)
            self._lost()
            delay = RETRY_S if self._was_greeted else min(delay * 2, RETRY_MAX_S)
            self._rest(delay)

    def _rest(self, seconds: float) -> None:
        """Half of it, and up to as much again by chance, so that a thousand programs do not come back at once."""
        until = time.monotonic() + seconds * (0.5 + os.urandom(1)[0] / 510)
        while not self._closing and (left := until - time.monotonic()) > 0:
            self._poll(None, left)

    def _live(self) -> None:
        """One connection, from its hello to its end. OSError, WireError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            self._connection = sock
            sock.setblocking(False)
            sock.connect(self._path)
            hello = {"op": "hello", "v": _wire.VERSION, "stream": self._stream, "sdk": __version__}
            sock.send(_wire.encode(hello))
            lines = _wire.Lines()
            while not self._closing:
                is_busy = self._sock is not None and len(self._outgoing) > 0
                if self._poll(sock, self._until_resume(), writing=is_busy):
                    data = sock.recv(READ_BYTES)
                    if not data:
                        return
                    lines.feed(data)
                while (message := lines.pop()) is not None:
                    self._take(message, sock)
                with self._lock:
                    self._resume()
                    self._send_some()

    def _until_resume(self) -> float | None:
        return max(0.0, self._paused_until - time.monotonic()) if self._paused_until else None

    def _poll(self, sock: socket.socket | None, timeout_s: float | None, *, writing: bool = False) -> bool:
        """Wait for the socket, a wake-up or the time; whether there is something to read."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if sock is not None:
            poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
        readable = False
        for fd, seen in poll.poll(None if timeout_s is None else timeout_s * 1000 + 1):
            if fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            elif seen & ~select.POLLOUT:
                readable = True
        return readable

    def _lost(self) -> None:
        """The connection is gone: what is not acknowledged or answered will be sent again."""
        with self._lock:
            self._sock = self._connection = None
            self._outgoing.clear()
            self._paused_until = 0.0

    def _take(self, message: dict[str, Any], sock: socket.socket) -> None:
        op = message["op"]
        with self._changed:
            if op == "acked":
                self._outbox.acknowledge(int(message["n"]))
                self._say_dropped()
                if not self._outbox:
                    self._changed.notify_all()
            elif op == "answer":
                question = self._questions.get(int(message["id"]))
                if question is not None:
                    question.answer = message
                    self._changed.notify_all()
            elif op == "push":
                self._pushes.take(message)
            elif op == "hello":
                self._greeted(message, sock)
            elif op == "event_refused":
                self._pause()
            elif op == "refused":
                raise _wire.WireError(str(message.get("message", "refused")))

    def _greeted(self, hello: dict[str, Any], sock: socket.socket) -> None:
        """The node knows us: everything that it lacks, in order; what was asked; what we want to hear."""
        self._outbox.acknowledge(int(hello["last"]))
        self._outbox.rewind()
        self._paused_until = 0.0
        self._was_greeted = True
        self._say_dropped()
        for line in self._pushes.lines():
            self._outgoing.add(line)
        for question in self._questions.values():
            self._outgoing.add(question.line)
        self._sock = sock
        if not self._outbox:
            self._changed.notify_all()

    def _say_dropped(self) -> None:
        """Once there is room again, so that saying it drops nothing more."""
        dropped = self._outbox.take_dropped() if self._outbox.has_room else None
        if dropped is not None:
            body = {"events": dropped.events, "telemetry": dropped.telemetry}
            self._add_event(_wire.encode({"op": "event", "kind": "sdk.dropped", "body": body}))

    def _pause(self) -> None:
        """The node's disk is full. Events wait here, everything else goes on."""
        self._paused_until = time.monotonic() + FULL_RETRY_S

    def _resume(self) -> None:
        if self._paused_until and time.monotonic() >= self._paused_until and self._sock is not None:
            self._paused_until = 0.0
            self._outbox.rewind()
            self._outgoing.add(_wire.encode({"op": "resume"}))


def _error(error: dict[str, Any]) -> Refused:
    details = {name: value for name, value in error.items() if name not in ("code", "message")}
    code, message = str(error.get("code", "internal")), str(error.get("message", ""))
    kind = Unavailable if code.endswith("_unavailable") else Refused
    return kind(code, message, details)


_CHANNELS: "weakref.WeakSet[Channel]" = weakref.WeakSet()
_default: Channel | None = None
_default_lock = threading.Lock()


def default() -> Channel:
    """The channel that all of this process shares."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Channel()
        return _default


def _forked() -> None:
    """In the child: its parent's connection is its parent's."""
    global _default_lock
    _default_lock = threading.Lock()
    for channel in list(_CHANNELS):
        sock, wake = channel._connection, channel._wake
        channel._reset()
        if sock is not None:
            sock.close()
        if wake >= 0:
            os.close(wake)


def _flush_at_exit() -> None:
    for channel in list(_CHANNELS):
        if channel._outbox and channel._started:
            channel.flush(EXIT_FLUSH_S)


os.register_at_fork(after_in_child=_forked)
atexit.register(_flush_at_exit)
