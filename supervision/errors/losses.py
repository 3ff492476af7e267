"""Why something was not stored, in words: here, or in the program that reports, as its SDK says. Pure.

Source of the SDKs' reasons and of the categories: Sentry's client reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass

CLIENT = "client: "
"""Before a reason that an SDK gave."""


@dataclass(frozen=True, slots=True)
class Why:
    """`in_sdk`: it never came to us. `is_loss`: nobody wanted it to be left out, so somebody may want to do something."""

    words: str
    in_sdk: bool
    is_loss: bool


_HERE: Mapping[str, tuple[str, bool]] = {
    "quota": ("more than the project's quota", True),
    "spike_protection": ("far more than usual", True),
    "busy": ("nothing could be stored", True),
    "refused": ("refused by the database", True),
    "project_full": ("the project's files are full", True),
    "too_large": ("too large", True),
    "too_many": ("too many in one request", True),
    "not_understood": ("not understood", True),
    "duplicate": ("came twice, kept once", False),
    "not_stored": ("of a kind that is only counted", False),
}
_IN_SDK: Mapping[str, tuple[str, bool]] = {
    "queue_overflow": ("its queue was full", True),
    "buffer_overflow": ("its buffer was full", True),
    "cache_overflow": ("its cache was full", True),
    "network_error": ("could not be sent", True),
    "send_error": ("refused when it was sent", True),
    "ratelimit_backoff": ("kept back, as we asked", True),
    "backpressure": ("the program was too busy", True),
    "internal_sdk_error": ("an error in the SDK", True),
    "insufficient_data": ("too little was known", False),
    "invalid": ("not valid", True),
    "no_parent_span": ("without a span above it", False),
    "sample_rate": ("left out by sampling", False),
    "before_send": ("left out by the program (before_send)", False),
    "event_processor": ("left out by the program (event processor)", False),
    "ignored": ("left out by the program (ignored)", False),
}
_CATEGORIES: Mapping[str, tuple[str, str]] = {
    "error": ("event", "events"),
    "default": ("report", "reports"),
    "security": ("report of a browser", "reports of browsers"),
    "transaction": ("transaction", "transactions"),
    "span": ("span", "spans"),
    "monitor": ("check-in", "check-ins"),
    "session": ("session", "sessions"),
    "attachment": ("attachment", "attachments"),
    "log_item": ("log record", "log records"),
    "log_byte": ("byte of logs", "bytes of logs"),
    "trace_metric": ("metric", "metrics"),
    "metric_bucket": ("metric", "metrics"),
    "profile": ("profile", "profiles"),
    "replay": ("replay", "replays"),
    "feedback": ("message of a user", "messages of users"),
    "user_report": ("message of a user", "messages of users"),
}


def why(reason: str) -> Why:
    """Of a count's reason. One that nobody knows is said as it is, and taken for a loss."""
    in_sdk = reason.startswith(CLIENT)
    name = reason.removeprefix(CLIENT)
    words, is_loss = (_IN_SDK if in_sdk else _HERE).get(
        name, (name.replace("_", " ") or "no reason given", True)
    )
    return Why(words, in_sdk, is_loss)


def things(category: str, count: int) -> str:
    """What they are called, of one or of many."""
    one, many = _CATEGORIES.get(category, (category, category))
    return one if count == 1 else many
