"""Supervisors with what is below them: roll-ups, order, and where trouble is. Pure.

Members are mappings with `key`, `parent`, `position`, `is_supervisor`, `state`, of one tree on one node.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime.observed import TROUBLE

Member = Mapping[str, Any]


@dataclass(slots=True)
class RollUp:
    """Over the processes below a supervisor. rss, restarts: None while nothing is known."""

    counts: dict[str, int] = field(default_factory=dict)
    rss: int | None = None
    restarts: int | None = None

    @property
    def trouble(self) -> int:
        return sum(number for state, number in self.counts.items() if state in TROUBLE)

    def add(self, other: "RollUp") -> None:
        for state, number in other.counts.items():
            self.counts[state] = self.counts.get(state, 0) + number
        self.rss = _sum(self.rss, other.rss)
        self.restarts = _sum(self.restarts, other.restarts)


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def roll_ups(members: Iterable[Member]) -> dict[str, RollUp]:
    """By supervisor's key, over everything below it. Costs members times depth at worst, and only adds."""
    members = list(members)
    parents = {member["key"]: member["parent"] for member in members}
    found = {member["key"]: RollUp() for member in members if member["is_supervisor"]}
    for member in members:
        if member["is_supervisor"]:
            continue
        one = RollUp({member["state"]: 1}, member.get("rss"), member.get("restarts_1h"))
        above = member["parent"]
        seen = 0
        while above in found and seen <= len(found):
            found[above].add(one)
            above = parents.get(above, "")
            seen += 1
    return found


def in_order(members: Iterable[Member]) -> Iterator[tuple[int, Member]]:
    """Depth first, siblings by position: (depth, member). What has no known parent stands at the top."""
    members = list(members)
    known = {member["key"] for member in members}
    below: dict[str, list[Member]] = {}
    for member in members:
        above = member["parent"] if member["parent"] in known and member["parent"] != member["key"] else ""
        below.setdefault(above, []).append(member)
    for children in below.values():
        children.sort(key=lambda member: (member["position"], member["key"]))
    stack = [(0, member) for member in reversed(below.get("", []))]
    while stack:
        depth, member = stack.pop()
        yield depth, member
        stack += [(depth + 1, child) for child in reversed(below.get(member["key"], []))]
