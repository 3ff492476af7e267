"""What we keep in the broker's Redis, and the header a message carries for us.

Beside kombu's own keys, with kombu's `global_keyprefix` before them:

    overstory.holders          hash: delivery tag -> holder, written and removed with kombu's own `unacked` entry
    overstory.workers          hash: holder -> JSON of a living worker (registry.py); without any, no copies are kept
    overstory.seen             hash: holder -> when it was heard of last
    overstory.copies.LIST      hash: task id -> the message, while it is in the list and in no worker's hands
    overstory.copied.LIST      sorted set: task id by time of its push
    overstory.lists            set of the lists that have copies
    overstory.outcomes         hash: `id/attempt` -> body of a task.ended that the node may not have yet
    overstory.burial.HOLDER    lock of the custodian that tells what a dead worker left
    overstory.parked           hash: task id -> a message that was lost as often as it may be
    overstory.sweeper          lock of the custodian that looks for lost messages
    overstory.beat             hash: entry of the beat schedule -> mark of its last firing, `slot/who`
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER = "overstory"
"""Of a message: `{"at": published, "list": its Redis list, "lost": attempts that were lost}`."""

BEAT = "overstory_beat"
"""Header of what a beat sent: `{"entry", "schedule", "timezone"}`, so that each entry is a monitored job."""
PUBLICATION, SUPERVISOR = "overstory_publication", "overstory_supervisor"
"""Of a message of a supervised task: which publication of the task it is, and who started it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Full names, for commands that kombu does not prefix."""

    prefix: str = ""

    def __getattr__(self, name: str) -> str:
        return f"{self.prefix}overstory.{name}"

    def of(self, name: str) -> str:
        """One of kombu's own."""
        return f"{self.prefix}{name}"

    def copies(self, queue_list: str) -> str:
        return f"{self.prefix}overstory.copies.{queue_list}"

    def copied(self, queue_list: str) -> str:
        return f"{self.prefix}overstory.copied.{queue_list}"


BARE = Keys()
"""Names for kombu's own clients, which put the prefix before them."""


def app_name(app: Any) -> str:
    """What rows know an application by."""
    return str(app.main or "celery")


def ours(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a message carries for us; empty when nothing, or nothing of ours."""
    found = (headers or {}).get(HEADER)
    return dict(found) if isinstance(found, Mapping) else {}


def of_beat(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Which entry of which schedule a message came from, for the events about it; empty for what no beat sent."""
    found = headers.get(BEAT)
    return {"beat": found} if isinstance(found, dict) else {}


def publication(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Which publication of a supervised task a message is, for the events about it; empty for plain tasks."""
    found = headers.get(PUBLICATION)
    return {"publication": found} if isinstance(found, int) else {}


def task_id(raw: Mapping[str, Any]) -> str:
    """The id of the task a raw message is of; empty for other messages."""
    headers = raw.get("headers") or {}
    return str(headers["id"]) if headers.get("task") and headers.get("id") else ""


def attempt(headers: Mapping[str, Any]) -> int:
    """Try number: the first, one more for each retry and for each that was lost."""
    return 1 + int(headers.get("retries") or 0) + int(ours(headers).get("lost") or 0)
