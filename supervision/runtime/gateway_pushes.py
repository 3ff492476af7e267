"""What the gateway says unasked, and to whom: topics with positions, so that who was away learns what it missed. Pure.

A push is a hint to look. The newest of each topic are kept; who names a position that is older, or of another life of the
gateway, is told to `resync`: to ask for the truth.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT = 10_000
"""Pushes of a topic, for who comes back."""
MAX_TOPICS = 1000
MAX_TOPIC_CHARS = 100


@dataclass(frozen=True, slots=True)
class Push:
    """One hint. `at`: its position in the topic. `key`: the only child that it is meant for; empty for all."""

    topic: str
    at: int
    body: dict[str, Any]
    key: str = ""


class Pushes:
    """The newest pushes of each topic in one life of the gateway."""

    def __init__(self, life: str) -> None:
        self.life = life
        self._topics: dict[str, deque[Push]] = {}
        self._at = 0

    @property
    def at(self) -> int:
        """Position of the newest push of any topic."""
        return self._at

    def add(self, topic: str, body: dict[str, Any], key: str = "") -> Push:
        self._at += 1
        push = Push(topic, self._at, body, key)
        kept = self._topics.get(topic)
        if kept is None:
            while len(self._topics) >= MAX_TOPICS:  # those that were heard of least lately
                del self._topics[min(self._topics, key=lambda name: self._topics[name][-1].at)]
                self._forgotten = self._at
            kept = self._topics[topic] = deque(maxlen=KEPT)
        kept.append(push)
        return push

    _forgotten = 0
    """Position of the newest push at the time a whole topic was forgotten."""

    def since(self, topic: str, life: str, at: int) -> list[Push] | None:
        """Pushes after position `at` of `life`; None where some may be missing."""
        if life != self.life or at > self._at or at < self._forgotten:
            return None
        kept = self._topics.get(topic)
        if kept is None:
            return []
        if len(kept) == KEPT and kept[0].at > at + 1:
            return None
        return [push for push in kept if push.at > at]
