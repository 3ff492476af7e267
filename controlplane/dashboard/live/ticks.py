"""Ticks between server processes over the channel layer: "rights changed, ask again". They carry no rows.

The layer may lose one, or be away: connections check each minute anyway.
"""

import asyncio
import random
from collections.abc import Callable

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from controlplane.access.notices import GROUP

AWAY = (RedisError, OSError, TimeoutError)
JOIN_AGAIN_S = 3600.0


async def follow(told: Callable[[], None]) -> None:
    """Call `told` for each tick, until cancelled."""
    wait_s = 0.5
    while True:
        try:
            await _receive(told)
        except AWAY:
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - spreads, hides nothing
            wait_s = min(15.0, wait_s * 2)
        else:
            wait_s = 0.5


async def _receive(told: Callable[[], None]) -> None:
    layer = get_channel_layer()
    if layer is None:
        await asyncio.sleep(JOIN_AGAIN_S)
        return
    channel = await layer.new_channel("live")
    await layer.group_add(GROUP, channel)
    told()  # what was said while we were not there
    try:
        async with asyncio.timeout(JOIN_AGAIN_S):
            while True:
                await layer.receive(channel)
                told()
    except TimeoutError:
        return
