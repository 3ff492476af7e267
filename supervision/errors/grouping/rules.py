"""Rules of the server: the first one whose every condition holds gives a fingerprint, a title, or both."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supervision.errors.event import ErrorEvent
from supervision.errors.grouping.conditions import InvalidRuleError, all_hold, check_conditions

_VARIABLE = re.compile(r"\{\{\s*([a-z_.A-Z0-9-]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """`conditions` are (field, pattern), all of which must hold."""

    conditions: tuple[tuple[str, str], ...]
    fingerprint: tuple[str, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        check_conditions(self.conditions)
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
