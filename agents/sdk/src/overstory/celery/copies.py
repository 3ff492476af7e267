"""Whether a message that is published gets a copy: only while somebody is there who looks after copies.

Without supervised workers nobody would take a copy away again, and the hash would grow for ever.
"""

import time
from dataclasses import dataclass
from typing import Any

from .names import BARE

ASK_AGAIN_S = 30.0
ASK_SOON_S = 1.0
"""While there is nobody: the first worker may come at any moment, and what is published from then on is looked after."""


@dataclass(slots=True)
class Copies:
    """One answer for the process, asked of the broker with a publish now and then."""

    wanted: bool = False
    asked_at: float | None = None

    def are_wanted(self, channel: Any) -> bool:
        """Asks the broker when the last answer is old; a broker that fails raises what its push would raise."""
        now = time.monotonic()
        again_s = ASK_AGAIN_S if self.wanted else ASK_SOON_S
        if self.asked_at is None or now - self.asked_at > again_s:
            with channel.conn_or_acquire() as client:
                self.wanted = bool(client.hlen(BARE.workers))
            self.asked_at = now
        return self.wanted


COPIES = Copies()
