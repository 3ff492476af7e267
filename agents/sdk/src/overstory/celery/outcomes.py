"""Outcomes that the broker keeps until the node has them: of a worker that was killed between the two, another ships them.

An outcome is written in the transaction that acknowledges its message, so a task that the broker forgot has been told of.
"""

import json
from collections import deque
from typing import Any

from .. import channel
from .held import HELD, Held
from .holder import Holder
from .recovery import Recovery

SCAN = 500
AT_A_TIME = 1000


class Outcomes:
    """Of one custodian."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery
        self._told: deque[tuple[int, str]] = deque()

    def ship(self) -> None:
        """Take away what the node has by now; our own were told to it when they happened."""
        self._told.extend((held.mark, held.outcome_field) for held in HELD.take_acknowledged())
        ours = channel.default()
        done: list[str] = []
        while self._told and len(done) < AT_A_TIME and ours.has_acknowledged(self._told[0][0]):
            done.append(self._told.popleft()[1])
        if done:
            self._recovery.client.hdel(self._recovery.keys.outcomes, *done)

    def keep(self, held: Held) -> None:
        """As the acknowledgement would have."""
        self._recovery.client.hset(self._recovery.keys.outcomes, held.outcome_field, held.outcome)
        HELD.acknowledged(held)

    def adopt(self, holder: Holder) -> None:
        """Tell what a dead worker may not have told any more."""
        ours = channel.default()
        if not ours.is_supervised:
            return
        for name, text in self._recovery.client.hscan_iter(self._recovery.keys.outcomes, count=SCAN):
            body: dict[str, Any] = json.loads(text)
            if body.get("holder") == str(holder):
                ours.event("task.ended", body)
                self._told.append((ours.mark(), name.decode()))
