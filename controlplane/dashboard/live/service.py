"""The live data of this process: one hub, one reader, the open connections.

The reader stands by from the process's start, and with whatever is asked for: a page that finds its tables read shows them
in milliseconds, where reading a large fleet anew takes a second. It rests after a while in which nobody was there.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from controlplane.dashboard.live import ticks
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.pacing import Pacer
from controlplane.dashboard.live.reader import Reader
from controlplane.operations.traffic import Traffic, publish

log = logging.getLogger("overstory.live")

MOST_SOCKETS = 8
"""Of one user, in one process."""
LOADED_WITHIN_S = 5.0
BEGUN_WITHIN_S = 0.5
REST_AFTER_S = 600.0
"""Without a connection and without a page. A poll each second costs little, but all day and for each process."""
PATIENCE_S = 3.0
"""How long a page waits for tables that are being read: PostgreSQL would not answer it sooner than the reader."""


def site_link(path: str) -> str:
    """An address below the site's root, with the prefix that a proxy knows us by."""
    return f"{settings.FORCE_SCRIPT_NAME or ''}/{path}"


@dataclass
class Live:
    """Bound to one event loop; `ensure` is called inside it, and gives the hub its reader and its pacer."""

    hub: Hub = field(default_factory=lambda: Hub(link=site_link))
    sockets: dict[int, int] = field(default_factory=dict)
    rechecks: set[Callable[[], None]] = field(default_factory=set)
    reader: Reader | None = None
    pacer: Pacer = field(init=False)
    traffic: Traffic = field(default_factory=Traffic)
    _kept_at: float = 0.0
    """When somebody was there last, seconds since boot; who is connected is there."""
    _began_at: float = float("-inf")
    _loop: asyncio.AbstractEventLoop | None = None
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def ensure(self) -> Reader:
        """The running reader. Whatever does not run in this loop is started, also what ended."""
        loop = asyncio.get_running_loop()
        if self.reader is None or self._loop is not loop:
            self._loop, self._tasks = loop, {}
            self.reader = Reader(self.hub, settings.LIVE_REDIS_URL)
            self.pacer = Pacer(self.hub)
            self._began_at = self._kept_at = self.hub.clock.boot()
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "live reader": self.reader.run,
            "live pacer": self.pacer.run,
            "live ticks": lambda: ticks.follow(self.recheck),
            "live traffic": lambda: publish(settings.LIVE_REDIS_URL, self.traffic),
            "live rest": self._rest,
        }
        for name, work in works.items():
            if name not in self._tasks:
                self._tasks[name] = loop.create_task(work(), name=name)
                self._tasks[name].add_done_callback(self._ended)
        return self.reader

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(task.get_name()) is task:
            del self._tasks[task.get_name()]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended: it starts again with the next who asks", task.get_name(), exc_info=error)

    async def loaded(self) -> None:
        """Waits until everything was read once, or a while: a store may be away."""
        reader = self.ensure()
        self._kept_at = self.hub.clock.boot()
        try:
            await asyncio.wait_for(reader.loaded.wait(), LOADED_WITHIN_S)
        except TimeoutError:
            log.warning("live data is not read yet: PostgreSQL does not answer")

    async def stop(self) -> None:
        """End the reader, within its own deadlines. Whoever asks meanwhile gets another one."""
        tasks = [task for task in self._tasks.values() if task is not asyncio.current_task()]
        self.reader, self._tasks = None, {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _rest(self) -> None:
        """Ends the reader once nobody was there for long."""
        left_s = REST_AFTER_S
        while left_s > 0:
            await asyncio.sleep(left_s)
            if self.pacer.lines:
                self._kept_at = self.hub.clock.boot()
            left_s = self._kept_at + REST_AFTER_S - self.hub.clock.boot()
        await self.stop()

    def keep(self) -> None:
        """A page is made, in a thread: the reader goes on, or begins. Nothing in a process that serves no pages."""
        loop, kept = self._loop, threading.Event()
        if loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(self._keep, kept)
            if self.reader is None:
                kept.wait(BEGUN_WITHIN_S)

    def _keep(self, kept: threading.Event) -> None:
        self.ensure()
        self._kept_at = self.hub.clock.boot()
        kept.set()

    def is_read(self) -> bool:
        """`is_current`, for a thread that makes a page; waits for a reader that has just begun."""
        reader = self.reader
        if reader is not None and not self.is_current():
            reader.is_loaded.wait(max(0.0, self._began_at + PATIENCE_S - self.hub.clock.boot()))
        return self.is_current()

    def is_current(self) -> bool:
        """Whether the tables were equal to PostgreSQL a moment ago: pages may show them instead of asking again."""
        rows = self.hub.ages_body()["rows"]
        return rows is not None and rows < 3.0

    def admit(self, user_id: int) -> bool:
        """Count a connection of this user; False when it has as many as it may."""
        if self.sockets.get(user_id, 0) >= MOST_SOCKETS:
            return False
        self.sockets[user_id] = self.sockets.get(user_id, 0) + 1
        return True

    def release(self, user_id: int) -> None:
        left = self.sockets.get(user_id, 1) - 1
        if left > 0:
            self.sockets[user_id] = left
        else:
            self.sockets.pop(user_id, None)

    def recheck(self) -> None:
        """Somebody's rights changed: every connection asks again who it is."""
        for again in tuple(self.rechecks):
            again()


LIVE = Live()
