"""`GET /what_if`: the kernel's answer from what is stored, and the same as the kernel in memory would give."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from controlplane.access.policy import Role, Scope
from supervision.explain.deeds import DEEDS, deed_of
from supervision.explain.foreseeing import foretell
from supervision.fleet.models import Node
from supervision.journal.present import Present, trees_now
from tests.controlplane.dashboard.facts import make_node
from tests.support import people
from tests.support.stored_tree import store, told_tree
from tests.support.told_tree import ToldTree

pytestmark = pytest.mark.django_db

SHOP = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "strategy": "rest_for_one",
        "children": [
            {"id": "db", "process": {"command": ["/bin/true"]}},
            {"id": "web", "depends_on": ["db"], "process": {"command": ["/bin/true"]}},
            {"id": "mail", "restart": "transient", "process": {"command": ["/bin/true"]}},
        ],
    },
}


@pytest.fixture
def told() -> ToldTree:
    """It has been restarted twice, and one child is held."""
    told = told_tree(SHOP)
    for key in ("shop/web", "shop/db"):
        told.exit(key, "exit(3)")
    told.ask("hold", "shop/mail", seconds=600.0)
    return told


@pytest.fixture
def node(told: ToldTree) -> Node:
    node = make_node(journal_seq=0)
    store(node, told)
    return node


def tree_now(*, node_id: str, tree: str) -> Present:
    return trees_now(node_ids=[node_id], tree=tree)[node_id]


def api() -> Client:
    return people.bearer(people.token(people.admin(), Scope.READ))


def ask(client: Client, **query: Any) -> Any:
    return client.get(reverse("api:what-if"), query)


def test_the_stored_kernel_is_the_nodes_own(node: Node, told: ToldTree) -> None:
    present = tree_now(node_id=node.id, tree="shop")
    assert present.kernel == told.kernel
    assert present.is_whole
    assert present.seq == len(told.records)


@pytest.mark.parametrize("do", DEEDS)
def test_every_deed_is_answered_as_the_kernel_in_memory_does(do: str, node: Node, told: ToldTree) -> None:
    [answer] = ask(api(), key="shop/web", do=do).json()["nodes"]
    now = told.clock.boot()
    mine = foretell(told.kernel, deed_of(do, told.kernel, "shop/web", now=now), now=now).to_json()
    assert answer["summary"] == mine["summary"]
    assert answer["affected"] == mine["affected"]
    assert [step["text"] for step in answer["steps"]] == [step["text"] for step in mine["steps"]]


def test_restarts_that_were_used_up_are_counted(node: Node) -> None:
    body = ask(api(), key="shop/web", times=2, within=1).json()
    [answer] = body["nodes"]
    assert (body["do"], answer["times"], answer["within"]) == ("crash", 2, 1.0)
    assert answer["gave_up"] == ["shop"], "two restarts before, two now: the fourth is one too many"
    assert answer["seq"] > 5


def test_what_cannot_be_asked_is_named(node: Node) -> None:
    client = api()
    assert ask(client, key="shop/none").status_code == 404
    for query in ({"do": "dance"}, {"times": 0}, {"times": 1001}, {"within": -1}, {"seconds": 0}):
        assert ask(client, key="shop/web", **query).status_code == 400, query
    assert ask(client).status_code == 400


def test_who_may_not_see_the_tree_learns_nothing(node: Node) -> None:
    other = people.bearer(people.token(people.user("boris", (Role.VIEWER, "bank")), Scope.READ))
    assert ask(other, key="shop/web").status_code in (403, 404)


def test_it_costs_the_same_however_much_is_recorded(node: Node, told: ToldTree) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            trees_now(node_ids=["n1", "n2"], tree="shop")
        return len(queries)

    before = cost()
    other = told_tree({**SHOP, "tree": "bank"})
    records = [{**one, "seq": len(told.records) + at} for at, one in enumerate(other.records, 1)]
    told.records += records
    store(make_node("n2", journal_seq=0), told)
    assert cost() == before
    assert tree_now(node_id="n2", tree="shop").kernel == told.kernel
    assert tree_now(node_id="n2", tree="bank").kernel == other.kernel
