"""One firing of a periodic task: claimed and pushed in one step, so that two beats never fire one slot twice.

A slot is the due time a firing is for. The broker keeps which slot of each entry was fired last; a claim says which one that
was when it was made, and holds only if nobody has fired since.
"""

import threading
from dataclasses import dataclass
from typing import Any

import redis

from . import scripts
from .copies import COPIES
from .names import Keys


@dataclass(slots=True)
class Claim:
    """`seen`: the mark of the last firing, as read; `mark`: the one of this. `won` is told by `fire`; None: not yet."""

    entry: str
    seen: str
    mark: str
    won: bool | None = None


_local = threading.local()


def current() -> Claim | None:
    """The claim that the publish under way stands for."""
    return getattr(_local, "claim", None)


def begin(claim: Claim | None) -> None:
    """From here on this thread publishes for `claim`; None: for none."""
    _local.claim = claim


def fire(channel: Any, claim: Claim, key: str, payload: str, task_id: str, now: float) -> None:
    """Push, unless another did; `claim.won` tells. A publish that kombu tries again is one firing."""
    keys = Keys(channel.global_keyprefix)
    client: Any = redis.Redis(connection_pool=channel.pool)
    copy = "1" if COPIES.are_wanted(channel) else "0"
    names = [keys.beat, keys.of(key), keys.copies(key), keys.copied(key), keys.lists]
    arguments = [claim.entry, claim.seen, claim.mark, payload, task_id, now, copy, key]
    claim.won = bool(client.eval(scripts.FIRE, len(names), *names, *arguments))
