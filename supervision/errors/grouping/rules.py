"""Rules of the server: the first one whose every condition holds gives a fingerprint, a title, or both.

A condition is a field and a pattern with `*` and `?`, compared without regard to case. `type`, `value`, `module`,
`function` and `path` hold for any exception or call of the event.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from supervision.errors.event import ErrorEvent

FIELDS = (
    "type", "value", "module", "function", "path", "message", "logger", "level", "transaction", "environment", "release",
    "supervisor", "child",
)  # fmt: skip
MOST_PATTERN = 200
_VARIABLE = re.compile(r"\{\{\s*([a-z_.A-Z0-9-]+)\s*\}\}")


class InvalidRuleError(ValueError):
    """A rule that could never be understood; the message names the field."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`conditions` are (field, pattern), all of which must hold."""

    conditions: tuple[tuple[str, str], ...]
    fingerprint: tuple[str, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        if not self.conditions:
            raise InvalidRuleError("match: no condition")
        for field, pattern in self.conditions:
            if field not in FIELDS and not re.fullmatch(r"tag\.[^\s]{1,100}", field):
                raise InvalidRuleError(
                    f"match: no field is called {field!r}; there are {', '.join(FIELDS)}, tag.NAME"
                )
            if not pattern or len(pattern) > MOST_PATTERN:
                raise InvalidRuleError(f"match: the pattern of {field} has 1 to {MOST_PATTERN} characters")
        if not self.fingerprint and not self.title:
            raise InvalidRuleError("a rule gives a fingerprint, a title, or both")


@dataclass(frozen=True, slots=True)
class Given:
    """What the rules give an event; the number of the first that matched, None where none did."""

    fingerprint: tuple[str, ...] = ()
    title: str = ""
    rule: int | None = None


def apply_rules(rules: Sequence[Rule], event: ErrorEvent, *, child: str = "") -> Given:
    for number, rule in enumerate(rules):
        if all(_holds(field, pattern, event, child) for field, pattern in rule.conditions):
            return Given(
                tuple(filled(part, event) for part in rule.fingerprint), filled(rule.title, event), number
            )
    return Given()


def filled(text: str, event: ErrorEvent) -> str:
    """`{{ type }}` and the like replaced; `{{ default }}` stays, grouping fills it."""
    last = event.raised[-1] if event.raised else None
    calls = last.frames if last else ()
    values: Mapping[str, str] = {
        "type": last.type if last else "",
        "value": last.value if last else event.message,
        "function": calls[-1].function if calls else "",
        "module": calls[-1].module if calls else "",
        "transaction": event.transaction,
        "message": event.message,
        "logger": event.logger,
        "level": event.level,
        "release": event.release,
        "environment": event.environment,
        **{f"tags.{name}": value for name, value in event.tags.items()},
    }
    return _VARIABLE.sub(lambda found: found[0] if found[1] == "default" else values.get(found[1], ""), text)


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
