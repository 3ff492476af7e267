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
import os
import threading
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from . import _wire
from ._connection import Connection
from ._conversation import Conversation
from ._pushes import Callback, Push
from .errors import NotSupervised, Refused, Unavailable

__all__ = ["ASK_LIMIT_S", "Callback", "Channel", "Push", "default"]

SOCKET_VARIABLE = "OVERSTORY_SOCKET"
ASK_LIMIT_S = 5.0
EXIT_FLUSH_S = 2.0


class Channel:
    """See the module's docstring. `path`: of the socket; by default what OVERSTORY_SOCKET says."""

    def __init__(self, path: str | None = None) -> None:
        self._path = os.environ.get(SOCKET_VARIABLE, "") if path is None else path
        self.key = os.environ.get("OVERSTORY_CHILD", "")
        self.incarnation = int(os.environ.get("OVERSTORY_INCARNATION", "0") or 0)
        self.node = os.environ.get("OVERSTORY_NODE", "")
        self._reset()
        _CHANNELS.add(self)
        if self._path:
            _watch_forks()

    def _reset(self) -> None:
        """A new stream, nothing sent, nothing started. Locks too: another thread may have held one when we were forked."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._talk = Conversation()
        self._connection = Connection(self._path, self._talk, self._changed)

    # -- what programs call -----------------------------------------------------------------------------------------

    @property
    def is_supervised(self) -> bool:
        """Whether there is a node to talk to."""
        return bool(self._path)

    def event(
        self,
        kind: str,
        body: Mapping[str, Any] | None = None,
        *,
        telemetry: bool = False,
        can_wait: bool = False,
    ) -> bool:
        """Say that something happened; False outside Overstory. `telemetry`: the first to go when memory is short.

        `can_wait`: a moment (SOON_S), so that many are sent at once. A program that is killed meanwhile never said it.

        ValueError for a kind that is none, or a body that JSON cannot say or that is longer than a line may be.
        """
        if not self._path:
            return False
        _wire.check_kind(kind)
        text = _wire.encode({"op": "event", "kind": kind, "body": dict(body or {})})
        with self._lock:
            self._talk.add_event(text, telemetry=telemetry)
            self._connection.start()
            if can_wait:
                self._connection.send_soon()
            else:
                self._connection.send_some()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until the node has every event on its disk; whether it has."""
        with self._changed:
            self._connection.send_some()
            return self._changed.wait_for(lambda: not self._talk.outbox, timeout_s)

    def _flush_counters(self, timeout_s: float) -> None:
        """Wait until the node was sent what was counted."""
        with self._changed:
            if self._talk.counters.hurry():
                self._connection.wake()
                self._changed.wait_for(
                    lambda: self._talk.counters.due is None and not self._talk.outgoing, timeout_s
                )

    def mark(self) -> int:
        """The number of the newest event, for `has_acknowledged`."""
        with self._lock:
            return self._talk.outbox.next_number - 1

    def has_acknowledged(self, mark: int) -> bool:
        """Whether the node has every event up to `mark` on its disk."""
        with self._lock:
            return self._talk.outbox.first_number > mark

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
            self._talk.gauges.update(values)
            self._connection.start()
            self._connection.send_some()
        return True

    def count(self, more: Mapping[str, float]) -> bool:
        """Say that so much more of something happened. Each name counts from zero in each life; the totals of all processes
        of a life are added up. Sent twice a second at most. False outside Overstory. ValueError for a negative number.
        """
        if not self._path:
            return False
        with self._lock:
            was_due = self._talk.counters.due is not None
            self._talk.counters.add(more)
            self._connection.start()
            if not was_due:
                self._connection.wake()
        return True

    def subscribe(self, topic: str, callback: Callback) -> bool:
        """Have `callback(push)` called for each push, in a thread of ours. It is called with `resync` at once, and again
        whenever pushes may have been missed: then the truth has to be asked for. False outside Overstory.
        """
        if not self._path:
            return False
        with self._lock:
            self._talk.pushes.subscribe(topic, callback)
            self._connection.start()
            if self._connection.is_greeted:
                self._talk.outgoing.add(self._talk.pushes.line(topic))
                self._connection.send_some()
        return True

    def keep_saying(self, name: str, op: str, fields: Mapping[str, Any]) -> None:
        """Have the node know something as long as this process lives: said now, and anew on each connection. Nobody waits
        for what it answers."""
        if not self._path:
            return
        line = _wire.encode({"op": op, "id": 0, **fields})
        with self._lock:
            self._talk.standing[name] = line
            self._connection.start()
            if self._connection.is_greeted:
                self._talk.outgoing.add(line)
                self._connection.send_some()

    def unsay(self, name: str) -> None:
        """It does not hold any more."""
        with self._lock:
            self._talk.standing.pop(name, None)

    def close(self, timeout_s: float = 0.0) -> bool:
        """Flush, then end the threads; whether everything was acknowledged."""
        done = self.flush(timeout_s)
        self._flush_counters(timeout_s)
        with self._changed:
            self._talk.pushes.close()
            self._connection.close()
            self._changed.notify_all()
        self._connection.join(timeout_s + 1.0)
        return done

    # -- asking -----------------------------------------------------------------------------------------------------

    def request(
        self, op: str, fields: dict[str, Any], timeout_s: float, payload: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """(result, raw bytes) of an answer."""
        if not self._path:
            raise NotSupervised("this program does not run under Overstory")
        with self._changed:
            number, question = self._talk.ask(op, fields, payload)
            self._connection.start()
            if self._connection.is_greeted:
                self._talk.outgoing.add(question.line)
                self._connection.send_some()
            try:
                self._changed.wait_for(
                    lambda: question.answer is not None or self._connection.closing, timeout_s
                )
            finally:
                self._talk.questions.pop(number, None)
        answer = question.answer
        if answer is None:
            raise Unavailable("gateway_unavailable", f"no answer from the node within {timeout_s:g} s")
        error = answer.get("error")
        if error is not None:
            raise _error(error)
        return answer.get("result") or {}, answer.get("payload", b"")


def _error(error: dict[str, Any]) -> Refused:
    details = {name: value for name, value in error.items() if name not in ("code", "message")}
    code, message = str(error.get("code", "internal")), str(error.get("message", ""))
    kind = Unavailable if code.endswith("_unavailable") else Refused
    return kind(code, message, details)


_CHANNELS: "weakref.WeakSet[Channel]" = weakref.WeakSet()
_default: Channel | None = None
_default_lock = threading.Lock()
_watches_forks = False


def default() -> Channel:
    """The channel that all of this process shares."""
    global _default
    _watch_forks()
    with _default_lock:
        if _default is None:
            _default = Channel()
        return _default


def _forked() -> None:
    """In the child: its parent's connection is its parent's."""
    global _default_lock
    _default_lock = threading.Lock()
    for channel in list(_CHANNELS):
        parents = channel._connection
        channel._reset()
        parents.abandon()


def _watch_forks() -> None:
    """From the first channel on that leads somewhere: a template has none, and each fork of it would pay for this."""
    global _watches_forks
    if not _watches_forks:
        _watches_forks = True
        os.register_at_fork(after_in_child=_forked)


def _flush_at_exit() -> None:
    for channel in list(_CHANNELS):
        if channel._connection.started:
            channel.flush(EXIT_FLUSH_S)
            channel._flush_counters(EXIT_FLUSH_S)


atexit.register(_flush_at_exit)
