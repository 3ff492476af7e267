"""The messages this process holds: what is known of each from its arrival to its acknowledgement.

One table for the process, written by the thread that consumes and read by the custodian's. It answers what the broker
cannot: which of our own messages nobody works on any more after a connection was lost, and which are done though the
broker does not know yet.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Stage(StrEnum):
    """Of a message in our hands."""

    RESERVED = "reserved"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(slots=True)
class Held:
    """One message.

    outcome  body of its `task.ended` as JSON, kept in the broker with the acknowledgement under `outcome_field`
    mark     the number of that event in the channel: once the node has it, the broker need not keep it
    stale    the channel it came through is gone: it cannot be acknowledged the ordinary way
    lost     the pool child that ran it is dead, and the broker did not take it back yet
    """

    tag: str
    task_id: str
    name: str
    attempts_lost: int = 0
    stage: Stage = Stage.RESERVED
    pid: int = 0
    outcome: str = ""
    outcome_field: str = ""
    mark: int = 0
    stale: bool = False
    lost: bool = False


@dataclass(slots=True)
class Table:
    """Thread-safe by one lock held for a dictionary operation; `taken` counts messages that ever came."""

    taken: int = 0
    taken_at: float = field(default_factory=time.monotonic)
    _held: dict[str, Held] = field(default_factory=dict)
    _acknowledged: list[Held] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, held: Held) -> None:
        with self._lock:
            self._held[held.tag] = held
            self.taken += 1
            self.taken_at = time.monotonic()

    def get(self, tag: str) -> Held | None:
        return self._held.get(tag)

    def drop(self, tag: str) -> Held | None:
        """It is acknowledged, or went back."""
        with self._lock:
            return self._held.pop(tag, None)

    def acknowledged(self, held: Held) -> None:
        """The broker forgot it and keeps its outcome."""
        with self._lock:
            self._acknowledged.append(held)

    def take_acknowledged(self) -> list[Held]:
        with self._lock:
            made, self._acknowledged = self._acknowledged, []
        return made

    def connection_lost(self) -> None:
        """No message that is here now can be acknowledged by the channel it came through."""
        with self._lock:
            for held in self._held.values():
                held.stale = True

    def __iter__(self) -> Iterator[Held]:
        with self._lock:
            return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)


HELD = Table()
