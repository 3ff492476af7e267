"""What a program wants to hear from its node, and the thread that tells it. The channel's lock is held around every call."""

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _wire

MAX_WAITING = 100_000
"""Pushes that no callback took yet; beyond, the oldest go, and what they hinted at has to be looked for anyway."""


@dataclass(frozen=True, slots=True)
class Push:
    """What the node says unasked: a hint to look, never the truth itself. `resync`: some may have been missed."""

    topic: str
    body: dict[str, Any]
    at: int = 0
    resync: bool = False


Callback = Callable[[Push], None]


@dataclass(slots=True)
class _Subscription:
    """`life` and `at`: the last push that came, so that what is missed is known."""

    callback: Callback
    life: str = ""
    at: int = 0


class Pushes:
    """The topics of one process. One thread runs all callbacks, in order; it starts with the first push."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}
        self._waiting: deque[tuple[Callback, Push]] = deque(maxlen=MAX_WAITING)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def subscribe(self, topic: str, callback: Callback) -> None:
        """One callback a topic: a later one takes its place, and hears everything from its beginning."""
        self._subscriptions[topic] = _Subscription(callback)

    def line(self, topic: str) -> bytes:
        """What asks the gateway for a topic, from where we are."""
        known = self._subscriptions[topic]
        since = {"life": known.life, "at": known.at}
        return _wire.encode({"op": "subscribe", "topic": topic, "since": since})

    def lines(self) -> list[bytes]:
        """All topics, for a new connection."""
        return [self.line(topic) for topic in self._subscriptions]

    def take(self, message: dict[str, Any]) -> None:
        """A push came."""
        known = self._subscriptions.get(str(message["topic"]))
        if known is None:
            return
        known.life, known.at = str(message.get("life", known.life)), int(message.get("at", known.at))
        push = Push(str(message["topic"]), message.get("body") or {}, known.at, bool(message.get("resync")))
        with self._changed:
            self._waiting.append((known.callback, push))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="overstory-pushes", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """The thread ends when everything was told."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                callback, push = self._waiting.popleft()
            try:
                callback(push)
            except Exception:  # noqa: BLE001  a program's own fault must not end what tells it of others
                traceback.print_exc(file=sys.stderr)
