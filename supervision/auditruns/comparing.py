"""The same or fewer, never more: two runs compared by the number of findings of each rule. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """`verdict`: `first`, `fewer`, `same` or `more`. `grown` and `shrunk`: rule to (before, now)."""

    verdict: str
    grown: Mapping[str, tuple[int, int]]
    shrunk: Mapping[str, tuple[int, int]]


def compare(before: Mapping[str, int] | None, now: Mapping[str, int]) -> Comparison:
    """`before` is None for the first run. One rule with more makes it `more`, whatever the others do."""
    if before is None:
        return Comparison("first", {}, {})
    rules = sorted({*before, *now})
    pairs = {rule: (before.get(rule, 0), now.get(rule, 0)) for rule in rules}
    grown = {rule: pair for rule, pair in pairs.items() if pair[1] > pair[0]}
    shrunk = {rule: pair for rule, pair in pairs.items() if pair[1] < pair[0]}
    return Comparison("more" if grown else "fewer" if shrunk else "same", grown, shrunk)
