"""Pages about agents: who runs with which config, and an editor that says what is wrong and what would restart."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.configs.models import AgentConfig, AgentConfigRevision, AgentKind, ConfigCanary
from agents.registry import services as registry
from agents.registry.services import Facts, Owner
from controlplane.access.policy import Scope
from supervision.fleet.models import Node
from supervision.fleet.services import database_now
from supervision.journal.models import JournalRecord
from supervision.samples.models import SampleMinute
from supervision.trees import services as trees
from supervision.trees.models import Placement, Rollout
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


def test_the_list_is_filtered_by_what_agents_can_how_they_are_and_where(fleet: Node) -> None:
    Node.objects.filter(pk=fleet.pk).update(labels={"zone": "north"})
    owner = Owner(fleet.pk, "shop/crawler", 1)
    facts = Facts(capabilities=["crawl"], labels={"team": "a"}, ready=False, service="pages")
    registry.register(namespace="shop", key="front", owner=owner, facts=facts)
    client = admin()

    def keys(q: str) -> list[str]:
        return [one["key"] for one in client.get("/agents", {"q": q}).context["agents"]]

    both = ["bank/crawler", "shop/crawler"]
    assert keys("capability:crawl") == ["shop/crawler"]
    assert keys("-capability:crawl") == ["bank/crawler"]
    assert keys("healthy:false") == ["shop/crawler"]
    assert keys("healthy:true") == ["bank/crawler"]
    assert keys("label:zone=north") == both
    assert keys("label:team=a service:pages") == ["shop/crawler"]
    assert keys(f"node:{fleet.pk}") == both
    assert keys("node:elsewhere") == []
    assert keys("config:shop/crawler revision:1") == ["bank/crawler"]
    wrong = client.get("/agents", {"q": "colour:red"})
    assert "there is no field colour here" in wrong.context["q_error"]["message"]
    assert len(wrong.context["agents"]) == 2


def test_an_agent_shows_what_it_measures_and_any_two_revisions(fleet: Node) -> None:
    at = database_now()
    gauges = {
        "depth": {"avg": 2.0, "max": 3.0, "min": 1.0, "last": 3.0},
        "fetched": {"avg": 0.0, "max": 70.0, "min": 0.0, "last": 70.0, "added": 12.0},
    }
    SampleMinute.objects.create(node_id=fleet.pk, key="shop/crawler", at=at, n=1, gauges=gauges)
    config_rows.put(arguments={"n": 3})
    answer = admin().get("/agents/shop/crawler?revision=3&against=1")
    assert [(one["name"], one["counts"], one["last"]) for one in answer.context["measures"]] == [
        ("depth", False, 3.0),
        ("fetched", True, 70.0),
    ]
    assert b"+12" in answer.content
    changed = [line["text"] for line in answer.context["config"]["diff"] if "n:" in line["text"]]
    assert [text[0] for text in changed] == ["-", "+"]
    assert "1" in changed[0]
    assert "3" in changed[1]


def test_a_trial_is_told_on_both_pages_and_stopped_there(fleet: Node) -> None:
    client = admin()
    Rollout.objects.update(state="done")
    text = "entry_point: shop.agents:Crawler\narguments: {n: 3}\n"
    sent = _send(client, "apply", text, canary="on", observe="30", message="faster")
    assert sent.status_code == 303, sent.context["errors"]
    for page in (CONFIG, "/agents/shop/crawler"):
        shown = client.get(page).content.decode()
        assert "Revision 3 is tried by one agent." in shown
        assert "stays ready for 30 s" in shown
    assert client.get("/agents").context["agents"][1]["revision"] == 3
    wrong = _send(client, "apply", text, canary="on", observe="soon")
    assert "number of seconds" in wrong.context["errors"][0]["detail"]
    assert client.post(CONFIG, {"do": "stop"}).status_code == 303
    assert b"is tried by one agent" not in client.get(CONFIG).content
    assert b"tried, stopped" in client.get(f"{CONFIG}/history").content
    ConfigCanary.objects.update(state="failed", reason="on a: shop/crawler ended (exit(1))")
    shown = client.get(CONFIG).content.decode()
    assert "Revision 3 was taken back." in shown
    assert "shop/crawler ended (exit(1))" in shown


def test_where_agents_are_made_of_a_template_the_pages_say_that_none_can_try_it(fleet: Node) -> None:
    config_rows.put("worker", arguments={"n": 1})
    config_rows.put("worker", arguments={"n": 2})
    pool = {"strategy": "simple_one_for_one", "children": [{"id": "job", "agent": {"config": "shop/worker"}}]}
    document = {
        "version": 1,
        "tree": "jobs",
        "supervisor": {"children": [{"id": "pool", "supervisor": pool}]},
    }
    applied = trees.apply_tree(document=document, message="", actor=config_rows.ADA)
    Placement.objects.create(
        tree=applied.tree, node=fleet, revision=applied.revision, assigned_at=applied.revision.created_at
    )
    client, words = admin(), "jobs/pool makes its agents of one template"
    for url in ("/configs/shop/worker", "/configs/shop/worker/history?back=1"):
        page = client.get(url).content.decode()
        assert words in page
        assert 'name="canary" disabled' in page
    config = AgentConfig.objects.get(name="worker")
    sent = {"do": "apply", "document": "entry_point: a:C", "etag": config.tag, "canary": "on"}
    refused = client.post("/configs/shop/worker", sent)
    assert refused.status_code == 409
    assert words in refused.content.decode()
    assert 'name="canary" disabled' not in client.get(CONFIG).content.decode()
    token = people.bearer(people.token(User.objects.get(username="ada"), Scope.ADMIN))
    url = "/api/v1/agent_configs/shop/worker"
    sent_by: dict[str, Any] = {"content_type": "application/json"}
    plan = token.post(f"{url}/plan", {"entry_point": "a:C"}, **sent_by)
    assert words in plan.json()["no_canary"]
    answer = token.put(f"{url}?canary=true", {"entry_point": "a:C"}, headers={"If-Match": "*"}, **sent_by)
    assert (answer.status_code, words in answer.json()["detail"]) == (409, True)


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


def test_an_agent_shows_the_processes_that_it_started_itself(fleet: Node) -> None:
    assert "No children of its own" in admin().get("/agents/shop/crawler").content.decode()
    own = {
        "key": "shop/crawler", "incarnation": 1, "name": "encoder", "policy": "adopt", "pid": 4711, "start_time": 5,
    }  # fmt: skip
    now = database_now()
    JournalRecord.objects.create(
        node_id=fleet.pk, stream_epoch=1, seq=1, at=now, boot=1.0, kind="process", key="shop/crawler",
        tree="shop", body={"what": "started", "own": own}, received_at=now,
    )  # fmt: skip
    page = admin().get("/agents/shop/crawler")
    assert [(one["name"], one["pid"]) for one in page.context["own_children"]] == [("encoder", 4711)]
    text = page.content.decode()
    assert "encoder" in text
    assert "adopt" in text
    assert "4711" in text
    assert "No children of its own" not in text


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


def test_a_kind_says_which_configs_would_become_invalid_before_it_is_declared(fleet: Node) -> None:
    client = admin()
    assert "Nobody has declared this one yet" in client.get("/kinds/agent").content.decode()
    bounded = "properties: {n: {maximum: 1}}\n"
    tried = client.post("/kinds/agent", {"do": "plan", "document": bounded, "etag": "0"})
    found = {one["config"]: [fault.pointer for fault in one["faults"]] for one in tried.context["fits"]}
    assert found == {"shop/crawler": ["/arguments/n"], "shop/idle": []}
    refused = client.post("/kinds/agent", {"do": "apply", "document": bounded, "etag": "0"})
    assert refused.status_code == 409
    assert b"2 is greater than the maximum of 1" in refused.content
    assert not AgentKind.objects.exists()
    wrong = client.post("/kinds/agent", {"do": "plan", "document": "type: [\n", "etag": "0"})
    assert wrong.context["errors"][0]["line"]
    right = {"do": "apply", "document": "type: object\n", "description": "any", "etag": "0"}
    assert client.post("/kinds/agent", right).status_code == 303
    assert client.post("/kinds/agent", right).status_code == 412
    assert AgentKind.objects.get().description == "any"


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
