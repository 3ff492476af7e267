"""What no single process holds and the fleet can leak all the same: keys, subscriptions, connections, orphans. Pure.

Each look counts, by subject. Two windows are judged, by the rule of floods (fast.py): the last WINDOW looks, some minutes;
and the least values of WINDOW equal parts of everything kept, an hour. What is wrong whatever its number (a transaction that
sits idle, a command whose processes lose their owners again and again) is found at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from supervision.leaks.fast import WINDOW, Line, Point, line_of, steady
from supervision.leaks.words import amount, span

KEPT = 120
"""Looks that are kept of a subject: an hour of them."""
LONG = 4 * WINDOW
"""From so many looks on the long window is judged too."""
SHARE = 0.02
MINUTE_S = 60.0


class Kind(StrEnum):
    """What is counted."""

    KEYS = "keys"
    CHANNELS = "channels"
    SUBSCRIBERS = "subscribers"
    CONNECTIONS = "connections"
    IDLE = "idle"
    STRAYS = "strays"


@dataclass(frozen=True, slots=True)
class Rule:
    """least   growth within a window that means something
    grows, now   how many of it are said
    advice       what is to be done
    """

    least: float
    grows: str
    now: str
    advice: str


RULES = {
    Kind.KEYS: Rule(
        60, "Keys like {subject} without a time to live grow", "keys",
        "Give them a time to live, or delete them when what they belong to ends",
    ),
    Kind.CHANNELS: Rule(
        30, "Channels like {subject} with a subscriber grow", "channels",
        "Whoever subscribes for one answer has to unsubscribe after it",
    ),
    Kind.SUBSCRIBERS: Rule(
        10, "Connections of {subject} that do nothing but listen grow", "connections",
        "Close a subscription when who asked for it is gone",
    ),
    Kind.CONNECTIONS: Rule(
        8, "Connections to PostgreSQL of {subject} grow", "connections",
        "Recycle that program: it opens connections and does not close them",
    ),
    Kind.IDLE: Rule(
        1, "Transactions of {subject} sit idle", "of them",
        "They hold locks and keep rows from being cleaned up: end that program's transaction",
    ),
    Kind.STRAYS: Rule(
        5, "Processes of {subject} lose their owner again and again", "in ten minutes",
        "Their parent does not wait for them: look at who starts them",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """One count of one look. Any: evidence is JSON. `is_wrong`: found whatever it did before."""

    kind: Kind
    subject: str
    value: float
    evidence: dict[str, Any] = field(default_factory=dict)
    is_wrong: bool = False


_PARTS = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a UUID
    r"|(?=[0-9A-Za-z]*[0-9])[0-9a-fA-F]{8,}"  # a digest
    r"|(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[0-9A-Za-z]{16,}"  # a random word
    r"|[0-9]+"
)
MAX_PATTERN = 200


def pattern_of(name: str) -> str:
    """What names of one kind have in common: `session:5f3a91bc:user:17` is `session:*:user:*`."""
    return _PARTS.sub("*", name)[:MAX_PATTERN]


def growth_of(kind: Kind, points: Sequence[Point]) -> tuple[Line, float] | None:
    """The line, and since when, where these points are a leak; None for anything else."""
    least = RULES[kind].least
    line = steady(points[-WINDOW:], least=least, share=SHARE)
    if line is not None:
        return line, points[-WINDOW][0]
    if len(points) < LONG:
        return None
    size = len(points) // WINDOW
    parts = [points[len(points) - size * (WINDOW - n) :][:size] for n in range(WINDOW)]
    floors = [(part[0][0], min(value for _, value in part)) for part in parts]
    line = steady(floors, least=least, share=SHARE)
    return None if line is None else (line, floors[0][0])


def line_through(points: Sequence[Point]) -> Line:
    """How what is wrong goes on; level where too little is known."""
    window = points[-WINDOW:]
    return line_of(window) if len(window) >= 3 else Line(0.0, 0.0, 0.0, 0.0)


def verdict(kind: Kind, subject: str, *, rate: float, value: float, since_s: float) -> str:
    """In a sentence or two."""
    rule = RULES[kind]
    words = rule.grows.format(subject=subject)
    if kind not in (Kind.IDLE, Kind.STRAYS):
        words += f" by {rate * MINUTE_S:.0f} a minute for {span(since_s)}"
    return f"{words}; {amount('fds', value)} {rule.now}. {rule.advice}."
