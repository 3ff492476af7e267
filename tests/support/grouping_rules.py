"""How other error stores group, by what they say of themselves, to stand beside ours in a table.

Each answers whether two events are one issue to it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from supervision.errors.event import ErrorEvent
from supervision.errors.grouping.g1 import group
from supervision.errors.grouping.parameters import parameterized
from supervision.errors.protocol.reading import read_event

Event = Mapping[str, Any]
Rule = Callable[[Event, Event], bool]


def ours(one: Event, other: Event) -> bool:
    first, second = group(read_event(one)), group(read_event(other))
    return first.app == second.app or first.system == second.system


def sentry(one: Event, other: Event) -> bool:
    """Module, function and line of source of each call, of all exceptions; own code, or all code."""
    first, second = read_event(one), read_event(other)
    own = _stacks(first, own_only=True)
    return (own is not None and own == _stacks(second, own_only=True)) or _stacks(
        first, own_only=False
    ) == _stacks(second, own_only=False)


def glitchtip(one: Event, other: Event) -> bool:
    """Title, which has the message in it, culprit and kind."""

    def key(event: ErrorEvent) -> tuple[str, str, str]:
        return (event.raised[-1].type, event.raised[-1].value, event.culprit)

    return key(read_event(one)) == key(read_event(other))


def bugsink(one: Event, other: Event) -> bool:
    """Type and first line of the message, with what varies taken out; the stack is not looked at."""

    def key(event: ErrorEvent) -> tuple[str, str]:
        last = event.raised[-1]
        return (last.type, parameterized(last.value.partition("\n")[0]))

    return key(read_event(one)) == key(read_event(other))


def _stacks(event: ErrorEvent, *, own_only: bool) -> list[Any] | None:
    found: list[Any] = []
    for raised in event.raised:
        kept: list[tuple[str, str, str]] = []
        for frame in raised.frames:
            key = (frame.module, frame.function, " ".join(frame.context_line.split())[:120])
            if (frame.in_app or not own_only) and key not in kept[-1:]:
                kept.append(key)
        found.append((raised.type, kept))
    return found if any(kept for _, kept in found) else None


RULES: Mapping[str, Rule] = {"ours (g1)": ours, "Sentry": sentry, "GlitchTip": glitchtip, "Bugsink": bugsink}
