"""What of an agent changes without a new life."""

import json
from typing import Any

import pytest

from supervision.kernel import Kernel
from supervision.runtime.agentdoc import agent_body
from supervision.runtime.treedoc import parse_tree


def _kernel(**agent: Any) -> Kernel:
    child = {"id": "crawler", "agent": {"entry_point": "shop:Crawler", **agent}}
    tree = parse_tree({"version": 1, "tree": "shop", "supervisor": {"children": [child]}})
    return Kernel(tree.name, tree.spec)


def _body(kernel: Kernel) -> Any:
    [_, view] = kernel.children()
    return view.spec.body


def test_arguments_of_an_agent_that_is_restarted_stand_in_what_is_compared() -> None:
    body = _body(_kernel(arguments={"n": 1}))
    assert body["agent"]["arguments"] == {"n": 1}
    assert "delivered" not in body


@pytest.mark.parametrize("arguments", [{"n": 1}, {}])
def test_delivered_arguments_stand_apart(arguments: dict[str, Any]) -> None:
    body = _body(_kernel(arguments=arguments, on_change="deliver"))
    assert body["delivered"] == {"arguments": arguments}
    assert "arguments" not in body["agent"]
    assert agent_body(body).told["OVERSTORY_AGENT_ARGUMENTS"] == json.dumps(arguments)


def test_another_revision_of_the_config_alone_changes_no_life() -> None:
    first, second = _body(_kernel(config="crawler", revision=1)), _body(_kernel(config="crawler", revision=2))
    assert second["delivered"] == {"revision": 2}
    assert {**first, "delivered": None} == {**second, "delivered": None}
