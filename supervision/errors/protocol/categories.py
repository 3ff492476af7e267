"""What an item counts as, and how a client is told to send less of it.

The categories are Sentry's. A 429 always names categories: a bare one makes a client stop everything, cron check-ins too,
and monitors would be called missed because we were busy. `internal` is never limited: it is how a client says what it lost.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ERROR, DEFAULT, INTERNAL = "error", "default", "internal"
_OF_TYPE: Mapping[str, str] = {
    "event": ERROR,
    "transaction": "transaction",
    "span": "span",
    "check_in": "monitor",
    "session": "session",
    "sessions": "session",
    "attachment": "attachment",
    "client_report": INTERNAL,
    "log": "log_item",
    "trace_metric": "trace_metric",
    "profile": "profile",
    "profile_chunk": "profile",
    "replay_event": "replay",
    "replay_recording": "replay",
    "replay_video": "replay",
    "feedback": "feedback",
    "user_report": "user_report",
    "statsd": "metric_bucket",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Nothing of these categories for so long."""

    seconds: float
    categories: tuple[str, ...]
    reason: str


def category_of(item_type: str) -> str:
    return _OF_TYPE.get(item_type, DEFAULT)


def rate_limits_header(limits: Iterable[Limit]) -> str:
    """The value of X-Sentry-Rate-Limits; "" where nothing is limited. Seconds are whole: clients read nothing else."""
    said = []
    for limit in limits:
        names = [name for name in limit.categories if name != INTERNAL]
        if names:
            said.append(f"{max(1, math.ceil(limit.seconds))}:{';'.join(names)}:project:{limit.reason}")
    return ", ".join(said)
