"""Logs: which children are meant, by filter and by right, and what is no question."""

import json
from typing import Any

import pytest

from controlplane.access.policy import Role
from controlplane.dashboard.pages import logs
from supervision.fleet.models import Node
from tests.controlplane.dashboard.facts import make_child, make_node, make_supervisor, make_tree
from tests.support import people

pytestmark = pytest.mark.django_db

VERA = (Role.VIEWER, "shop")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """What the nodes are asked; the couriers' own answers are tested with them."""
    questions: list[tuple[str, str, dict[str, Any]]] = []

    def ask(node: str, op: str, args: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        assert 0 < timeout_s <= 3
        questions.append((node, op, args))
        keys = args.get("keys") or list(args["places"])
        lines = [
            {"time": 5.0 + at, "stream": "out", "text": f"{op} {key}", "key": key}
            for at, key in enumerate(keys)
        ]
        return {"lines": lines, "places": {key: [1, 2, 3] for key in keys}}

    monkeypatch.setattr(logs, "ask_node", ask)
    return questions


@pytest.fixture
def fleet() -> Node:
    node = make_node()
    for tree in ("shop", "bank", "system"):
        make_tree(node, tree)
        make_supervisor(node, tree)
        make_child(node, f"{tree}/web")
    make_child(node, "shop/mail", state="failed", pid=None)
    return node


def post(client: Any, **body: Any) -> Any:
    question = {"q": "", "node": "n1", "stream": "", "places": {}} | body
    return client.post("/logs", json.dumps(question), content_type="application/json")


def test_the_page_shows_the_last_lines_of_all_that_may_be_seen(fleet: Node, asked: list[Any]) -> None:
    page = people.browser(people.admin()).get("/logs")
    assert asked == [
        ("n1", "last_of_many", {"keys": ["bank/web", "shop/mail", "shop/web"], "lines": 200, "stream": None})
    ]
    assert [line["key"] for line in page.context["lines"]] == ["bank/web", "shop/mail", "shop/web"]
    assert page.context["places"] == {"n1": {key: [1, 2, 3] for key in ("bank/web", "shop/mail", "shop/web")}}
    asked.clear()
    shown = people.browser(people.user("vera", VERA)).get("/logs?q=state:failed&stream=stderr")
    assert [(args["keys"], args["stream"]) for _, _, args in asked] == [(["shop/mail"], "err")]
    assert (shown.context["tailed"], shown.context["total"]) == (1, 1)


def test_what_is_written_since_is_asked_behind_the_places_of_those_that_match(
    fleet: Node, asked: list[Any]
) -> None:
    client = people.browser(people.user("vera", VERA))
    places = {"shop/web": [1, 2, 3], "bank/web": [1, 2, 3]}
    answer = post(client, q="state:running", places=places).json()
    assert asked == [("n1", "follow_many", {"places": {"shop/web": [1, 2, 3]}, "stream": None})]
    assert [line["text"] for line in answer["lines"]] == ["follow_many shop/web"]
    assert answer["lines"][0]["url"] == "/process/shop/web?node=n1&tab=logs"
    assert (answer["nodes"], answer["tailed"], answer["total"]) == (["n1"], 1, 1)


def test_one_that_comes_to_match_begins_with_its_last_lines(fleet: Node, asked: list[Any]) -> None:
    client = people.browser(people.user("vera", VERA))
    answer = post(client, places={"shop/web": [1, 2, 3]}).json()
    assert [(op, args.get("keys"), args.get("lines")) for _, op, args in asked] == [
        ("last_of_many", ["shop/mail"], 20),
        ("follow_many", None, None),
    ]
    assert answer["places"].keys() == {"shop/web", "shop/mail"}


def test_another_trees_children_are_asked_of_nobody(fleet: Node, asked: list[Any]) -> None:
    boris = people.browser(people.user("boris", (Role.VIEWER, "other")))
    assert boris.get("/logs").context["total"] == 0
    answer = post(boris, q="tree:shop", places={"shop/web": [1, 0, 0]}).json()
    assert (answer["lines"], answer["nodes"]) == ([], [])
    assert asked == []


def test_a_filter_chooses_among_more_than_are_followed_at_once(
    fleet: Node, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST", 2)
    client = people.browser(people.admin())
    page = client.get("/logs")
    assert (page.context["tailed"], page.context["total"]) == (2, 3)
    assert "2 of 3 children: the filter chooses which" in page.content.decode()
    wrong = client.get("/logs?q=state:blue")
    assert (wrong.context["q_error"]["at"], wrong.context["lines"]) == (6, [])


def test_a_download_is_text_with_who_wrote_what_when(fleet: Node, asked: list[Any]) -> None:
    answer = people.browser(people.admin()).get("/logs?q=tree:shop&download=1")
    assert answer["Content-Disposition"] == 'attachment; filename="logs.txt"'
    assert answer.content.decode().splitlines() == [
        "1970-01-01T00:00:05.000+00:00 host-n1 shop/mail stdout: last_of_many shop/mail",
        "1970-01-01T00:00:06.000+00:00 host-n1 shop/web stdout: last_of_many shop/web",
    ]
    assert asked[0][2]["lines"] == 5000


@pytest.mark.parametrize(
    "body",
    [
        {"places": []},
        {"places": {"shop/web": [1, 2]}},
        {"places": {"shop/web": [1, -2, 0]}},
        {"places": {"shop/web": "abc"}},
        {"stream": "disk"},
        {"node": "n1", "q": "x" * 300_000},
    ],
)
def test_what_is_no_question_is_refused(fleet: Node, asked: list[Any], body: dict[str, Any]) -> None:
    assert post(people.browser(people.admin()), **body).status_code == 400
    assert asked == []
