"""Lists about agents cost the same however many rows they show."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.registry import declaring
from agents.registry import services as registry
from agents.registry.services import Owner
from tests.agents import config_rows
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db
QUERIES = {"agent-configs": 5, "registrations": 5, "services": 5, "checkpoints": 5, "agent-kinds": 5}
"""At most so many, the session's own among them."""


def _more(first: int, last: int) -> None:
    for number in range(first, last):
        config_rows.put(f"c{number}")
        config_rows.checkpoint("shop/web", world.NODE, version=number)
        registry.register(namespace="n", key=f"k{number}", owner=Owner(holder="x", lease_s=600.0))
        declaring.put_service(namespace="n", name=f"s{number}", actor=config_rows.ADA)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_list_costs_the_same_for_many(name: str) -> None:
    world.world()
    client = people.browser(people.admin())
    url = reverse(f"api:{name}")
    _more(1, 3)
    with CaptureQueriesContext(connection) as few:
        assert client.get(url).status_code == 200
    _more(3, 20)
    with CaptureQueriesContext(connection) as many:
        assert client.get(url).status_code == 200
    assert len(many) == len(few)
    assert len(many) <= QUERIES[name], [query["sql"] for query in many.captured_queries]
