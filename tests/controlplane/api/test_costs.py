"""How many queries each list takes: the same for one row and for many."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from controlplane.access.policy import Scope
from supervision.fleet.models import Node
from supervision.trees import commands
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db

WHO = 2
"""The token with its user, and the user's grants."""
COSTS = {
    "tokens": 1,
    "users": 2,
    "trees": 1,
    "rollouts": 1,
    "nodes": 1,
    "strays": 1,
    "children": 1,
    "incarnations": 1,
    "events": 1,
    "operations": 1,
    "audit": 1,
    "counts": 2,
    "observed": 5,
    "me": 0,
}


def grow(host: Node, number: int) -> None:
    name = f"tree{number}"
    world.applied(name)
    world.observed(host, name, "a", "b")
    world.event(host, 100 + number, tree=name, key=f"{name}/a")
    commands.request_command(verb="stop", key=f"{name}/a", actor=people.SOMEBODY)
    people.token(people.user(f"user{number}"), Scope.READ)


@pytest.mark.parametrize("name", sorted(COSTS))
def test_a_list_costs_the_same_however_long_it_is(name: str) -> None:
    host = world.world()
    client = people.bearer(people.token(people.admin(), Scope.ADMIN))
    url = reverse(f"api:{name}")
    client.get(url)
    for number in range(5):
        grow(host, number)
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(url)
        assert answer.status_code == 200
        assert len(queries) == WHO + COSTS[name], [query["sql"][:200] for query in queries]


def test_what_one_tree_costs(django_assert_num_queries: Any) -> None:
    world.world()
    client = people.bearer(people.token(people.admin(), Scope.ADMIN))
    url = reverse("api:tree", args=["shop"])
    client.get(url)
    with django_assert_num_queries(WHO + 2):
        client.get(url)
