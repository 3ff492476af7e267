"""A lookup never answers a life that this node knows to be over."""

import asyncio
from typing import Any

from supervision.runtime.gateway_lookups import without_the_dead

HERE = "n" * 32


def life(child: str, incarnation: int = 1, node: str = HERE) -> dict[str, Any]:
    return {"key": "name", "node": node, "child": child, "incarnation": incarnation}


def filtered(result: Any, **known: str) -> Any:
    async def states(lives: list[list[Any]]) -> list[str]:
        return [known[f"{key}_{incarnation}"] for key, incarnation in lives]

    return asyncio.run(without_the_dead({"result": result}, HERE, states))["result"]


def test_the_dead_of_this_node_are_left_out_and_nobody_else() -> None:
    assert filtered({"found": life("a")}, a_1="running") == {"found": life("a")}
    assert filtered({"found": life("a")}, a_1="starting") == {"found": life("a")}
    for state in ("ending", "ended", "unknown"):
        assert filtered({"found": life("a")}, a_1=state) == {"found": None}
    elsewhere = {"found": life("a", node="m" * 32)}
    assert filtered(elsewhere) == elsewhere
    listed = {"items": [life("a"), life("b"), life("a", node="m" * 32)], "more": 1}
    assert filtered(listed, a_1="ended", b_1="running") == {
        "items": [life("b"), life("a", node="m" * 32)],
        "more": 1,
    }


def test_what_is_no_registration_of_a_life_is_left_alone() -> None:
    others: list[Any] = [
        {},
        {"found": None},
        {"items": []},
        {"found": {"node": HERE}},
        {"found": life("")},
        None,
        [],
    ]
    for result in others:
        assert filtered(result) == result
