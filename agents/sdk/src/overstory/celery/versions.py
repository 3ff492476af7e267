"""Which Celery and kombu we know from inside, and what is switched off with any other: said once, aloud.

Everything here that reaches into private classes asks `why_unknown()` first. With a version that nobody has looked at,
workers still run, are watched and restarted; what cannot be done safely is off, and the log and an event say so.
"""

import importlib.metadata
import logging

from .. import channel

logger = logging.getLogger("overstory.celery")

KNOWN = {"celery": ((5, 6, 3), (5, 8)), "kombu": ((5, 6, 2), (5, 8))}
"""From (with) to (without)."""

_said: set[str] = set()


def version_of(distribution: str) -> tuple[int, ...]:
    """The numbers a version begins with; empty when it is not installed."""
    try:
        text = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ()
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def why_unknown() -> str:
    """Empty when both are versions we know, else why not."""
    for name, (least, below) in KNOWN.items():
        found = version_of(name)
        if not least <= found < below:
            want = f">={'.'.join(map(str, least))},<{'.'.join(map(str, below))}"
            return f"{name} {'.'.join(map(str, found)) or 'is missing'}, and known are {want}"
    return ""


def off(feature: str, why: str) -> None:
    """Say, once for each feature of this process, that it is off: in the log and to the node."""
    if feature in _said:
        return
    _said.add(feature)
    logger.warning("overstory: %s is off: %s", feature, why)
    channel.default().event("worker.feature", {"feature": feature, "on": False, "why": why})
