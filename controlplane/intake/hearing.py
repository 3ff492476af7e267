"""Hears over Redis which keys and projects were changed, for as long as the process serves."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable

import redis.asyncio
from redis.exceptions import RedisError

from controlplane.intake.telling import CHANNEL

log = logging.getLogger("overstory.intake")

AWAY = (RedisError, OSError, TimeoutError)
QUIET_S = 5.0
"""Without a word for so long, Redis is asked whether it is there; without an answer for as long again, it is away."""
CONNECT_WITHIN_S = 5.0
AGAIN_S, MOST_AGAIN_S = 0.5, 15.0
"""Between two tries, the first and, doubled each time, the longest."""


class Hearing:
    """One owner, an event loop: `start` and `stop` in the same. `changed` hears of each change, `missed` each time when some
    may have gone by: whenever we begin to listen."""

    def __init__(
        self, redis_url: str, *, changed: Callable[[int, str], None], missed: Callable[[], None]
    ) -> None:
        self._url, self._changed, self._missed = redis_url, changed, missed
        self._task: asyncio.Task[None] | None = None
        self._again_s = AGAIN_S

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        is_away = False
        while True:
            try:
                await self._listen()
            except AWAY as error:
                if not is_away:
                    log.warning("Redis tells of no changed keys: %s", type(error).__name__)
                is_away = self._again_s > AGAIN_S
            except Exception:
                log.exception("changed keys cannot be heard of; it is tried again")
            await asyncio.sleep(self._again_s)
            self._again_s = min(self._again_s * 2, MOST_AGAIN_S)

    async def _listen(self) -> None:
        """Never returns; raises one of AWAY when Redis is lost."""
        client = redis.asyncio.Redis.from_url(
            self._url, socket_connect_timeout=CONNECT_WITHIN_S, client_name="overstory-intake"
        )
        try:
            async with client.pubsub() as subscription:
                await subscription.subscribe(CHANNEL)
                is_asked = False
                while True:
                    message = await subscription.get_message(timeout=QUIET_S)
                    if message is not None:
                        is_asked = False
                        self._hear(message["type"], message["data"])
                    elif is_asked:
                        raise TimeoutError
                    else:
                        is_asked = True
                        await subscription.ping()
        finally:
            await client.aclose()

    def _hear(self, kind: str, data: object) -> None:
        if kind == "subscribe":
            self._again_s = AGAIN_S
            self._missed()
        elif kind == "message" and isinstance(data, bytes):
            with contextlib.suppress(ValueError, TypeError, KeyError):  # no message of ours
                said = json.loads(data)
                self._changed(int(said["project"]), str(said["key"]))
