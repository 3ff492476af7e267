"""Two agents: one that counts, and one that tells the time. Kill them as you like."""

import asyncio
import datetime
from collections.abc import Mapping
from typing import Any

from overstory.agent import Agent


class Counter(Agent):
    """Counts from 1 in every life."""

    async def init(self, arguments: Mapping[str, Any]) -> None:
        self.every_s = float(arguments.get("every_s", 1))

    async def run(self) -> None:
        count = 0
        while True:
            count += 1
            self.status(f"{count} in life {self.incarnation}")
            await asyncio.sleep(self.every_s)


class Clock(Agent):
    """An agent without coroutines: it waits in `wait_stopping`."""

    def run(self) -> None:
        while True:
            self.status(datetime.datetime.now(datetime.UTC).strftime("%H:%M UTC"))
            if self.wait_stopping(10):
                return
