"""What this process's live connections carry, counted here and told through Redis.

`/metrics` is answered by whichever process took the request, so each one leaves its counts where all can read them. Counts
begin at zero with the process, as a counter may. What an ended process left is not told any more after FRESH_S.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import redis
import redis.asyncio
from redis.exceptions import RedisError

from supervision.runtime.clock import SystemClock

KEY = "overstory:live:traffic"
"""A hash: node and process -> counts."""
EVERY_S = 2.0
FRESH_S = 15.0
FORGET_S = 3600.0
READ_S = 1.0
AWAY = (RedisError, OSError, TimeoutError)


@dataclass(slots=True)
class Traffic:
    """Since the process began. `clients`: connections now; `bytes`: text before compression."""

    clients: int = 0
    resyncs: int = 0
    frames: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One process's counts. `process`: such as `web@1`."""

    node: str
    process: str
    counts: dict[str, int]


async def publish(url: str, traffic: Traffic) -> None:
    """Leave the counts, until cancelled. A Redis that is away is tried again."""
    key = os.environ.get("OVERSTORY_CHILD", "web")
    node, process = os.environ.get("OVERSTORY_NODE", ""), key.rpartition("/")[2]
    clock = SystemClock()
    client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=READ_S, socket_timeout=READ_S)
    try:
        while True:
            told = {"node": node, "process": process, "at": clock.wall(), "counts": asdict(traffic)}
            with contextlib.suppress(*AWAY):  # the next one says all of it
                await client.hset(KEY, f"{node}/{process}", orjson.dumps(told).decode())
            await asyncio.sleep(EVERY_S)
    finally:
        await client.aclose()


def told(url: str) -> list[Told]:
    """What every process said lately; nothing while Redis is away. Forgets those that are long gone."""
    now = SystemClock().wall()
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=READ_S, socket_timeout=READ_S) as client:
            found: Any = client.hgetall(KEY)
            read = list(_read(found))
            gone = [field for field, body in read if now - float(body["at"]) > FORGET_S]
            if gone:
                client.hdel(KEY, *gone)
    except AWAY:
        return []
    return [
        Told(
            str(body["node"]),
            str(body["process"]),
            {name: int(count) for name, count in body["counts"].items()},
        )
        for _field, body in sorted(read)
        if now - float(body["at"]) <= FRESH_S
    ]


def _read(found: dict[bytes, bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in found.items():
        yield name.decode(), orjson.loads(text)
