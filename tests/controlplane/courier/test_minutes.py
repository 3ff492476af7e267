"""What agents measure, from a sampler's minutes to rows by kind."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agents.configs import kinds
from agents.measures import selectors
from controlplane.courier.minutes import store_minutes
from supervision.fleet.models import Node
from supervision.samples.models import SampleMinute
from supervision.trees import services as trees
from tests.agents import config_rows
from tests.support.people import SOMEBODY

pytestmark = pytest.mark.django_db
AT = 1_767_322_980
NOW = datetime.fromtimestamp(AT + 60, UTC)


@pytest.fixture
def node() -> str:
    return Node.objects.create(id="n" * 32, name="host", joined_at=NOW).id


def minute(at: int = AT, **said: Any) -> dict[str, Any]:
    """Of children by the last part of their key; None: a child that said nothing."""
    return {
        "at": at,
        "keys": [f"shop/{name}" for name in said],
        "rows": [[60, sums] for sums in said.values()],
    }


def store(node: str, *minutes: dict[str, Any]) -> int:
    return len(store_minutes(node_id=node, fields=["n", "gauges"], minutes=minutes, now=NOW))


PAGES = {"pages": {"avg": 1.0, "max": 3.0, "min": 0.0, "last": 3.0, "added": 3.0}}


@pytest.fixture
def shop() -> None:
    """A tree with agents of a kind and of none, agents made of a template, and a process."""
    kinds.put_kind(name="spider", schema={}, description="", actor=SOMEBODY)
    config_rows.put(kind="spider")
    agent = {"entry_point": "a:B"}
    pool = {
        "strategy": "simple_one_for_one",
        "children": [{"id": "job", "agent": {"config": "shop/crawler"}}],
    }
    children = [
        {"id": "crawler", "agent": {"config": "shop/crawler"}, "instances": 2},
        {"id": "plain", "agent": agent},
        {"id": "web", "process": {"command": ["/bin/true"]}},
        {"id": "pool", "supervisor": pool},
    ]
    document = {"version": 1, "tree": "shop", "supervisor": {"children": children}}
    trees.apply_tree(document=document, message="", actor=SOMEBODY)


def test_each_value_goes_to_the_kind_of_its_agent_and_processes_are_none(node: str, shop: None) -> None:
    refused = store(
        node,
        {
            "at": AT,
            "keys": ["shop/crawler@1", "shop/crawler@2", "shop/plain", "shop/web", "shop/pool/one", "gone/x"],
            "rows": [[60, PAGES], [60, PAGES], [60, PAGES], [60, PAGES], [60, PAGES], [60, PAGES]],
        },
    )
    assert refused == 0
    assert selectors.counters() == ([("agent", "pages", 3.0), ("spider", "pages", 9.0)], [])


def test_a_minute_that_is_brought_again_is_added_up_once(node: str, shop: None) -> None:
    store(node, minute(plain=PAGES))
    store(node, minute(plain=PAGES), minute(AT + 60, plain=PAGES))
    assert selectors.counters()[0] == [("agent", "pages", 6.0)]
    assert SampleMinute.objects.count() == 2


def test_what_is_no_number_is_refused_and_not_added(node: str, shop: None) -> None:
    bad = {"pages": {**PAGES["pages"], "added": float("nan")}}
    assert store(node, minute(plain=bad, web=None)) == 1
    assert selectors.counters() == ([], [])
    assert SampleMinute.objects.count() == 1


def test_trees_and_configs_are_asked_for_once_however_many_agents_there_are(
    node: str, shop: None, django_assert_max_num_queries: Any
) -> None:
    keys = [f"shop/crawler@{number}" for number in range(500)]
    with django_assert_max_num_queries(12):
        store(node, {"at": AT, "keys": keys, "rows": [[60, PAGES]] * 500})
    assert selectors.counters()[0] == [("spider", "pages", 1500.0)]
