"""Who may open which page, send which form, and subscribe to which topic: each of them against each kind of visitor."""

import pytest
from django.test import Client

from controlplane.access.policy import Held, Principal, Role
from controlplane.dashboard.framework import all_pages
from controlplane.dashboard.live.topics import TOPICS, refusal, visible_for
from supervision.auditruns.models import AuditFinding
from supervision.fleet.models import Node
from supervision.leakwatch.models import LeakFinding
from supervision.remediation.models import RemediationPlan
from supervision.rules.issues.models import IssueRule
from supervision.rules.models import MeasureRule, Objective
from supervision.tasks.models import TaskRun, WorkerRequest
from supervision.trees.models import Command, TreeRevision
from supervision.trees.services import apply_tree
from tests.agents import config_rows
from tests.controlplane.api.world import planned, watched
from tests.controlplane.dashboard.facts import (
    AT,
    make_child,
    make_node,
    make_supervisor,
    make_tree,
)
from tests.supervision.auditruns.support import finding, project, upload
from tests.supervision.errors.store import error_rows
from tests.support import people

VISITORS: dict[str, tuple[tuple[Role, str], ...]] = {
    "viewer": ((Role.VIEWER, ""),),
    "operator": ((Role.OPERATOR, ""),),
    "admin": ((Role.ADMIN, ""),),
    "viewer of shop": ((Role.VIEWER, "shop"),),
    "operator of shop": ((Role.OPERATOR, "shop"),),
    "admin of shop": ((Role.ADMIN, "shop"),),
    "operator of bank": ((Role.OPERATOR, "bank"),),
    "without a role": (),
}
EVERYBODY = frozenset(VISITORS)
SOME_ROLE = EVERYBODY - {"without a role"}
SEES_SHOP = SOME_ROLE - {"operator of bank"}
OPERATES_SHOP = frozenset({"operator", "admin", "operator of shop", "admin of shop"})
ADMINS_SHOP = frozenset({"admin", "admin of shop"})
SEES_ALL = frozenset({"viewer", "operator", "admin"})
ADMIN = frozenset({"admin"})

REQUEST = "11111111-2222-3333-4444-555555555555"
PAGES = {
    "overview": ("/?all=1", SOME_ROLE),
    "tree": ("/tree", SOME_ROLE),
    "processes": ("/processes", SOME_ROLE),
    "logs": ("/logs?q=tree:none", SOME_ROLE),
    "process": ("/process/shop/web?tab=config", SEES_SHOP),
    "process-output": ("/output/shop/web?after=x", SEES_SHOP),
    "trees": ("/trees", SOME_ROLE),
    "tree-new": ("/trees/new", ADMINS_SHOP),
    "tree-editor": ("/trees/shop", SEES_SHOP),
    "tree-history": ("/trees/shop/history", SEES_SHOP),
    "tree-rollback": ("/trees/shop/rollback/1", ADMINS_SHOP),
    "act": ("/act/stop/shop/web", OPERATES_SHOP),
    "workers": ("/workers", SOME_ROLE),
    "task": ("/workers/task/t1", SEES_SHOP),
    "task-act": ("/workers/act/revoke?id=t1", OPERATES_SHOP),
    "task-request": (f"/workers/queue/{REQUEST}", frozenset({"operator", "admin"})),
    "nodes": ("/nodes", SEES_ALL),
    "findings": ("/findings", SOME_ROLE),
    "finding": ("/findings/FINDING", SEES_SHOP),
    "audit-project": ("/findings/project/shop", SEES_SHOP),
    "alerts": ("/alerts", SOME_ROLE),
    "health": ("/health", SOME_ROLE),
    "leaks": ("/leaks", SOME_ROLE),
    "leak": ("/leaks/LEAK", SEES_SHOP),
    "rules": ("/rules", SOME_ROLE),
    "past": ("/past?until=", SOME_ROLE),
    "runbook": ("/runbooks/README", SOME_ROLE),
    "rule": ("/rules/RULE", ADMINS_SHOP),
    "rule-new": ("/rules/new", ADMINS_SHOP),
    "issue-rules": ("/rules/issues", SOME_ROLE),
    "issue-rule": ("/rules/issues/ISSUERULE", ADMINS_SHOP),
    "issue-rule-new": ("/rules/issues/new", ADMINS_SHOP),
    "objective": ("/objectives/OBJECTIVE", ADMINS_SHOP),
    "objective-new": ("/objectives/new", ADMINS_SHOP),
    "errors": ("/errors", SOME_ROLE),
    "error-owners": ("/errors/owners", SOME_ROLE),
    "error-grouping": ("/errors/grouping", SOME_ROLE),
    "releases": ("/errors/releases", SOME_ROLE),
    "transactions": ("/errors/transactions", SOME_ROLE),
    "monitors": ("/monitors", SOME_ROLE),
    "error-issue": ("/errors/SHOP-1", SEES_SHOP),
    "remediation": ("/remediation", SOME_ROLE),
    "remediation-plan": ("/remediation/PLAN", SEES_SHOP),
    "audit": ("/audit", ADMIN),
    "agents": ("/agents", SOME_ROLE),
    "agent": ("/agents/shop/web", SEES_SHOP),
    "config": ("/configs/ours/crawler", SEES_ALL),
    "config-new": ("/configs/new", ADMIN),
    "kind": ("/kinds/agent", SEES_ALL),
    "config-history": ("/configs/ours/crawler/history", SEES_ALL),
    "settings": ("/settings", EVERYBODY),
    "views": ("/views", SOME_ROLE),
    "welcome": ("/welcome", SEES_ALL),
}
"""An address of each page, and who may open it."""

OPEN = {"process-output": 400}
"""What a page answers to who may, where that is not 200: its cursor is none of ours."""

FORMS: dict[str, tuple[str, dict[str, str], frozenset[str]]] = {
    "stop": ("/act/stop/shop/web", {"reason": "r"}, OPERATES_SHOP),
    "signal": ("/act/signal/shop/web", {"signal": "HUP"}, OPERATES_SHOP),
    "drain": ("/act/drain/n1", {}, ADMIN),
    "adopt a stray": ("/act/adopt_stray/4711", {"owner": ""}, frozenset({"operator", "admin"})),
    "end a stray": ("/act/end_stray/4711", {}, frozenset({"operator", "admin"})),
    "apply": ("/trees/shop", {"do": "apply", "etag": "1", "document": "nonsense"}, ADMINS_SHOP),
    "new tree": ("/trees/new", {"do": "apply", "document": "nonsense"}, ADMINS_SHOP),
    "apply a config": (
        "/configs/ours/crawler",
        {"do": "apply", "etag": "1", "document": "nonsense"},
        ADMIN,
    ),
    "new config": ("/configs/new", {"do": "apply", "name": "a/b", "document": "nonsense"}, ADMIN),
    "roll a config back": ("/configs/ours/crawler/history", {"to": "9", "etag": ""}, ADMIN),
    "roll back": ("/trees/shop/rollback/1", {"etag": "99"}, ADMINS_SHOP),
    "leave a finding": ("/findings/FINDING", {"do": "leave", "until": "some day"}, OPERATES_SHOP),
    "resolve an issue": ("/errors/SHOP-1", {"do": "merge", "other": "SHOP-99"}, OPERATES_SHOP),
    "scan": ("/findings/project/shop", {}, OPERATES_SHOP),
    "replay what is not dead": ("/workers/act/replay", {"id": "t1"}, OPERATES_SHOP),
    "begin a phase": ("/remediation/PLAN", {"do": "start", "position": "9"}, OPERATES_SHOP),
    "write a plan": ("/remediation", {"project": "shop", "document": "nonsense"}, OPERATES_SHOP),
    "change a rule": ("/rules/RULE", {"do": "save", "name": "", "tree": "shop"}, ADMINS_SHOP),
    "new rule": ("/rules/new", {"do": "save", "name": ""}, ADMINS_SHOP),
    "change a rule on errors": ("/rules/issues/ISSUERULE", {"do": "save", "name": ""}, ADMINS_SHOP),
    "new rule on errors": ("/rules/issues/new", {"do": "save", "name": ""}, ADMINS_SHOP),
    "change an objective": ("/objectives/OBJECTIVE", {"do": "save", "target": "x"}, ADMINS_SHOP),
    "new objective": ("/objectives/new", {"do": "save", "target": "x"}, ADMINS_SHOP),
    "save a view": ("/views", {"do": "save", "list": "procs", "name": ""}, SOME_ROLE),
    "make a user": ("/settings", {"do": "user-create", "name": "eve", "role": "root"}, ADMIN),
}
"""Forms that may change something, sent so that they are refused for what they hold, not for who sends them."""

TREE_TOPICS = dict.fromkeys(
    ("procs", "tree", "events", "summary", "counts", "leaks", "health", "alerts", "shared_leaks"), SOME_ROLE
)
TOPIC_TABLE = {
    **TREE_TOPICS,
    "nodes": SEES_ALL,
    "audit": ADMIN,
    "child:shop/web": SEES_SHOP,
    "child:bank/web": SEES_ALL | {"operator of bank"},
    "other": frozenset(),
}


@pytest.fixture
def fleet() -> Node:
    node = make_node()
    document = {
        "version": 1,
        "tree": "shop",
        "supervisor": {"children": [{"id": "web", "process": {"command": ["/bin/sleep", "9"]}}]},
    }
    apply_tree(document=document, message="first", actor=people.SOMEBODY)
    for tree in ("shop", "bank"):
        make_tree(node, tree)
        make_supervisor(node, tree, position=0)
        make_child(node, f"{tree}/web", position=1)
    shop = project(tree="shop")
    upload(shop, finding("a"))
    planned(shop)
    watched("shop")
    error_rows.put()
    TaskRun.objects.create(
        id="t1", name="mail", tree="shop", supervisor="shop", state="running", created_at=AT, changed_at=AT
    )
    WorkerRequest.objects.create(
        id=REQUEST, kind="peek", app="shop", queue="mail", requested_by="ada", created_at=AT, deadline_at=AT
    )
    config_rows.put(namespace="ours")
    return node


def at(address: str) -> str:
    """The address, with the number of the finding or plan that is there."""
    numbers = {
        "FINDING": AuditFinding.objects,
        "PLAN": RemediationPlan.objects,
        "LEAK": LeakFinding.objects,
        "ISSUERULE": IssueRule.objects,
        "RULE": MeasureRule.objects,
        "OBJECTIVE": Objective.objects,
    }
    for word, rows in numbers.items():
        if word in address:
            address = address.replace(word, str(rows.get().pk))
    return address


def test_every_page_and_topic_is_in_the_tables() -> None:
    assert {page.slug for page in all_pages()} == set(PAGES)
    assert set(TOPICS) <= set(TOPIC_TABLE)


@pytest.mark.django_db
@pytest.mark.parametrize("visitor", VISITORS)
def test_pages(visitor: str, fleet: Node) -> None:
    client = people.browser(people.user("somebody", *VISITORS[visitor]))
    found = {slug: client.get(at(address)).status_code for slug, (address, _who) in PAGES.items()}
    allowed = {slug: OPEN.get(slug, 200) for slug, (_address, who) in PAGES.items() if visitor in who}
    assert {slug: status for slug, status in found.items() if status not in (403, 404)} == allowed


@pytest.mark.django_db
@pytest.mark.parametrize("visitor", VISITORS)
def test_forms_are_refused_to_who_may_not_and_change_nothing(visitor: str, fleet: Node) -> None:
    client = people.browser(people.user("somebody", *VISITORS[visitor]))
    for name, (address, form, who) in FORMS.items():
        status = client.post(at(address), form).status_code
        assert (status not in (403, 404)) == (visitor in who), (name, status)
    assert Command.objects.count() == (2 if visitor in OPERATES_SHOP else 0)
    assert TreeRevision.objects.count() == 1
    fleet.refresh_from_db()
    assert fleet.draining == (visitor == "admin")


@pytest.mark.django_db
def test_nobody_gets_a_page_or_sends_a_form(fleet: Node) -> None:
    for address, _who in PAGES.values():
        assert Client().get(at(address)).status_code == 401
    for address, form, _who in FORMS.values():
        assert Client().post(at(address), form).status_code == 401
    assert not Command.objects.exists()


@pytest.mark.parametrize("visitor", VISITORS)
def test_topics(visitor: str) -> None:
    principal = Principal(1, "somebody", tuple(Held(role, tree) for role, tree in VISITORS[visitor]))
    assert {topic for topic in TOPIC_TABLE if not refusal(topic, principal)} == {
        topic for topic, who in TOPIC_TABLE.items() if visitor in who
    }
    expected = None if visitor in SEES_ALL else frozenset(tree for _role, tree in VISITORS[visitor])
    for topic in TREE_TOPICS:
        assert visible_for(topic, principal) == expected
