"""Pages about agents: who runs with which config, and an editor that says what is wrong and what would restart."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.configs.models import AgentConfig, AgentConfigRevision
from agents.registry import services as registry
from agents.registry.services import Facts, Owner
from supervision.fleet.models import Node
from supervision.fleet.services import database_now
from supervision.trees.models import Placement
from tests.agents import config_rows
from tests.controlplane.dashboard.facts import make_child, make_life, make_node, make_supervisor, make_tree
from tests.support import people

pytestmark = pytest.mark.django_db
CONFIG = "/configs/shop/crawler"


@pytest.fixture
def fleet() -> Node:
    """An agent that follows shop/crawler, another that stays at its first revision; a config that nobody names."""
    node = make_node(lease_until=database_now())
    config_rows.put(arguments={"n": 1})
    config_rows.put(arguments={"n": 2}, message="faster")
    config_rows.put("idle")
    for applied in (config_rows.apply("shop"), config_rows.apply("bank", revision=1)):
        tree = applied.tree.name
        Placement.objects.create(
            tree=applied.tree, node=node, revision=applied.revision, assigned_at=applied.revision.created_at
        )
        make_tree(node, tree)
        make_supervisor(node, tree, position=0)
        make_child(node, f"{tree}/crawler", position=1, kind="agent")
        make_life(node, f"{tree}/crawler", 1)
    return node


def admin() -> Client:
    return people.browser(User.objects.filter(username="ada").first() or people.admin())


def _send(client: Client, do: str, document: str, **more: str) -> Any:
    etag = more.pop("etag", AgentConfig.objects.get(name="crawler").tag)
    return client.post(CONFIG, {"do": do, "document": document, "etag": etag, **more})


def test_the_list_says_which_revision_runs_and_what_has_no_process(fleet: Node) -> None:
    context = admin().get("/agents").context
    assert [(one["key"], one["config"], one["revision"], one["follows"]) for one in context["agents"]] == [
        ("bank/crawler", "shop/crawler", 1, False),
        ("shop/crawler", "shop/crawler", 2, True),
    ]
    assert {one["ref"]: one["trees"] for one in context["configs"]} == {
        "shop/crawler": ["bank", "shop"],
        "shop/idle": [],
    }
    assert b"registered only, no process" in admin().get("/agents").content
    assert [one["key"] for one in admin().get("/agents?q=bank").context["agents"]] == ["bank/crawler"]


def test_an_agent_shows_its_config_lives_keys_and_checkpoints(fleet: Node) -> None:
    owner = Owner(fleet.pk, "shop/crawler", 1)
    registry.register(namespace="shop", key="front", owner=owner, facts=Facts(capabilities=["crawl"]))
    config_rows.checkpoint("shop/crawler", fleet.pk, version=4)
    context = admin().get("/agents/shop/crawler").context
    assert (context["config"]["revision"], context["config"]["follows"]) == (2, True)
    assert "n: 2" in context["config"]["yaml"]
    assert [line["sign"] for line in context["config"]["diff"] if "n:" in line["text"]] == ["-", "+"]
    assert [one["number"] for one in context["lives"]] == [1]
    assert [one["name"] for one in context["registrations"]] == ["shop/front"]
    assert [one["version"] for one in context["checkpoints"]] == [4]
    assert "n: 1" in admin().get("/agents/shop/crawler?revision=1").context["config"]["yaml"]


def test_what_is_wrong_is_said_with_its_line_while_it_is_typed(fleet: Node) -> None:
    answer = _send(admin(), "check", "entry_point: a:B\nheartbeat: soon\n")
    assert answer.status_code == 200
    [error] = answer.context["errors"]
    assert (error["pointer"], error["line"]) == ("/heartbeat", 2)
    assert AgentConfigRevision.objects.filter(config__name="crawler").count() == 2


def test_what_would_restart_is_shown_before_it_does(fleet: Node) -> None:
    answer = _send(admin(), "check", "entry_point: shop.agents:Crawler\narguments: {n: 3}\n")
    assert [(step.do, step.key) for step in answer.context["plan"]["steps"]] == [("restart", "shop/crawler")]
    assert answer.context["plan"]["summary"] == "1 tree follows it: 1 to restart"
    assert AgentConfigRevision.objects.filter(config__name="crawler").count() == 2


def test_what_is_delivered_would_restart_nobody(fleet: Node) -> None:
    text = "entry_point: shop.agents:Crawler\narguments: {n: %d}\non_change: deliver\n"
    assert _send(admin(), "apply", text % 2, message="deliver").status_code == 303
    answer = _send(admin(), "check", text % 3)
    assert [(step.do, step.key) for step in answer.context["plan"]["steps"]] == [("update", "shop/crawler")]


def test_an_applied_config_moves_its_tree_and_who_is_late_is_told(fleet: Node) -> None:
    client, late = admin(), AgentConfig.objects.get(name="crawler").tag
    text = "entry_point: shop.agents:Crawler\narguments: {n: %d}\n"
    assert _send(client, "apply", text % 3, message="more", etag=late).status_code == 303
    assert config_rows.child("shop")["agent"]["arguments"] == {"n": 3}
    refused = _send(client, "apply", text % 4, etag=late)
    assert refused.status_code == 412
    assert text % 4 in refused.context["document"]
    assert config_rows.child("shop")["agent"]["arguments"] == {"n": 3}


def test_a_new_config_is_made_once(fleet: Node) -> None:
    client = admin()
    form = {"do": "apply", "namespace": "ours", "name": "new", "document": "entry_point: a:B\n", "etag": ""}
    assert client.post("/configs/new", form)["Location"] == "/configs/ours/new"
    assert client.post("/configs/new", {**form, "document": "entry_point: a:C\n"}).status_code == 412
    wrong = client.post("/configs/new", {**form, "name": "a/b"})
    assert [error["pointer"] for error in wrong.context["errors"]] == ["/name"]


def test_the_history_compares_and_leads_back(fleet: Node) -> None:
    client = admin()
    shown = client.get(f"{CONFIG}/history").context
    assert (shown["from_number"], shown["to_number"]) == (1, 2)
    back = client.get(f"{CONFIG}/history?back=1")
    assert [(step.do, step.key) for step in back.context["plan"]["steps"]] == [("restart", "shop/crawler")]
    etag = AgentConfig.objects.get(name="crawler").tag
    assert client.post(f"{CONFIG}/history", {"to": "1", "etag": etag}).status_code == 303
    assert config_rows.child("shop")["agent"]["arguments"] == {"n": 1}
    assert client.post(f"{CONFIG}/history", {"to": "1", "etag": etag}).status_code == 412


def test_the_list_costs_the_same_however_many_agents_and_configs(fleet: Node) -> None:
    client = admin()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/agents").status_code == 200
        return len(captured)

    before = queries()
    for number in range(10):
        config_rows.put(f"c{number}")
        config_rows.apply(f"t{number}", f"shop/c{number}")
        make_tree(fleet, f"t{number}")
        make_child(fleet, f"t{number}/crawler", kind="agent")
    assert queries() == before
