"""What if: asked on the page Tree and on a process's own, answered by the kernel, marked on the rows it touches."""

import pytest
from django.test import Client

from controlplane.access.policy import Role
from supervision.fleet.models import Node
from tests.controlplane.dashboard.facts import make_node
from tests.support import people
from tests.support.stored_tree import store, told_tree

pytestmark = pytest.mark.django_db


def sleeping(*names: str) -> list[dict[str, object]]:
    return [{"id": name, "process": {"command": ["/bin/sleep", "9"]}} for name in names]


SHOP = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "strategy": "rest_for_one",
        "children": [
            *sleeping("db"),
            {"id": "jobs", "supervisor": {"strategy": "one_for_all", "children": sleeping("mail", "sms")}},
            *sleeping("web"),
        ],
    },
}


@pytest.fixture
def node() -> Node:
    node = make_node(journal_seq=0)
    store(node, told_tree(SHOP))
    return node


@pytest.fixture
def client(node: Node) -> Client:
    return people.browser(people.user("vera", (Role.VIEWER, "shop")))


def test_crashes_are_marked_on_the_tree_and_told_in_order(client: Client) -> None:
    answer = client.get("/tree", {"if": "crash", "key": "shop/jobs/mail", "times": "4", "within": "5"})
    asked = answer.context["what_if"]
    [told] = asked["answers"]
    assert told["summary"].startswith("3 processes restart. shop/jobs gives up.")
    assert told["steps"][0]["text"] == "shop/jobs/mail crashes, 1 of 4."
    marks = {row["key"]: row["mark"] and row["mark"]["words"] for row in answer.context["outline"]}
    assert marks == {
        "shop": None,
        "shop/db": None,
        "shop/jobs": "restarts",
        "shop/jobs/mail": "restarts 4 times",
        "shop/jobs/sms": "restarts 4 times",
        "shop/web": "restarts",
    }
    page = answer.content.decode()
    assert 'id="foresight-marks"' in page
    assert "shop/jobs gives up: 4 restarts in 5s, 3 are allowed." in page


def test_the_numbers_are_filled_with_one_crash_too_many(client: Client) -> None:
    asked = client.get("/tree", {"if": "crash", "key": "shop/db"}).context["what_if"]
    assert (asked["times"], asked["within"]) == (4, "5")
    [told] = asked["answers"]
    assert "shop gives up." in told["summary"]
    fewer = client.get("/tree", {"if": "crash", "key": "shop/db", "times": "3"}).context["what_if"]
    assert "No supervisor gives up." in fewer["answers"][0]["summary"]


def test_a_process_page_asks_about_itself(client: Client) -> None:
    answer = client.get("/process/shop/web", {"tab": "what-if", "if": "stop"})
    [told] = answer.context["what_if"]["answers"]
    assert [(one["key"], one["words"]) for one in told["affected"]] == [("shop/web", "stops")]
    usual = client.get("/process/shop/web", {"tab": "what-if"}).context["what_if"]
    assert usual["answers"][0]["steps"][0]["text"] == "shop/web crashes, 1 of 4."


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"if": "crash", "key": "shop/none"}, "key"),
        ({"if": "crash", "key": "bank/web"}, "key"),
        ({"if": "dance", "key": "shop/web"}, "if"),
        ({"if": "crash", "key": "shop/web", "times": "0"}, "times"),
        ({"if": "crash", "key": "shop/web", "times": "1001"}, "times"),
        ({"if": "crash", "key": "shop/web", "within": "a"}, "within"),
    ],
)
def test_what_cannot_be_asked_is_named(query: dict[str, str], field: str, client: Client) -> None:
    asked = client.get("/tree", query).context["what_if"]
    assert list(asked["errors"]) == [field]
    assert asked["answers"] == []


def test_nothing_is_told_of_a_tree_that_may_not_be_seen(node: Node) -> None:
    stranger = people.browser(people.user("boris", (Role.VIEWER, "bank")))
    asked = stranger.get("/tree", {"if": "stop", "key": "shop/web"}).context["what_if"]
    assert (list(asked["errors"]), asked["marks"]) == (["key"], {})
