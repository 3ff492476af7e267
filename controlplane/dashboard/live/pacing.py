"""Asks all connections of this process in one go what is due, so that who asks for the same gets the same frame.

A connection that asked by itself, whenever it came to it, would stand at a number of its own and need a frame of its own:
with a hundred pages open, making a hundred different frames of the same changes costs far more than sending them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.session import Close, Output, Session

log = logging.getLogger("overstory.live")

CALM_S = 0.01
"""Between two rounds: changes that come together are sent together."""
BROKEN = 1011


class Line:
    """What a session has to say, on its way to the socket. While something is, nothing more is asked of the session: the
    next frame then covers all of it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._outputs: list[Output] = []
        self._given = asyncio.Event()
        self._is_busy = False
        self._was_passed = False

    def is_ready(self) -> bool:
        """Whether its session may be asked now."""
        self._was_passed = self._is_busy
        return not self._is_busy

    def is_free(self) -> bool:
        """What was taken is sent. Whether the session was passed over meanwhile."""
        self._is_busy = bool(self._outputs)
        return self._was_passed

    def give(self, outputs: Sequence[Output]) -> None:
        if outputs:
            self._outputs += outputs
            self._is_busy = True
            self._given.set()

    async def take(self) -> list[Output]:
        """Waits until there is something; the line is busy until `is_free` is called."""
        await self._given.wait()
        self._given.clear()
        outputs, self._outputs = self._outputs, []
        return outputs


class Pacer:
    """`run` until cancelled. Everything happens in one event loop."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.lines: set[Line] = set()
        self._changed = asyncio.Event()

    def soon(self) -> None:
        """Something may be due that was not."""
        self._changed.set()

    async def run(self) -> None:
        self.hub.listen(self.soon)
        try:
            while True:
                self._changed.clear()
                wait_s = self.round() - self.hub.clock.boot()
                if wait_s > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), min(wait_s, 3600.0))
                await asyncio.sleep(CALM_S)
        finally:
            self.hub.unlisten(self.soon)

    def round(self) -> float:
        """Give every line what is due; when to ask again if nothing happens until then, seconds since boot."""
        now = self.hub.clock.boot()
        again = float("inf")
        for line in self.lines:
            if not line.is_ready():
                continue
            try:
                outputs, when = line.session.due(now=now)
            except Exception:  # one connection's trouble is not the others'
                log.exception("a connection is closed")
                outputs, when = [Close(BROKEN)], float("inf")
            line.give(outputs)
            again = min(again, when)
        return again
