"""Rules of the server: the first one whose every condition holds gives a fingerprint, a title, or both."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supervision.errors.event import ErrorEvent
from supervision.errors.grouping.conditions import InvalidRuleError, all_hold, check_conditions

_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
VARIABLES = (
    "type", "value", "function", "module", "transaction", "message", "logger", "level", "release", "environment",
)  # fmt: skip
"""Beside them `tags.NAME`, and in a fingerprint `default`: what would group the event without the rule."""
MOST_PARTS, MOST_PART, MOST_TITLE = 10, 200, 200


@dataclass(frozen=True, slots=True)
class Rule:
    """`conditions` are (field, pattern), all of which must hold. InvalidRuleError, whose message begins with the field."""

    conditions: tuple[tuple[str, str], ...]
    fingerprint: tuple[str, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        check_conditions(self.conditions)
        if not self.fingerprint and not self.title:
            raise InvalidRuleError("fingerprint: a rule gives a fingerprint, a title, or both")
        if len(self.fingerprint) > MOST_PARTS:
            raise InvalidRuleError(f"fingerprint: at most {MOST_PARTS} parts")
        for part in self.fingerprint:
            if not part.strip() or len(part) > MOST_PART or not part.isprintable():
                raise InvalidRuleError(f"fingerprint: a part is one line of 1 to {MOST_PART} characters")
            _check_variables("fingerprint", part, ("default", *VARIABLES))
        if len(self.title) > MOST_TITLE or not self.title.isprintable():
            raise InvalidRuleError(f"title: one line of at most {MOST_TITLE} characters")
        _check_variables("title", self.title, VARIABLES)


@dataclass(frozen=True, slots=True)
class Given:
    """What the rules give an event; the number of the first that matched, None where none did."""

    fingerprint: tuple[str, ...] = ()
    title: str = ""
    rule: int | None = None


def _check_variables(field: str, text: str, known: Sequence[str]) -> None:
    for name in _VARIABLE.findall(text):
        if name not in known and not re.fullmatch(r"tags\.\S{1,100}", name):
            raise InvalidRuleError(
                f"{field}: no variable is called {name[:50]!r}; there are {', '.join(known)}, tags.NAME"
            )


def apply_rules(rules: Sequence[Rule], event: ErrorEvent, *, child: str = "") -> Given:
    for number, rule in enumerate(rules):
        if all_hold(rule.conditions, event, child=child):
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
