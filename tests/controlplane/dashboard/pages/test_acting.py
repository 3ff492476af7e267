"""Actions: the confirmation says what goes down, the order is made once, with who and why."""

import pytest

from controlplane.access.policy import Role
from supervision.alerts.kinds import Kind
from supervision.alerts.models import Silence
from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from supervision.trees.models import Command
from tests.controlplane.dashboard.facts import make_alert, make_node, make_tree
from tests.support import people
from tests.support.stored_tree import store, told_tree

pytestmark = pytest.mark.django_db


SHOP = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "strategy": "one_for_all",
        "children": [
            {
                "id": "jobs",
                "supervisor": {
                    "children": [{"id": name, "process": {"command": ["/bin/sleep", "9"]}} for name in "ab"]
                },
            },
            {"id": "web", "process": {"command": ["/bin/sleep", "9"]}},
        ],
    },
}


@pytest.fixture
def node() -> Node:
    """All of it runs but `b`, which was stopped."""
    node = make_node(journal_seq=0)
    told = told_tree(SHOP)
    told.ask("stop", "shop/jobs/b")
    store(node, told)
    return node


OPERATOR = (Role.OPERATOR, "shop")


def test_the_confirmation_names_what_goes_down_with_it(node: Node) -> None:
    client = people.browser(people.user("olga", OPERATOR))
    [stop] = client.get("/act/stop/shop/jobs").context["foreseen"]
    assert [(one["key"], one["words"]) for one in stop["affected"]] == [
        ("shop/jobs/a", "stops"),
        ("shop/jobs", "stops"),
    ]
    assert stop["summary"] == "1 process goes down."
    answer = client.get("/act/signal/shop/web")
    [ends] = answer.context["foreseen"]
    assert [(one["key"], one["words"]) for one in ends["affected"]] == [
        ("shop/web", "restarts"),
        ("shop/jobs/a", "restarts"),
        ("shop/jobs", "restarts"),
    ]
    assert ends["summary"] == "2 processes restart. No supervisor gives up."
    assert "What follows if the signal ends it" in answer.content.decode()


def test_where_nothing_of_a_journal_is_stored_it_says_that_nobody_can_say(node: Node) -> None:
    other = make_node("n2")
    make_tree(other, "shop")
    client = people.browser(people.user("olga", OPERATOR))
    answers = client.get("/act/stop/shop/web").context["foreseen"]
    assert [(one["host"], bool(one["why_not"])) for one in answers] == [("host-n1", False), ("host-n2", True)]


@pytest.mark.parametrize(
    ("verb", "form", "args"),
    [
        ("stop", {}, {}),
        ("start", {}, {}),
        ("restart", {}, {}),
        ("hold", {"for": "10m"}, {"seconds": 600.0}),
        ("release", {}, {}),
        ("reload", {}, {}),
        ("signal", {"signal": "HUP"}, {"signal": "HUP"}),
    ],
)
def test_an_operator_orders_it_with_a_reason(
    verb: str, form: dict[str, str], args: dict[str, object], node: Node
) -> None:
    client = people.browser(people.user("olga", OPERATOR))
    response = client.post(f"/act/{verb}/shop/web", {"reason": "too loud", "node": "n1", **form})
    command = Command.objects.get()
    assert (command.verb, command.key, command.args, command.node_id) == (verb, "shop/web", args, "n1")
    assert response.status_code == 303
    assert response["Location"] == f"/process/shop/web?node=n1&command={command.id}"
    entry = AuditEntry.objects.get(action=f"child.{verb}")
    assert (entry.actor_name, entry.reason, entry.target) == ("olga", "too loud", "shop/web")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"for": "for ever"}, "How long"),
        ({"for": "31d"}, "How long"),
        ({"reason": "x" * 501}, "at most 500"),
    ],
)
def test_a_form_that_cannot_be_meant_changes_nothing_and_says_why(
    form: dict[str, str], words: str, node: Node
) -> None:
    response = people.browser(people.user("olga", OPERATOR)).post("/act/hold/shop/web", form)
    assert response.status_code == 400
    assert words in response.content.decode()
    assert not Command.objects.exists()


def test_a_viewer_may_not_and_an_unknown_key_verb_or_node_is_not_found(node: Node) -> None:
    viewer = people.browser(people.user("vera", (Role.VIEWER, "shop")))
    assert viewer.post("/act/stop/shop/web", {}).status_code == 403
    olga = people.browser(people.user("olga", OPERATOR))
    assert olga.post("/act/stop/shop/none", {}).status_code in (404, 409)
    assert olga.get("/act/stop/shop/none").status_code == 404
    assert olga.get("/act/fly/shop/web").status_code == 404
    assert olga.post("/act/drain/n1", {}).status_code == 403
    assert not Command.objects.exists()


def test_an_admin_drains_a_node_and_takes_it_back(node: Node) -> None:
    client = people.browser(people.admin())
    assert "host-n1" in client.get("/act/drain/n1").content.decode()
    assert client.post("/act/drain/n1", {"reason": "new disks"})["Location"] == "/nodes"
    node.refresh_from_db()
    assert node.draining
    client.post("/act/undrain/n1", {})
    node.refresh_from_db()
    assert not node.draining


def test_a_form_from_another_site_is_refused(node: Node) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(people.user("olga", OPERATOR))
    assert client.post("/act/stop/shop/web", {}).status_code == 403
    assert not Command.objects.exists()


def test_an_alert_is_acknowledged_and_resolved_by_who_operates_its_tree(node: Node) -> None:
    alert = make_alert(Kind.SUPERVISOR_GAVE_UP, "shop/web", tree="shop")
    olga = people.browser(people.user("olga", OPERATOR))
    asked = olga.get(f"/act/acknowledge/{alert.pk}")
    assert "Look after this: shop/web" in asked.content.decode()
    assert f"/api/v1/alerts/{alert.pk}/acknowledge" in asked.content.decode(), "and as a request"
    answer = olga.post(f"/act/acknowledge/{alert.pk}", {"reason": "on it"})
    assert (answer.status_code, answer["Location"]) == (303, "/alerts")
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "olga")
    assert olga.post(f"/act/acknowledge/{alert.pk}", {}).status_code == 409
    assert olga.post(f"/act/resolve/{alert.pk}", {}).status_code == 303
    entries = AuditEntry.objects.filter(action__startswith="alert.").order_by("seq")
    assert list(entries.values_list("action", "reason")) == [
        ("alert.acknowledge", "on it"),
        ("alert.resolve", ""),
    ]
    viewer = people.browser(people.user("vera", (Role.VIEWER, "shop")))
    assert viewer.get(f"/act/resolve/{alert.pk}").status_code == 403
    stranger = people.browser(people.user("sven", (Role.OPERATOR, "bank")))
    assert stranger.get(f"/act/resolve/{alert.pk}").status_code == 404
    assert olga.get("/act/resolve/x").status_code == 404


def test_an_alert_is_silenced_for_a_while_with_a_reason(node: Node) -> None:
    alert = make_alert(Kind.SUPERVISOR_GAVE_UP, "shop/web", tree="shop")
    olga = people.browser(people.user("olga", OPERATOR))
    assert 'name="for"' in olga.get(f"/act/silence/{alert.pk}").content.decode()
    assert olga.post(f"/act/silence/{alert.pk}", {"for": "8h"}).status_code == 400, "a reason is needed"
    answer = olga.post(f"/act/silence/{alert.pk}", {"for": "8h", "reason": "known"})
    assert (answer.status_code, answer["Location"]) == (303, "/alerts")
    alert.refresh_from_db()
    assert alert.is_silenced
    silence = Silence.objects.get()
    assert (silence.subject, silence.reason, silence.created_by) == ("shop/web", "known", "olga")
    shown = olga.get("/alerts?q=").context["silences"]
    assert [(one["subject"], one["may_end"]) for one in shown] == [("shop/web", True)]
    vera = people.browser(people.user("vera", (Role.VIEWER, "bank")))
    assert vera.get("/alerts?q=").context["silences"] == []
    assert vera.get(f"/act/end_silence/{silence.pk}").status_code == 404
    assert olga.post(f"/act/end_silence/{silence.pk}", {}).status_code == 303
    assert olga.get(f"/act/end_silence/{silence.pk}").status_code == 404, "it has ended"


def test_everything_is_held_by_who_operates_every_tree(node: Node) -> None:
    olga = people.browser(people.user("olga", (Role.OPERATOR, "")))
    asked = olga.get("/act/hold_all/everything").content.decode()
    assert "Suspend restarts of every tree?" in asked
    assert olga.post("/act/hold_all/everything", {"for": "10m"}).status_code == 400, "a reason is needed"
    answer = olga.post("/act/hold_all/everything", {"for": "10m", "reason": "the network is moved"})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (303, "/tree")
    command = Command.objects.get()
    assert (command.verb, command.key, command.args, command.reason) == (
        "hold", "shop", {"seconds": 600.0}, "the network is moved",
    )  # fmt: skip
    of_shop = people.browser(people.user("otto", (Role.OPERATOR, "shop")))
    assert of_shop.get("/act/hold_all/everything").status_code == 403
