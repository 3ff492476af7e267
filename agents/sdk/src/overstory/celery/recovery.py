"""What becomes of a message whose holder is dead: it goes back in front of its queue, or is parked when that was too often.

The decision is `decide`; the rest carries it out in one script of the broker: of any number of custodians one does it.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import redis

from . import names, scripts
from .holder import Holder
from .names import HEADER, Keys

MAX_LOST = 5
"""Attempts of a task that may end with a dead worker: the tree schema's `max_attempts` has the same default."""
SETTING, OPTION = "overstory_max_lost", "max_lost"
SCAN = 500

Fate = Literal["return", "park"]


def decide(lost: int, bound: int) -> Fate:
    """`lost` counts the attempt that was lost just now."""
    return "park" if lost >= bound else "return"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was taken out of dead hands. `attempt` is the one that was lost."""

    task_id: str
    name: str
    attempt: int
    lost: int
    retries: int
    holder: str
    queue: str
    fate: Fate
    headers: dict[str, Any]

    @property
    def published_at(self) -> float | None:
        return names.ours(self.headers).get("at")


class Recovery:
    """Brings messages back; `channel` is a kombu channel of the calling thread's own."""

    def __init__(self, app: Any, channel: Any) -> None:
        self._app, self._channel = app, channel
        self._keys = Keys(channel.global_keyprefix)
        self._client: Any = redis.Redis(connection_pool=channel.pool)

    @property
    def keys(self) -> Keys:
        return self._keys

    @property
    def client(self) -> Any:  # redis.Redis, whose types tell of both its flavours at once
        return self._client

    def holders(self) -> dict[Holder, list[str]]:
        """Every holder of a message, with its delivery tags."""
        found: dict[Holder, list[str]] = {}
        for tag, text in self._client.hscan_iter(self._keys.holders, count=SCAN):
            holder = Holder.parse(text.decode())
            if holder is not None:
                found.setdefault(holder, []).append(tag.decode())
        return found

    def take_from(self, holder: Holder, tags: list[str]) -> Iterator[Taken]:
        """All that a dead holder held."""
        for tag in tags:
            taken = self.take(tag, str(holder), counted=True)
            if taken is not None:
                yield taken

    def take(self, tag: str, holder: str, *, counted: bool) -> Taken | None:
        """Bring one message back; None when somebody else did, or it is no more. `counted`: the attempt was lost."""
        stored = self._client.hget(self._keys.of(self._channel.unacked_key), tag)
        if stored is None:
            self._client.hdel(self._keys.holders, tag)
            return None
        payload, exchange, routing_key = json.loads(stored)
        headers = payload["headers"]
        carried = names.ours(headers)
        lost = int(carried.get("lost") or 0) + (1 if counted else 0)
        fate = decide(lost, self._bound(headers["task"])) if counted else "return"
        attempt = names.attempt(headers)
        queue, queue_list = self._where(payload, exchange, routing_key)
        headers[HEADER] = {"at": carried.get("at"), "list": queue_list, "lost": lost}
        headers["redelivered"] = True
        payload.setdefault("properties", {}).setdefault("delivery_info", {})["redelivered"] = True
        if not self._run(tag, holder, payload, queue_list, fate):
            return None
        retries = int(headers.get("retries") or 0)
        return Taken(
            str(headers["id"]), headers["task"], attempt, lost, retries, holder, queue, fate, dict(headers)
        )

    def acknowledge(self, tag: str, holder: str) -> bool:
        """It is done, and the channel it came through is gone."""
        return self._run(tag, holder, None, "", "acknowledge")

    # -- inside -----------------------------------------------------------------------------------------------------

    def _run(self, tag: str, holder: str, payload: dict[str, Any] | None, queue_list: str, how: str) -> bool:
        keys = self._keys
        task_id = "" if payload is None else str(payload["headers"]["id"])
        key_names = [
            keys.holders, keys.of(self._channel.unacked_key), keys.of(self._channel.unacked_index_key),
            keys.of(queue_list), keys.copies(queue_list), keys.copied(queue_list), keys.lists, keys.parked,
        ]  # fmt: skip
        text = "" if payload is None else json.dumps(payload)
        arguments = [tag, holder, text, task_id, time.time(), how, queue_list]
        return bool(self._client.eval(scripts.RETURN, len(key_names), *key_names, *arguments))

    def _where(self, payload: dict[str, Any], exchange: str, routing_key: str) -> tuple[str, str]:
        """(queue, Redis list) it belongs into: by kombu's routing, else where it came from."""
        queues = list(self._channel._lookup(exchange, routing_key))
        queue = queues[0] if queues else routing_key
        priority = self._channel._get_message_priority(payload, reverse=False)
        return queue, self._channel._q_for_pri(queue, priority)

    def _bound(self, name: str) -> int:
        """Of the task, else of the application, else ours."""
        task = self._app.tasks.get(name)
        bound = getattr(task, OPTION, None) or self._app.conf.get(SETTING) or MAX_LOST
        return int(bound)
