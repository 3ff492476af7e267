"""What a worker does in its broker when it is asked to: how long a queue is and how old its next message, a look into it,
and throwing its messages away. With a broker that is not Redis only lengths are known.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

import redis

from . import names
from .names import Keys

PEEK_MOST = 100
PURGE_AT_ONCE = 500
SHOWN_CHARS = 300

PURGE = """
-- KEYS: list, copies, copied      ARGV: most
local ids = {}
for _, payload in ipairs(redis.call('RPOP', KEYS[1], ARGV[1]) or {}) do
    local ok, message = pcall(cjson.decode, payload)
    local id = ok and type(message.headers) == 'table' and message.headers.id or ''
    if id ~= '' then
        redis.call('HDEL', KEYS[2], id)
        redis.call('ZREM', KEYS[3], id)
    end
    ids[#ids + 1] = id
end
return ids
"""
"""Throw away what comes next, its copy with it: nobody is to take that for a lost message."""


class Queues:
    """Through one connection of the caller's own thread. Whatever the broker's client raises is raised."""

    def __init__(self, app: Any, connection: Any) -> None:
        self._channel = connection.default_channel
        self._is_redis = connection.transport.driver_type == "redis"
        if self._is_redis:
            self._keys = Keys(self._channel.global_keyprefix)
            self._client = redis.Redis(connection_pool=self._channel.pool)

    def look(self, queues: list[str]) -> dict[str, dict[str, Any]]:
        """`length` and, where it is known, `oldest_s` of each queue."""
        return {queue: self._look(queue) for queue in queues}

    def unacked(self) -> int | None:
        """Messages in the hands of any worker of this broker; None where that is not known."""
        if not self._is_redis:
            return None
        return int(self._client.hlen(self._keys.of(self._channel.unacked_key)))

    def peek(self, queue: str, limit: int) -> list[dict[str, Any]]:
        """What comes next, the next one first."""
        self._need_redis("look into a queue")
        found: list[dict[str, Any]] = []
        for name in self._lists(queue):
            left = min(limit, PEEK_MOST) - len(found)
            if left > 0:
                payloads: Any = self._client.lrange(self._keys.of(name), -left, -1)
                found += [shown(payload) for payload in reversed(payloads)]
        return found

    def purge(self, queue: str) -> tuple[int, list[str]]:
        """Throw away everything that waits; how many, and the ids of the tasks among it."""
        self._need_redis("throw messages away")
        count, ids = 0, []
        for name in self._lists(queue):
            keys = [self._keys.of(name), self._keys.copies(name), self._keys.copied(name)]
            while True:
                gone: Any = self._client.eval(PURGE, 3, *keys, PURGE_AT_ONCE)
                count += len(gone)
                ids += [each.decode() for each in gone if each]
                if len(gone) < PURGE_AT_ONCE:
                    break
        return count, ids

    def put_back(self, task_id: str) -> bool:
        """A message that was parked goes into its queue again, with no loss on its account; whether it was there."""
        self._need_redis("keep parked messages")
        stored: Any = self._client.hget(self._keys.parked, task_id)
        if stored is None:
            return False
        payload = json.loads(stored)
        carried = names.ours(payload["headers"])
        queue_list = str(carried.get("list") or payload["properties"]["delivery_info"]["routing_key"])
        payload["headers"][names.HEADER] = {**carried, "lost": 0}
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hdel(self._keys.parked, task_id)
            text = json.dumps(payload)
            pipe.lpush(
                self._keys.of(queue_list), text
            )  # audit: ignore[SUP506] the queue, which workers empty
            pipe.hset(self._keys.copies(queue_list), task_id, text)
            pipe.zadd(self._keys.copied(queue_list), {task_id: time.time()})
            pipe.sadd(self._keys.lists, queue_list)
            pipe.execute()
        return True

    def _look(self, queue: str) -> dict[str, Any]:
        if not self._is_redis:
            return {"length": int(self._channel._size(queue)), "oldest_s": None}
        with self._client.pipeline(transaction=False) as pipe:
            for name in self._lists(queue):
                pipe.llen(self._keys.of(name))
                pipe.lindex(self._keys.of(name), -1)
            answers = pipe.execute()
        ages = [age for payload in answers[1::2] if payload and (age := age_s(payload)) is not None]
        return {"length": sum(answers[::2]), "oldest_s": max(ages, default=None)}

    def _lists(self, queue: str) -> list[str]:
        """The lists of a queue, most urgent first."""
        return [self._channel._q_for_pri(queue, step) for step in self._channel.priority_steps]

    def _need_redis(self, what: str) -> None:
        if not self._is_redis:
            raise NotImplementedError(f"only on Redis can a worker {what}")


def age_s(payload: bytes) -> float | None:
    """How long a message has been waiting; None where it does not say when it was published."""
    at = names.ours(_headers(payload)).get("at")
    return None if not isinstance(at, int | float) else max(0.0, time.time() - at)


def shown(payload: bytes) -> dict[str, Any]:
    """A message as people see it. Arguments as Celery shortened them itself."""
    headers = _headers(payload)
    return {
        "id": str(headers.get("id") or ""),
        "name": str(headers.get("task") or ""),
        "args": str(headers.get("argsrepr") or "")[:SHOWN_CHARS],
        "kwargs": str(headers.get("kwargsrepr") or "")[:SHOWN_CHARS],
        "age_s": age_s(payload),
        "retries": int(headers.get("retries") or 0),
        "eta": headers.get("eta"),
        "bytes": len(payload),
    }


def _headers(payload: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(payload).get("headers")
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, Mapping) else {}
