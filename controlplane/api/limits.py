"""How many requests somebody may send: a token bucket (GCRA) for each principal, in one Lua script on Redis' own clock.

Fails open: with Redis away requests pass uncounted, because an operator who cannot act is worse than one who acts too often.
"""

import functools
import logging
import time
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from rest_framework.request import Request

from controlplane.access.policy import Principal

log = logging.getLogger("overstory.api")

TIMEOUT_S = 0.25
"""A limiter must never be what makes a request slow."""

TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local every, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
if spent + every > now + size then
  return {0, 0, spent + every - size - now}
end
spent = spent + every
redis.call('SET', KEYS[1], string.format('%.0f', spent), 'PX', math.ceil((spent - now) / 1000) + 1000)
return {1, math.floor((now + size - spent) / every), spent - now}
"""
"""KEYS[1] holds when the bucket is full again, in microseconds; ARGV: one request's cost and the bucket's size, the same.
Answers: taken, how many are left, and microseconds until it is full (or until the next one, when none was left)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`quota` requests for each `window_s` seconds, all at once if need be."""

    name: str
    quota: int
    window_s: int

    @property
    def policy(self) -> str:
        """The RateLimit-Policy header."""
        return f'"{self.name}";q={self.quota};w={self.window_s}'


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request found. `wait_s`: seconds until the bucket is full, or until there is one again."""

    limit: Limit
    allowed: bool
    left: int
    wait_s: int

    @property
    def headers(self) -> dict[str, str]:
        found = {
            "RateLimit-Policy": self.limit.policy,
            "RateLimit": f'"{self.limit.name}";r={self.left};t={self.wait_s}',
        }
        if not self.allowed:
            found["Retry-After"] = str(max(1, self.wait_s))
        return found


def limit_of(method: str) -> Limit:
    """Reads and changes have buckets of their own: a page that reads much must not keep its user from acting."""
    name = "read" if method in ("GET", "HEAD", "OPTIONS") else "write"
    return Limit(name, settings.API_LIMITS[name], 60)


_away_until = [0.0]
"""time.perf_counter() before which a Redis that did not answer is not asked again."""
ASK_AGAIN_S = 1.0


def forget() -> None:
    """Ask Redis anew, wherever the settings say it is."""
    _client.cache_clear()
    _away_until[0] = 0.0


@functools.cache
def _client() -> tuple[Any, Any]:
    client = redis.Redis.from_url(
        settings.CONNECTIONS.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )
    return client, client.register_script(TAKE)


def take(principal: Principal, request: Request) -> Taken | None:
    """Take one request from the principal's bucket; None when Redis does not answer."""
    limit = limit_of(request.method or "GET")
    every = limit.window_s * 1_000_000 // limit.quota
    if time.perf_counter() < _away_until[0]:
        return None
    try:
        _redis, script = _client()
        taken, left, wait = script(
            keys=[f"overstory:limit:{limit.name}:{principal.caller}"], args=[every, every * limit.quota]
        )
    except redis.RedisError as error:
        _away_until[0] = time.perf_counter() + ASK_AGAIN_S
        log.warning("the limiter lets everything pass: %s", type(error).__name__)
        return None
    return Taken(limit, bool(taken), int(left), -(-int(wait) // 1_000_000))
