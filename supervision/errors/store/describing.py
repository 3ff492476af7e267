"""What an issue is called, and what is counted of one of its events."""

import hashlib
from typing import Any

from supervision.errors.event import ErrorEvent
from supervision.errors.grouping.g1 import Grouping
from supervision.errors.grouping.rules import Given

MOST_VALUE = 200
"""Characters of a tag's value that are counted."""


def described(event: ErrorEvent, given: Given, grouping: Grouping) -> dict[str, Any]:
    """Columns of an issue whose event this is. Any: a column each."""
    last = event.raised[-1] if event.raised else None
    text = (last.value if last else event.message or event.template).strip()
    kind = last.type if last else "Message"
    first_line = text.partition("\n")[0]
    said = f"{kind}: {first_line}" if last and first_line else kind if last else first_line
    return {
        "title": (given.title or said or "(no message)")[:300],
        "type": kind[:200],
        "value": text[:500],
        "culprit": event.culprit[:300],
        "level": event.level,
        "platform": event.platform,
        "because": grouping.because.to_json(),
        "callee": grouping.callee or "",
    }


def tags_of(event: ErrorEvent, child: str) -> dict[str, str]:
    """Its tags, and what else of it is counted like them."""
    known = {
        "environment": event.environment,
        "release": event.release,
        "level": event.level,
        "server_name": event.server_name,
        "user": event.user,
        "child": child,
    }
    pairs = {**{name: value for name, value in known.items() if value}, **event.tags}
    return {name: value[:MOST_VALUE] for name, value in pairs.items()}


def user_digest(user: str) -> str:
    """As which somebody is known: who it is is not kept."""
    return hashlib.blake2s(user.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
