"""Conditions on an event: a field and a pattern with `*` and `?`, compared without regard to case. Pure.

`type`, `value`, `module`, `function` and `path` hold for any exception or call of the event.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import lru_cache

from supervision.errors.event import ErrorEvent

FIELDS = (
    "type", "value", "module", "function", "path", "message", "logger", "level", "transaction", "environment", "release",
    "supervisor", "child",
)  # fmt: skip
MOST_PATTERN = 200
Condition = tuple[str, str]
"""Field and pattern."""


class InvalidRuleError(ValueError):
    """A rule that could never be understood; the message names the field."""


def check_conditions(conditions: Iterable[Condition]) -> None:
    """Raises InvalidRuleError, for none at all too."""
    conditions = tuple(conditions)
    if not conditions:
        raise InvalidRuleError("match: no condition")
    for field, pattern in conditions:
        if field not in FIELDS and not re.fullmatch(r"tag\.[^\s]{1,100}", field):
            raise InvalidRuleError(
                f"match: no field is called {field!r}; there are {', '.join(FIELDS)}, tag.NAME"
            )
        if not pattern or len(pattern) > MOST_PATTERN or not pattern.isprintable():
            raise InvalidRuleError(
                f"match: the pattern of {field} is one line of 1 to {MOST_PATTERN} characters"
            )


def all_hold(conditions: Iterable[Condition], event: ErrorEvent, *, child: str) -> bool:
    """Whether each of them holds."""
    return all(_holds(field, pattern, event, child) for field, pattern in conditions)


def _holds(field: str, pattern: str, event: ErrorEvent, child: str) -> bool:
    matches = _compiled(pattern.lower()).match
    return any(matches(value.lower()) for value in _values(field, event, child))


def _values(field: str, event: ErrorEvent, child: str) -> Iterator[str]:
    if field.startswith("tag."):
        value = event.tags.get(field.removeprefix("tag."))
        if value is not None:
            yield value
        return
    match field:
        case "type":
            yield from (raised.type for raised in event.raised)
        case "value":
            yield from (raised.value for raised in event.raised)
        case "module" | "function" | "path":
            yield from (getattr(frame, field) for raised in event.raised for frame in raised.frames)
        case "child":
            yield child
        case "supervisor":
            yield child.rpartition("/")[0]
        case _:
            yield getattr(event, field)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern), re.DOTALL)
