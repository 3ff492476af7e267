"""Being asked to stop, at any moment: Ctrl-C, SIGTERM, or the terminal going away."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from supervision.runtime.clock import Clock

SAME_S = 1.0
"""Signals that come nearer together are one request: a closed terminal sends SIGHUP itself, and its shell sends it again."""


class StopAsked(BaseException):
    """A stop signal came. Not an Exception: nothing that handles errors may swallow it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class StopSignals:
    """Counts stop signals; inside `interrupting()` the first one raises StopAsked where the program waits.

    Outside it a signal is only counted, so that starting a process is never cut in half; the next `interrupting()` raises.
    `count` is the number of requests, not of signals.
    """

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = -SAME_S
        self.count = 0
        self.last = ""
        self._raising = False

    def install(self) -> None:
        for number in self.NUMBERS:
            signal.signal(number, self._handle)

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        self._raising = True
        try:
            if self.count:
                raise StopAsked(self.last)
            yield
        finally:
            self._raising = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = self._clock.boot()
        if now - self._latest >= SAME_S:
            self._latest = now
            self.count += 1
            self.last = signal.Signals(number).name
        if self._raising:
            self._raising = False
            raise StopAsked(self.last)
