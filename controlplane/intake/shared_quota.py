"""A project's quota, shared by all web processes of all hosts: one bucket for each project and category, in Redis.

A process does not ask for each report: it takes a bite of the bucket, and gives reports of it. What it took and did not give
within HELD_S is lost to the project, at most a hundredth of its minute for each process. While Redis does not answer each
process has its own part of the quota (quota.py): reports are not refused because of a store that is away.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from controlplane.intake.quota import MOST, Quota

log = logging.getLogger("overstory.intake")

WITHIN_S = 0.25
AGAIN_S = 2.0
"""A Redis that did not answer is not asked for so long."""
BITE = 0.01
MOST_BITE = 1000
HELD_S = 5.0
CLOSED_S = 0.5
"""An empty bucket is not asked again for so long."""
TAKE = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local most, bite, need = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local row = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(row[1]) or most, tonumber(row[2]) or now
tokens = math.min(most, tokens + math.max(0, now - at) * most / 60)
local granted = math.min(bite, math.floor(tokens))
if granted < need then granted = 0 end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - granted), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], 120000)
return {granted, math.ceil(math.max(0, need - tokens) * 60000 / most)}
"""
"""KEYS[1]: the bucket. ARGV: tokens a minute, how many are wanted, how many are needed. Answers: how many are given, and
milliseconds until as many as are needed will be there."""


@dataclass(slots=True)
class _Held:
    """What this process took of a bucket and has not given yet; `closed_until`: there was nothing; there will be then."""

    tokens: float = 0.0
    until: float = 0.0
    asked_again_at: float = 0.0
    closed_until: float = 0.0


class SharedQuota:
    """One owner, an event loop; `close` in the same. `clock` is monotonic, in seconds."""

    def __init__(self, redis_url: str, local: Quota, clock: Callable[[], float]) -> None:
        self._url, self._local, self._clock = redis_url, local, clock
        self._held: OrderedDict[tuple[int, str], _Held] = OrderedDict()
        self._away_until = float("-inf")
        self._client: redis.asyncio.Redis | None = None
        self._script: Any = None

    async def take(self, project: int, category: str, count: int, per_minute: int) -> float:
        """Take `count`; 0.0 when they were there, else the seconds until they will be, and nothing is taken."""
        now = self._clock()
        if now < self._away_until:
            return await self._local.take(project, category, count, per_minute)
        held = self._of(project, category)
        if now >= held.until:
            held.tokens = 0.0
        need = min(count, per_minute)
        if held.tokens < need:
            if now < held.asked_again_at:
                return max(1.0, held.closed_until - now)
            try:
                async with asyncio.timeout(WITHIN_S):
                    granted, wait_ms = await self._ask(project, category, need, per_minute)
            except (RedisError, OSError, TimeoutError) as error:
                self._away(error, now)
                return await self._local.take(project, category, count, per_minute)
            if not granted:
                held.asked_again_at, held.closed_until = now + CLOSED_S, now + wait_ms / 1000
                return max(1.0, wait_ms / 1000)
            held.tokens, held.until = held.tokens + granted, now + HELD_S
        held.tokens -= need
        return 0.0

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _of(self, project: int, category: str) -> _Held:
        held = self._held.get((project, category))
        if held is None:
            held = self._held[project, category] = _Held()
        self._held.move_to_end((project, category))
        while len(self._held) > MOST:
            self._held.popitem(last=False)
        return held

    async def _ask(self, project: int, category: str, need: int, per_minute: int) -> tuple[int, int]:
        if self._client is None:
            self._client = redis.asyncio.Redis.from_url(
                self._url, socket_timeout=WITHIN_S, socket_connect_timeout=WITHIN_S
            )
            self._script = self._client.register_script(TAKE)
        bite = max(need, min(int(per_minute * BITE), MOST_BITE))
        granted, wait_ms = await self._script(
            keys=[f"overstory:errors:quota:{project}:{category}"], args=[per_minute, bite, need]
        )
        return int(granted), int(wait_ms)

    def _away(self, error: BaseException, now: float) -> None:
        if self._away_until == float("-inf"):
            log.warning("Redis counts no reports, each process counts its own: %s", type(error).__name__)
        self._away_until = now + AGAIN_S
