"""Lookups in the registry, looked at once more on the node of whom they found: a process that has ended is not found.

The rows know of an end when the journal is stored; the node knows when the pidfd is readable. So a lookup never answers one
of this node whose pidfd was readable when the lookup began (issue 4).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

LOOKUPS = frozenset({"registry.whereis", "registry.find"})
ALIVE = frozenset({"starting", "running"})

States = Callable[[list[list[Any]]], Awaitable[list[str]]]
"""Of each [key, incarnation] of this node, at this moment."""


async def without_the_dead(answer: dict[str, Any], node_id: str, states: States) -> dict[str, Any]:
    """`answer` to a lookup without registrations of lives that this node knows to be over."""
    result = answer.get("result")
    if not isinstance(result, dict):
        return answer
    found = result.get("found")
    items = result.get("items")
    listed = [*([found] if found else []), *(items if isinstance(items, list) else [])]
    ours = [each for each in listed if _is_of(each, node_id)]
    if not ours:
        return answer
    known = await states([[each["child"], each["incarnation"]] for each in ours])
    dead = [each for each, state in zip(ours, known, strict=True) if state not in ALIVE]
    if not dead:
        return answer
    shown = dict(result)
    if found in dead:
        shown["found"] = None
    if isinstance(items, list):
        shown["items"] = [each for each in items if each not in dead]
    return {**answer, "result": shown}


def _is_of(registration: Any, node_id: str) -> bool:
    return (
        isinstance(registration, Mapping)
        and registration.get("node") == node_id
        and isinstance(registration.get("child"), str)
        and bool(registration["child"])
        and type(registration.get("incarnation")) is int
    )
