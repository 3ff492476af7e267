"""Messages that were taken out of a queue by a worker that died before it wrote down that it holds them.

BRPOP and the note of who holds a message are two steps; a kill between them loses the message for Celery. Each message has
a copy while it is queued. A copy whose message is in no list is on its way to a worker, or lost: lost once every living
worker has said that, after the message was missed, nothing was on its way to it. Then it is published again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import names, scripts
from .recovery import Recovery
from .registry import Registry, Row
from .transport import CLIENT_NAME

LOCK_MS = 2000
AT_A_TIME = 100
GRACE_S = 0.05
"""A message pushed just now may be on its way to its copy's writer yet: never asked about."""
HEARD_WITHIN_S = 10.0


@dataclass(slots=True)
class Missing:
    """Ids by list, with when each was missed first (broker's clock)."""

    since: dict[tuple[str, str], float] = field(default_factory=dict)

    def update(self, queue_list: str, ids: list[str], now: float) -> None:
        kept = {key: at for key, at in self.since.items() if key[0] != queue_list or key[1] in ids}
        for task_id in ids:
            kept.setdefault((queue_list, task_id), now)
        self.since = kept

    def lost(self, rows: list[Row]) -> list[tuple[str, str, float]]:
        """(list, id, missed at) of those that no living worker can still be about to take."""
        clear = min((row.clear_at for row in rows), default=0.0)
        return [(*key, at) for key, at in self.since.items() if clear > at]


class Sweep:
    """One pass at a time, by one custodian of the fleet."""

    def __init__(
        self, recovery: Recovery, registry: Registry, who: str, off: Callable[[str, str], None]
    ) -> None:
        self._recovery, self._registry, self._who, self._off = recovery, registry, who, off
        self._missing = Missing()

    def run(self) -> list[dict[str, Any]]:
        """Publish again what is lost; what was, as bodies of `task.found`."""
        client, keys = self._recovery.client, self._recovery.keys
        if not self._leads():
            self._missing = Missing()
            return []
        now = self._registry.now()
        for name in client.smembers(keys.lists):
            queue_list = name.decode()
            ids = client.eval(
                scripts.MISSING, 3, keys.of(queue_list), keys.copies(queue_list), keys.copied(queue_list),
                now - GRACE_S, AT_A_TIME,
            )  # fmt: skip
            self._missing.update(queue_list, [each.decode() for each in ids], now)
        if not self._missing.since:
            return []
        rows = list(self._registry.all().values())
        lost = self._missing.lost(rows)
        if not lost or self._others_consume():
            return []
        return [found for each in lost if (found := self._publish(*each, now)) is not None]

    def _leads(self) -> bool:
        client, key = self._recovery.client, self._recovery.keys.sweeper
        if client.set(key, self._who, nx=True, px=LOCK_MS):
            return True
        holds = client.get(key)
        if holds is None or holds.decode() != self._who:
            return False
        return bool(client.pexpire(key, LOCK_MS))

    def _publish(self, queue_list: str, task_id: str, missed: float, now: float) -> dict[str, Any] | None:
        client, keys = self._recovery.client, self._recovery.keys
        stored = client.hget(keys.copies(queue_list), task_id)
        did = client.eval(
            scripts.PUBLISH_AGAIN, 3, keys.of(queue_list), keys.copies(queue_list), keys.copied(queue_list),
            task_id, time.time(),
        )  # fmt: skip
        self._missing.since.pop((queue_list, task_id), None)
        if not did or stored is None:
            return None
        import json

        headers = json.loads(stored)["headers"]
        return {
            "id": task_id, "name": headers["task"], "attempt": names.attempt(headers), "queue": queue_list,
            "published_at": names.ours(headers).get("at"), "missing_s": round(now - missed, 3),
        }  # fmt: skip

    def _others_consume(self) -> bool:
        """Whether a worker that is not supervised takes messages here: it leaves copies behind, so none proves a loss."""
        database = self._recovery.client.connection_pool.connection_kwargs.get("db", 0)
        for each in self._recovery.client.client_list():
            if (
                each.get("cmd") == "brpop"
                and int(each.get("db", 0)) == int(database or 0)
                and not each.get("name", "").startswith(CLIENT_NAME)
            ):
                self._off(
                    "the search for lost messages", "a worker without supervise() consumes from this broker"
                )
                return True
        return False
