"""The messages this process holds: what is known of each from its arrival to its acknowledgement.

One table for the process, written by the thread that consumes and read by the custodian's. It answers what the broker
cannot: which of our own messages nobody works on any more after a connection was lost, and which are done though the
broker does not know yet.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

REMEMBERED = 10_000
"""Ended messages, for a broker that restarts without its last moments: more than it forgets."""


class Stage(StrEnum):
    """Of a message in our hands. `HANDED`: given to a pool child, of which it is not known yet whether it began."""

    RESERVED = "reserved"
    HANDED = "handed"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(slots=True)
class Held:
    """One message.

    outcome  body of its `task.ended` as JSON, kept in the broker with the acknowledgement under `outcome_field`
    mark     the number of that event in the channel: once the node has it, the broker need not keep it
    stale    the channel it came through is gone: it cannot be acknowledged the ordinary way
    final    its task ended for good: it will not be retried
    lost     the pool child that ran it is dead, and the broker did not take it back yet; `lost_reason`: how it ended
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
    lost_reason: str = "lost"
    final: bool = False

    @property
    def is_in_hand(self) -> bool:
        """Whether a living pool child has it, so that nobody else may."""
        return self.stage in (Stage.HANDED, Stage.RUNNING) and not self.lost


@dataclass(slots=True)
class Table:
    """Thread-safe by one lock held for a dictionary operation; `taken` counts messages that ever came.

    room   messages that the worker may have at a time, those with a later start not counted
    """

    taken: int = 0
    room: int = 0
    taken_at: float = field(default_factory=time.monotonic)
    _held: dict[str, Held] = field(default_factory=dict)
    _acknowledged: list[Held] = field(default_factory=list)
    _ended: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _has_stale: bool = False
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

    def end(self, held: Held) -> None:
        """It is acknowledged; that it ended for good is remembered, not so of one that is to be retried."""
        with self._lock:
            self._held.pop(held.tag, None)
            if held.final:
                self._ended[held.tag] = None
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)

    def has_ended(self, tag: str) -> bool:
        """Whether it is known to have ended for good and to be acknowledged, among the last REMEMBERED."""
        return tag in self._ended

    def take_acknowledged(self) -> list[Held]:
        with self._lock:
            made, self._acknowledged = self._acknowledged, []
        return made

    def connection_lost(self, handed: Collection[str] = ()) -> None:
        """No message that is here now can be acknowledged by the channel it came through. `handed`: tags of those that pool
        children have got or will get, and run; the others that nobody began are the custodian's to return."""
        with self._lock:
            for held in self._held.values():
                if held.stage in (Stage.RESERVED, Stage.HANDED):
                    held.stage = Stage.HANDED if held.tag in handed else Stage.RESERVED
                held.stale = True  # last: the custodian looks from its own thread
            self._has_stale = bool(self._held)

    @property
    def left_over(self) -> int:
        """How many are in hand yet that came through a channel that is gone. No channel counts them any more."""
        if not self._has_stale:
            return 0
        stale = [held for held in self if held.stale]
        self._has_stale = bool(stale)
        return sum(held.is_in_hand for held in stale)

    def __iter__(self) -> Iterator[Held]:
        with self._lock:
            return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)


HELD = Table()
