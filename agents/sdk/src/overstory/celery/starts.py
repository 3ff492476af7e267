"""That a task has begun, told when it has been running for a moment: what ended before tells with its end since when it ran.

Of tasks that take milliseconds this is every second event that a worker, its node and the store would have to handle. Of
supervised tasks it is none at all: the control plane gave the attempt its epoch, and knows.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

AFTER_S = 0.1

Body = dict[str, Any]
"""Of a `task.started`. Any: JSON."""
Key = tuple[str, int]
"""Id and attempt."""


@dataclass(slots=True)
class Starts:
    """Thread-safe. `tell` is called for what has been running for AFTER_S, in the order in which it began."""

    tell: Callable[[Body], object]
    _waiting: dict[Key, tuple[float, Body]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begun(self, body: Body) -> None:
        """It began just now."""
        with self._lock:
            self._waiting[_key(body)] = (time.monotonic(), body)
        self.tell_older()

    def ended(self, body: Body) -> None:
        """What is told of its end says all there is."""
        with self._lock:
            self._waiting.pop(_key(body), None)

    def tell_older(self, than_s: float = AFTER_S) -> None:
        """Called now and then; with 0.0 nothing is left untold."""
        now = time.monotonic()
        with self._lock:  # held as they are told, so that no end comes before its beginning
            while self._waiting:
                key, (at, body) = next(iter(self._waiting.items()))
                if now - at < than_s:
                    return
                del self._waiting[key]
                self.tell(body)


def _key(body: Body) -> Key:
    return str(body["id"]), int(body["attempt"])
