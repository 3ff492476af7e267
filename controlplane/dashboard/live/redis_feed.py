"""Hints and samples from Redis, for as long as the connection stands."""

from collections.abc import Callable
from typing import Any

import orjson
import redis.asyncio
from redis.exceptions import RedisError

HINTS = "overstory:hint"
SAMPLES = "overstory:samples:"
LINES = "overstory:lines:"
AWAY = (RedisError, OSError, TimeoutError)


async def follow(
    url: str,
    *,
    hinted: Callable[[], None],
    sampled: Callable[[str, dict[str, Any]], None],
    said: Callable[[str, dict[str, Any]], None],
) -> None:
    """Never returns; raises one of AWAY when Redis is lost. What is no message of ours is left out."""
    client = redis.asyncio.Redis.from_url(
        url, socket_connect_timeout=5, socket_timeout=10, health_check_interval=5
    )
    try:
        async with client.pubsub() as subscription:
            await subscription.subscribe(HINTS)
            await subscription.psubscribe(f"{SAMPLES}*", f"{LINES}*")
            while True:
                message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5.0)
                if message is None:
                    continue
                channel = message["channel"].decode()
                if channel == HINTS:
                    hinted()
                elif channel.startswith(SAMPLES) and (body := _object(message["data"])) is not None:
                    sampled(channel.removeprefix(SAMPLES), body)
                elif channel.startswith(LINES) and (body := _object(message["data"])) is not None:
                    said(channel.removeprefix(LINES), body)
    finally:
        await client.aclose()


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None
