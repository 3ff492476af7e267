"""Every page: complete HTML from the server, with a number of queries that does not grow, for who may see it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Role, Scope
from controlplane.dashboard.framework import all_pages
from supervision.alerts.kinds import Kind
from supervision.alerts.services import resolve_alert
from supervision.fleet.models import Leadership, Node
from supervision.journal.models import ObservedChild
from supervision.tasks.models import TaskRun, WorkerRequest
from supervision.trees.services import apply_tree
from tests.agents import config_rows
from tests.controlplane.dashboard.facts import (
    AT,
    make_alert,
    make_child,
    make_life,
    make_node,
    make_record,
    make_supervisor,
    make_tree,
)
from tests.support import people

pytestmark = pytest.mark.django_db

SHOP = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "strategy": "one_for_one",
        "children": [{"id": "web", "process": {"command": ["/bin/sleep", "9"]}}],
    },
}


@pytest.fixture
def fleet() -> Node:
    """Two trees on a node; shop is declared, bank is local to its node; one child of bank failed."""
    node = make_node()
    apply_tree(document=SHOP, message="first", actor=people.SOMEBODY)
    for tree in ("shop", "bank"):
        make_tree(node, tree)
        make_supervisor(node, tree, position=0)
        make_child(node, f"{tree}/web", position=1)
    ObservedChild.objects.filter(key="bank/web").update(
        state="failed", pid=None, last_exit_reason="exit(3)", restart="temporary"
    )
    make_life(node, "shop/web", 1)
    config_rows.put(namespace="ours")
    make_record(node, 1, "stray", body={"pid": 4711, "command": ["sleep"]})
    for tree, task in (("shop", "t1"), ("bank", "t2")):
        TaskRun.objects.create(
            id=task, name="mail", tree=tree, supervisor=tree, state="running", created_at=AT, changed_at=AT
        )
    WorkerRequest.objects.create(
        id=REQUEST, kind="peek", app="shop", queue="mail", requested_by="ada", created_at=AT, deadline_at=AT
    )
    return node


def admin() -> Client:
    return people.browser(people.admin())


def viewer_of_shop() -> Client:
    return people.browser(people.user("grace", (Role.VIEWER, "shop")))


REQUEST = "11111111-2222-3333-4444-555555555555"
ADDRESSES = {
    "overview": "/",
    "tree": "/tree",
    "processes": "/processes",
    "logs": "/logs?q=tree:none",
    "process": "/process/shop/web",
    "trees": "/trees",
    "tree-new": "/trees/new",
    "tree-editor": "/trees/shop",
    "tree-history": "/trees/shop/history",
    "tree-rollback": "/trees/shop/rollback/1",
    "act": "/act/stop/shop/web",
    "workers": "/workers",
    "task": "/workers/task/t1",
    "task-act": "/workers/act/revoke?id=t1",
    "task-request": f"/workers/queue/{REQUEST}",
    "nodes": "/nodes",
    "alerts": "/alerts",
    "rules": "/rules",
    "health": "/health",
    "leaks": "/leaks",
    "runbook": "/runbooks/node-lost",
    "past": "/past",
    "rule-new": "/rules/new",
    "issue-rules": "/rules/issues",
    "issue-rule-new": "/rules/issues/new",
    "objective-new": "/objectives/new",
    "errors": "/errors",
    "error-owners": "/errors/owners",
    "error-grouping": "/errors/grouping",
    "releases": "/errors/releases",
    "transactions": "/errors/transactions",
    "monitors": "/monitors",
    "remediation": "/remediation",
    "findings": "/findings",
    "audit": "/audit",
    "agents": "/agents",
    "agent": "/agents/shop/web",
    "config": "/configs/ours/crawler",
    "config-new": "/configs/new",
    "config-history": "/configs/ours/crawler/history",
    "settings": "/settings",
    "views": "/views",
    "welcome": "/welcome",
}
OF_ONE_ROW = {
    "kind",
    "process-output",
    "finding",
    "audit-project",
    "error-issue",
    "remediation-plan",
    "rule",
    "issue-rule",
    "objective",
    "leak",
}
"""Pages that are about a row which no other test here has."""


def test_every_page_is_in_this_table() -> None:
    assert {page.slug for page in all_pages()} == {*ADDRESSES, *OF_ONE_ROW}


@pytest.mark.parametrize("slug", ADDRESSES)
def test_a_page_opens_for_an_admin(slug: str, fleet: Node) -> None:
    response = admin().get(ADDRESSES[slug])
    assert response.status_code == 200, response.content[:500]
    text = response.content.decode()
    assert "</html>" in text
    assert "style=" not in text
    assert " onclick" not in text


@pytest.mark.parametrize("slug", ADDRESSES)
def test_nobody_is_sent_to_the_login_page(slug: str) -> None:
    response = Client().get(ADDRESSES[slug], headers={"accept": "text/html"})
    assert response.status_code == 302
    assert response["Location"].startswith("/login?next=")


CLOSED_TO_A_VIEWER_OF_ONE_TREE = {
    "rule-new": 403,
    "issue-rule-new": 403,
    "objective-new": 403,
    "tree-new": 403,
    "tree-rollback": 403,
    "act": 403,
    "task-act": 403,
    "task-request": 403,
    "nodes": 403,
    "audit": 403,
    "config": 403,
    "config-new": 403,
    "config-history": 403,
    "welcome": 403,
}


@pytest.mark.parametrize("slug", ADDRESSES)
def test_a_viewer_of_one_tree_opens_what_is_about_that_tree_and_reads_nothing_of_another(
    slug: str, fleet: Node
) -> None:
    response = viewer_of_shop().get(ADDRESSES[slug])
    assert response.status_code == CLOSED_TO_A_VIEWER_OF_ONE_TREE.get(slug, 200)
    assert b"bank" not in response.content


@pytest.mark.parametrize(
    "address",
    ["/process/bank/web", "/agents/bank/web", "/trees/bank", "/trees/bank/history", "/act/stop/bank/web"],
)
def test_another_tree_does_not_even_exist_for_a_viewer_of_one(address: str, fleet: Node) -> None:
    assert viewer_of_shop().get(address).status_code == 404


QUERIES = {
    "overview": 13,
    "tree": 10,
    "processes": 10,
    "process": 24,
    "trees": 13,
    "tree-new": 4,
    "tree-editor": 5,
    "tree-history": 7,
    "tree-rollback": 9,
    "act": 15,
    "workers": 19,
    "task": 11,
    "nodes": 11,
    "alerts": 9,
    "errors": 10,
    "issue-rules": 6,
    "error-owners": 10,
    "error-grouping": 7,
    "releases": 7,
    "transactions": 7,
    "monitors": 6,
    "audit": 11,
    "settings": 9,
    "views": 5,
    "agents": 14,
    "agent": 17,
    "config": 7,
    "config-new": 4,
    "config-history": 7,
    "welcome": 12,
}
"""At most so many, the session's own three among them, without a live reader."""


@pytest.mark.parametrize("slug", QUERIES)
def test_the_number_of_queries_does_not_grow_with_the_fleet(slug: str, fleet: Node) -> None:
    client = admin()
    client.get(ADDRESSES[slug])
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(ADDRESSES[slug])
    for number in range(2, 8):
        node = make_node(f"n{number}")
        make_tree(node, "shop")
        for child in range(20):
            make_child(node, f"shop/c{child}", position=child)
    with CaptureQueriesContext(connection) as many:
        client.get(ADDRESSES[slug])
    assert len(many) == len(few), [query["sql"] for query in many.captured_queries]
    assert len(many) <= QUERIES[slug], "\n".join(str(query["sql"])[:150] for query in many.captured_queries)


def test_overview_says_in_words_what_needs_attention(fleet: Node) -> None:
    text = admin().get("/").content.decode()
    assert "bank/web failed: ended with exit code 3" in text


def test_overview_leads_to_the_welcome_while_there_is_no_tree() -> None:
    response = admin().get("/")
    assert response.status_code == 302
    assert response["Location"] == "/welcome"


def test_processes_are_filtered_sorted_and_cut_into_pages(fleet: Node) -> None:
    node = make_node("n2")
    for number in range(150):
        make_child(node, f"shop/w{number:03}", restarts=number)
    client = admin()

    def context(query: str) -> Any:
        return client.get(f"/processes?{query}").context

    assert [row["key"] for row in context("q=state:failed")["rows"]] == ["bank/web"]
    found = context("q=restarts:>100&sort=-restarts")
    assert [row["restarts"] for row in found["rows"][:2]] == [149, 148]
    assert (context("page=2")["page_number"], context("page=2")["page_count"]) == (2, 2)
    wrong = context("q=state:blue")
    assert wrong["q_error"]["at"] == 6
    assert wrong["total"] == 152


def test_the_tree_is_open_where_trouble_is(fleet: Node) -> None:
    make_supervisor(fleet, "bank/calm", position=2, parent="bank")
    make_child(fleet, "bank/calm/one", position=3, parent="bank/calm")
    make_supervisor(fleet, "bank/hot", position=4, parent="bank")
    make_child(fleet, "bank/hot/two", position=5, parent="bank/hot", state="backoff")
    client = admin()
    keys = [row["key"] for row in client.get("/tree").context["outline"]]
    assert "bank/hot/two" in keys
    assert "bank/calm" in keys
    assert "bank/calm/one" not in keys
    keys = [row["key"] for row in client.get("/tree?open=bank/calm").context["outline"]]
    assert "bank/calm/one" in keys
    keys = [row["key"] for row in client.get("/tree?q=state:backoff").context["outline"]]
    assert keys == ["bank", "bank/hot", "bank/hot/two"]


def test_a_supervisor_shows_what_happened_below_it_and_what_it_allows(fleet: Node) -> None:
    for number, key in enumerate(("shop/a_b/one", "shop/aXb/other"), start=10):
        body = {"op": "stop", "args": {"key": key}, "by": "ada"}
        make_record(fleet, number, "command", tree="shop", key=key, body=body)
    make_supervisor(fleet, "shop/a_b", position=2, parent="shop")
    page = admin().get("/process/shop/a_b")
    [entry] = page.context["timeline"]
    assert [event["who"] for event in entry["events"]] == ["shop/a_b/one"]
    text = page.content.decode()
    assert "Nothing has happened yet" not in text
    assert "3 in 5s" in text
    assert [tab["slug"] for tab in page.context["tabs"]] == [
        "timeline",
        "errors",
        "config",
        "what-if",
        "audit",
    ]


def test_what_a_process_wrote_last_stands_once_with_its_end(fleet: Node) -> None:
    make_life(fleet, "shop/dies", 1, ended_at=AT, reason="exit(1)", stderr_tail=["no space left"])
    make_child(fleet, "shop/dies", position=3)
    body = {"key": "shop/dies", "incarnation": 1, "stderr": ["no space left"]}
    make_record(fleet, 10, "exit", tree="shop", key="shop/dies", body=body)
    step = {"tree": "shop", "event": ["exited", "shop/dies", 1, ["exit", 1]], "actions": []}
    make_record(fleet, 11, "step", tree="shop", key="shop/dies", body=step)
    text = admin().get("/process/shop/dies").content.decode().partition('data-live-region="timeline"')[2]
    assert text.count("no space left") == 1


def test_a_tree_whose_root_gave_up_is_not_shown_as_running(fleet: Node) -> None:
    ObservedChild.objects.filter(key="bank").update(state="backoff")
    ObservedChild.objects.filter(key="shop").update(state="failed")
    rows = {row["name"]: row["state"] for row in admin().get("/trees").context["trees"]}
    assert rows == {"bank": "backoff", "shop": "failed"}


def test_nodes_say_who_leads_in_which_term_and_that_nobody_does(fleet: Node) -> None:
    soon = timezone.now() + timedelta(seconds=4)
    Leadership.objects.create(name="controller", holder="host-n1 pid 7", term=12, until=soon)
    client = admin()
    page = client.get("/nodes")
    [leader] = page.context["leaders"]
    assert (leader["holder"], leader["term"]) == ("host-n1 pid 7", 12)
    assert "nobody leads" not in page.content.decode()
    Leadership.objects.update(until=timezone.now() - timedelta(minutes=1))
    assert "nobody leads" in client.get("/nodes").content.decode()


def test_a_page_names_what_its_script_subscribes_to(fleet: Node) -> None:
    live = admin().get("/process/shop/web").context["live"]
    assert list(live["topics"]) == ["child:shop/web", "leaks", "health"]
    assert live["url"] == "/ws/live"
    lin = people.browser(people.user("lin", (Role.ADMIN, "")))
    assert "rss" in lin.get("/processes").context["live"]["fields"]["procs"]["fields"]


def test_the_rail_names_the_pages_that_one_may_open(fleet: Node) -> None:
    titles = [page["title"] for page in viewer_of_shop().get("/processes").context["pages"]]
    assert titles == [
        "Overview",
        "Tree",
        "Processes",
        "Agents",
        "Logs",
        "Trees",
        "Health",
        "Workers and tasks",
        "Leaks",
        "Errors",
        "Alerts",
        "Monitors",
        "Findings",
        "Remediation",
        "Settings",
    ]
    keys = [page.g_key for page in all_pages() if page.g_key]
    assert len(keys) == len(set(keys))


def test_alerts_show_what_is_not_over_lead_to_what_they_are_about_and_are_filtered(fleet: Node) -> None:
    open_one = make_alert(
        Kind.SUPERVISOR_GAVE_UP, "bank/web", tree="bank", data={"supervisor": "bank"}, node_id=fleet.pk
    )
    over = make_alert(Kind.ROLLED_BACK, "shop", tree="shop")
    resolve_alert(alert_id=over.pk, actor=people.SOMEBODY, reason="", now=timezone.now())
    client = admin()
    shown = client.get("/alerts").context["rows"]
    assert [(row["id"], row["state"], row["url"]) for row in shown] == [
        (open_one.pk, "open", f"/process/bank?node={fleet.pk}")
    ]
    assert [action.verb for action in shown[0]["actions"]] == ["acknowledge", "silence", "resolve"]
    everything = client.get("/alerts?q=").context["rows"]
    assert [row["id"] for row in everything] == [over.pk, open_one.pk]
    assert everything[0]["url"] == "/trees/shop/history"
    assert everything[0]["actions"] == []
    assert [row["id"] for row in client.get("/alerts?q=kind:rolled_back age:<1h").context["rows"]] == [
        over.pk
    ]
    assert client.get("/alerts?q=state:broken").context["q_error"]["at"] == 6
    assert [row["id"] for row in viewer_of_shop().get("/alerts?q=").context["rows"]] == [over.pk]


def test_the_audit_page_shows_entries_and_follows_the_chain(fleet: Node) -> None:
    context = admin().get("/audit?q=action:tree.apply").context
    assert [row["target"] for row in context["rows"]] == ["shop"]
    assert context["chain"]["ok"]


def test_a_token_may_open_pages_too(fleet: Node) -> None:
    client = people.bearer(people.token(people.admin(), Scope.READ))
    assert client.get("/processes").status_code == 200
    assert client.get(reverse("tree-new")).status_code == 403
