"""Output of children, asked from nodes that may be silent."""

from collections.abc import Mapping
from typing import Any

import pytest

from controlplane.access.policy import Role, Scope
from controlplane.api import output
from controlplane.api.asking import NodeSilentError
from supervision.fleet.models import Node
from tests.controlplane.dashboard.facts import make_child, make_node, make_supervisor, make_tree
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


@pytest.fixture
def fleet() -> Node:
    node = make_node()
    for tree in ("shop", "bank", "system"):
        make_tree(node, tree)
        make_supervisor(node, tree)
        make_child(node, f"{tree}/web")
    make_child(node, "shop/mail", state="failed", pid=None)
    return node


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """What nodes are asked for many children; each answers one line of each, a second after the one before."""
    questions: list[tuple[str, str, dict[str, Any]]] = []

    def ask(node: str, op: str, args: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        questions.append((node, op, args))
        texts = ("INFO serving", "ERROR no answer", "FATAL gone", "WARNING late")
        return {
            "lines": [
                {"time": 1000.0 + at, "stream": "out", "incarnation": 1, "key": key, "text": texts[at % 4]}
                for at, key in enumerate(args["keys"])
            ]
        }

    monkeypatch.setattr(output, "ask_node", ask)
    return questions


def reader(*grants: tuple[Role, str]) -> Any:
    return people.bearer(people.token(people.user("vera", *grants), Scope.READ))


def test_many_children_are_read_at_once_all_but_the_platforms_own(fleet: Node, asked: list[Any]) -> None:
    body = reader((Role.VIEWER, "")).get("/api/v1/logs?lines=2&stream=err").json()
    keys = ["bank/web", "shop/mail", "shop/web"]
    assert asked == [("n1", "last_of_many", {"keys": keys, "lines": 2, "stream": "err"})]
    assert [(line["key"], line["node"]) for line in body["items"]] == [
        ("shop/mail", "n1"),
        ("shop/web", "n1"),
    ]
    assert (body["tailed"], body["total"], body["missing"]) == (3, 3, [])


def test_a_filter_means_children_among_those_that_may_be_seen(fleet: Node, asked: list[Any]) -> None:
    api = reader((Role.VIEWER, "shop"))
    body = api.get("/api/v1/logs?filter=state:failed").json()
    assert [args["keys"] for _, _, args in asked] == [["shop/mail"]]
    assert (body["tailed"], body["total"]) == (1, 1)
    asked.clear()
    nothing = api.get("/api/v1/logs?filter=tree:bank").json()
    assert (nothing["items"], nothing["total"]) == ([], 0)
    assert api.get("/api/v1/logs?filter=tree:shop&node=elsewhere").json()["total"] == 0
    assert asked == []
    assert api.get("/api/v1/logs?key=bank/web").status_code == 404


def test_lines_are_kept_that_are_bad_enough_and_new_enough(fleet: Node, asked: list[Any]) -> None:
    api = reader((Role.VIEWER, ""))

    def texts(query: str) -> list[str]:
        return [line["text"] for line in api.get(f"/api/v1/logs?{query}").json()["items"]]

    whole = "filter=tree:shop,bank,system"
    assert texts(whole) == ["INFO serving", "ERROR no answer", "FATAL gone", "WARNING late"]
    assert texts(f"{whole}&severity=error") == ["ERROR no answer", "FATAL gone"]
    assert texts(f"{whole}&severity=warning&lines=1") == ["WARNING late"]
    assert texts(f"{whole}&severity=critical") == ["FATAL gone"]
    assert texts(f"{whole}&since=1970-01-01T00:16:42Z") == ["FATAL gone", "WARNING late"]
    assert [args["lines"] for _, _, args in asked] == [100, 5000, 5000, 5000, 5000]


def test_no_more_children_are_asked_about_than_the_page_follows(
    fleet: Node, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "MOST_CHILDREN", 2)
    body = reader((Role.VIEWER, "")).get("/api/v1/logs").json()
    assert (body["tailed"], body["total"]) == (2, 3)
    assert asked[0][2]["keys"] == ["bank/web", "shop/mail"]
