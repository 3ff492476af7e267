"""Whether a message that is published gets a copy: only while somebody is there who looks after copies.

Without supervised workers nobody would take a copy away again, and the hash would grow for ever.
"""

import time
from dataclasses import dataclass
from typing import Any

from .names import BARE

ASK_AGAIN_S = 30.0


@dataclass(slots=True)
class Copies:
    """One answer for the process, asked of the broker with a publish now and then."""

    wanted: bool = False
    asked_at: float | None = None

    def are_wanted(self, channel: Any) -> bool:
        """Asks the broker when the last answer is old; a broker that fails raises what its push would raise."""
        now = time.monotonic()
        if self.asked_at is None or now - self.asked_at > ASK_AGAIN_S:
            with channel.conn_or_acquire() as client:
                self.wanted = bool(client.hlen(BARE.workers))
            self.asked_at = now
        return self.wanted


COPIES = Copies()
