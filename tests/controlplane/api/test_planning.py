"""Plans: each node's own with its preflight, or what is stored of a node that cannot be asked, and why."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from controlplane.access.policy import Scope
from controlplane.api.asking import NodeSilentError
from supervision.runtime.treedoc import parse_tree
from supervision.trees.models import Tree
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    world.world()
    return people.bearer(people.token(people.admin(), Scope.READ))


def plan(api: Client, document: dict[str, Any]) -> Any:
    answer = api.post(reverse("api:plan"), document, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_node_that_answers_plans_itself(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def node(node_id: str, op: str, args: dict[str, Any], *, timeout_s: float) -> Any:
        asked.append((node_id, op, args["spec"]["tree"]))
        finding = {"severity": "error", "pointer": "/supervisor", "message": "not allowed here"}
        step = {"do": "start", "key": "shop/a", "why": "added"}
        return {"from_revision": 1, "changes": 1, "steps": [step], "findings": [finding]}

    monkeypatch.setattr("controlplane.api.planning.ask_node", node)
    made = plan(api, world.document("shop", "web", "a"))
    assert asked == [(world.NODE, "plan", "shop")]
    (there,) = made["nodes"]
    assert (there["preflight"], there["findings"][0]["message"]) == ("done", "not allowed here")
    assert (made["revision"], made["version"], made["changes"]) == (1, 1, 1)


def test_of_a_node_that_does_not_the_stored_state_plans_and_the_reason_is_said(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_args: Any, **_options: Any) -> Any:
        raise NodeSilentError("courier", "the courier takes no questions")

    monkeypatch.setattr("controlplane.api.planning.ask_node", silent)
    (there,) = plan(api, world.document("shop", "web", "a"))["nodes"]
    assert there["preflight"] == "the courier takes no questions"
    assert ("start", "shop/a") in [(step["do"], step["key"]) for step in there["steps"]]


def test_a_new_tree_is_planned_whole_and_nothing_is_made(api: Client) -> None:
    made = plan(api, world.document("fresh", "a"))
    assert (made["revision"], made["version"], made["nodes"][0]["node"]) == (None, None, None)
    assert [step["key"] for step in made["nodes"][0]["steps"]] == ["fresh", "fresh/a"]
    assert not Tree.objects.filter(name="fresh").exists()


def test_the_digest_is_the_documents(api: Client) -> None:
    document = world.document("fresh", "a")
    assert plan(api, document)["digest"] == parse_tree(document).digest
