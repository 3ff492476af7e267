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
    "error-issues": 1,
    "error-projects": 3,
    "error-releases": 1,
    "error-transactions": 2,
    "error-teams": 2,
    "monitors": 1,
    "operations": 1,
    "audit": 1,
    "counts": 2,
    "observed": 5,
    "me": 0,
    "task-pools": 4,
    "rules": 1,
    "issue-rules": 1,
    "leaks": 1,
    "shared-leaks": 1,
    "health-checks": 1,
    "objectives": 1,
    "views": 1,
}


def grow(host: Node, number: int) -> None:
    name = f"tree{number}"
    world.pool(name)
    world.observed(host, name, "a", "b")
    world.event(host, 100 + number, tree=name, key=f"{name}/a")
    world.errors(name)
    commands.request_command(verb="stop", key=f"{name}/a", actor=people.SOMEBODY)
    world.watched(name)
    somebody = people.user(f"user{number}")
    people.token(somebody, Scope.READ)
    world.view(somebody)


def test_a_list_costs_the_same_however_long_it_is() -> None:
    """All of the same rows, because making them takes longer than asking for them."""
    host = world.world()
    client = people.bearer(people.token(people.admin(), Scope.ADMIN))
    for name in COSTS:
        client.get(reverse(f"api:{name}"))
    wrong: list[str] = []
    for number in range(5):
        grow(host, number)
        for name, cost in COSTS.items():
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(reverse(f"api:{name}"))
            assert answer.status_code == 200, name
            if len(queries) != WHO + cost:
                asked = [query["sql"][:200] for query in queries]
                wrong.append(f"{name} with {number + 1} more: {len(queries)} for {WHO + cost}: {asked}")
    assert not wrong, "\n".join(wrong)


def test_what_one_tree_costs(django_assert_num_queries: Any) -> None:
    world.world()
    client = people.bearer(people.token(people.admin(), Scope.ADMIN))
    url = reverse("api:tree", args=["shop"])
    client.get(url)
    with django_assert_num_queries(WHO + 2):
        client.get(url)
