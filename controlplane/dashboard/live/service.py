"""The live data of this process: one hub, one reader, the open connections. Started by the first who needs it."""

import asyncio
import logging
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
    _loop: asyncio.AbstractEventLoop | None = None
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def ensure(self) -> Reader:
        """The running reader. Whatever does not run in this loop is started, also what ended."""
        loop = asyncio.get_running_loop()
        if self.reader is None or self._loop is not loop:
            self._loop, self._tasks = loop, {}
            self.reader = Reader(self.hub, settings.LIVE_REDIS_URL)
            self.pacer = Pacer(self.hub)
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "live reader": self.reader.run,
            "live pacer": self.pacer.run,
            "live ticks": lambda: ticks.follow(self.recheck),
            "live traffic": lambda: publish(settings.LIVE_REDIS_URL, self.traffic),
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
        try:
            await asyncio.wait_for(reader.loaded.wait(), LOADED_WITHIN_S)
        except TimeoutError:
            log.warning("live data is not read yet: PostgreSQL does not answer")

    async def stop(self) -> None:
        """End the reader, within its own deadlines."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.reader = None

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
