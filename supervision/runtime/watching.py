"""Clients that want to hear of changes: streams of hints, and requests that wait for a state.

Level, not edge: a hint says that something is different, at most ten times a second; what it is the client reads again.
"""

from collections.abc import Callable
from typing import Any

from supervision.runtime.control import ControlError, Request
from supervision.runtime.loop import Loop

HINT_EVERY_S = 0.1

Probe = Callable[[], Any]
"""The answer once there is one, None before."""


class Watching:
    """Tells those who asked. `sequence` is the number of the newest record."""

    def __init__(self, loop: Loop, sequence: Callable[[], int]) -> None:
        self._loop, self._sequence = loop, sequence
        self._watchers: set[Request] = set()
        self._waiting: dict[Request, Probe] = {}
        self._hinting = False

    def watch(self, request: Request) -> None:
        """A hint now, and one whenever something changed."""
        self._watchers.add(request)
        request.on_close = lambda: self._watchers.discard(request)
        request.event({"seq": self._sequence()})

    def wait(self, request: Request, probe: Probe, *, timeout_s: float, otherwise: str) -> None:
        """Answer what `probe` says once it says something; `unavailable`, with `otherwise`, after `timeout_s`."""
        result = probe()
        if result is not None:
            request.answer(result)
            return

        def give_up() -> None:
            self._waiting.pop(request, None)
            request.refuse(ControlError("unavailable", otherwise))

        timer = self._loop.call_later(timeout_s, give_up)

        def forget() -> None:
            self._waiting.pop(request, None)
            timer.cancel()

        request.on_close = forget
        self._waiting[request] = probe

    def changed(self) -> None:
        """Something a page shows is different."""
        if (self._watchers or self._waiting) and not self._hinting:
            self._hinting = True
            self._loop.call_later(HINT_EVERY_S, self._hint)

    def _hint(self) -> None:
        self._hinting = False
        seq = self._sequence()
        for request in list(self._watchers):
            request.event({"seq": seq})
        for request, probe in list(self._waiting.items()):
            result = probe() if request.open else None
            if result is not None:
                if request.on_close is not None:
                    request.on_close()
                request.answer(result)
