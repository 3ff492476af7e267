"""Output of children, asked from nodes that may be silent."""

from collections.abc import Mapping
from typing import Any

import pytest

from controlplane.access.policy import Scope
from controlplane.api import output
from controlplane.api.asking import NodeSilentError
from tests.support import people

pytestmark = pytest.mark.django_db


def test_silent_nodes_are_not_waited_for_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    now, patience = [0.0], []

    class Clock:
        def boot(self) -> float:
            return now[0]

    def ask(node: str, op: str, args: Mapping[str, Any], *, timeout_s: float) -> Any:
        patience.append(timeout_s)
        if node != "d":
            now[0] += timeout_s
            raise NodeSilentError("courier", f"{node} is silent")
        return {
            "lines": [{"time": 1.0, "stream": "out", "incarnation": 1, "text": "hello", "key": "shop/web"}]
        }

    monkeypatch.setattr(output, "SystemClock", Clock)
    monkeypatch.setattr(output, "ask_node", ask)
    monkeypatch.setattr(output, "nodes_of", lambda key, node: ["a", "b", "c", "d"])
    api = people.bearer(people.token(people.admin(), Scope.READ))
    body = api.get("/api/v1/logs?key=shop/web").json()
    assert patience == [5.0, 1.0, 1.0, 1.0]
    assert [line["text"] for line in body["items"]] == ["hello"]
    assert [one["node"] for one in body["missing"]] == ["a", "b", "c"]
