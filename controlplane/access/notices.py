"""Tells every server process that somebody's rights changed, so that open pages ask again at once.

A tick over the channel layer; it may be lost, or the layer away: open connections check each minute anyway.
"""

import asyncio
import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

log = logging.getLogger("overstory.access")

GROUP = "overstory.access"
SEND_WITHIN_S = 2.0


def rights_change() -> None:
    """To be told once the transaction that is open now is committed."""
    transaction.on_commit(tell, robust=True)


def tell() -> None:
    """Never fails."""
    try:
        async_to_sync(_send)()
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("open pages are checked within a minute, not at once: %s", error)


async def _send() -> None:
    layer = get_channel_layer()
    if layer is not None:
        await asyncio.wait_for(layer.group_send(GROUP, {"type": "access.changed"}), SEND_WITHIN_S)
