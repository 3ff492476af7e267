"""How many processes were in which state, over the last hour: what this server process saw, each ten seconds. Pure.

Counts are kept by tree, so that everybody sees the sum of what they may see. Before this process began nothing is known.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

STEP_S = 10
POINTS = 360
GROUPS: Mapping[str, tuple[str, ...]] = {
    "running": ("running",),
    "starting": ("starting", "stopping", "waiting"),
    "backoff": ("backoff",),
    "failed": ("failed", "lost"),
    "stopped": ("stopped", "held", "completed"),
}
"""What is drawn as one line."""


class Counting:
    """By tree: (slot, processes by state), oldest first."""

    def __init__(self) -> None:
        self._trees: dict[str, deque[tuple[int, dict[str, int]]]] = {}
        self._slot = -1

    def look(self, at: float, members: Iterable[Mapping[str, Any]]) -> bool:
        """Once for each ten seconds; whether it was. at: Unix seconds."""
        slot = int(at) // STEP_S
        if slot <= self._slot:
            return False
        self._slot = slot
        found: dict[str, dict[str, int]] = {}
        for member in members:
            if not member["is_supervisor"]:
                states = found.setdefault(member["tree"], {})
                states[member["state"]] = states.get(member["state"], 0) + 1
        for tree, states in found.items():
            self._trees.setdefault(tree, deque(maxlen=POINTS)).append((slot, states))
        for tree in [tree for tree, kept in self._trees.items() if kept[-1][0] <= slot - POINTS]:
            del self._trees[tree]
        return True

    def history(self, visible: frozenset[str] | None) -> dict[str, Any]:
        """`{"from", "step", "groups": {name: [POINTS numbers]}}`, oldest first; null where nothing was seen."""
        first = self._slot - POINTS + 1
        sums: list[dict[str, int] | None] = [None] * POINTS
        for tree, kept in self._trees.items():
            if visible is not None and tree not in visible:
                continue
            for slot, states in kept:
                place = slot - first
                if 0 <= place < POINTS:
                    held = sums[place] = sums[place] or {}
                    for state, number in states.items():
                        held[state] = held.get(state, 0) + number
        return {
            "from": first * STEP_S,
            "step": STEP_S,
            "groups": {
                name: [None if one is None else sum(one.get(state, 0) for state in states) for one in sums]
                for name, states in GROUPS.items()
            },
        }
