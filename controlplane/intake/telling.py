"""Tells every intake that a key or a project was changed, over Redis. What nobody hears is seen within half a minute."""

import json
import logging

log = logging.getLogger("overstory.intake")

CHANNEL = "overstory:errors:doors"
WITHIN_S = 1.0


def tell(project: int, key: str) -> None:
    """`key` is empty where the project itself was changed. Never fails for a Redis that is away."""
    import redis
    from django.conf import settings
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    try:
        with redis.Redis.from_url(
            settings.CONNECTIONS.redis_url,
            socket_timeout=WITHIN_S,
            socket_connect_timeout=WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            client.publish(CHANNEL, json.dumps({"project": project, "key": key}))
    except (RedisError, OSError) as error:
        log.warning(
            "what changed of keys is seen within half a minute, not at once: %s", type(error).__name__
        )
