"""The pages of rules and objectives: what they show, what a form makes, and what it says when something is wrong."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from controlplane.access.policy import Role
from supervision.auditlog.models import AuditEntry
from supervision.rules.models import MeasureRule, Objective, ObjectiveMinute
from supervision.rules.watching import watch_rules
from supervision.samples.models import SampleMinute
from tests.controlplane.api import world
from tests.controlplane.dashboard.facts import make_node
from tests.supervision.rules.rows import ago, objective, rule
from tests.support import people

pytestmark = pytest.mark.django_db
QUERIES = 12
FORM = {
    "name": "web memory", "measure": "rss", "shape": "threshold", "side": "above", "bound": "512 MiB", "recovery": "",
    "hold_minutes": "1", "window_minutes": "30", "tree": "shop", "severity": "critical", "group": "tree", "is_enabled": "on",
}  # fmt: skip


@pytest.fixture
def client() -> Client:
    world.applied("shop", "web")
    return people.browser(people.admin())


def sample(key: str, rss: int) -> None:
    at = timezone.now().replace(second=0, microsecond=0) - (ago(0) - ago(1))
    SampleMinute.objects.create(node_id="n1", key=key, at=at, n=60, rss_avg=rss)


def test_a_form_makes_a_rule_and_the_page_shows_what_crossed(client: Client) -> None:
    make_node()
    sample("shop/web", 600 * 2**20)
    answer = client.post("/rules/new", FORM | {"do": "save"})
    assert (answer.status_code, answer["Location"]) == (303, "/rules")
    made = MeasureRule.objects.get()
    assert (made.bound, made.group, made.created_by) == (512 * 2**20, "tree", "ada")
    watch_rules()
    shown = client.get("/rules")
    [row] = shown.context["rules"]
    assert (row["tone"], row["state"]) == ("crit", "1 beyond the bound")
    assert row["words"] == "resident memory above 512 MiB"
    assert "600 MiB, above 512 MiB for a minute" in shown.content.decode()
    assert AuditEntry.objects.filter(action="rule.create", tree="shop").count() == 1


def test_what_it_would_say_is_shown_and_nothing_is_saved(client: Client) -> None:
    make_node()
    sample("shop/web", 600 * 2**20)
    sample("shop/db", 100 * 2**20)
    answer = client.post("/rules/new", FORM | {"do": "look"})
    assert (answer.context["would"]["watched"], answer.context["would"]["crossed_count"]) == (2, 1)
    assert not MeasureRule.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bound", "much"),
        ("bound", "5 parsecs"),
        ("bound", "nan"),
        ("hold_minutes", "1.5"),
        ("name", ""),
        ("recovery", "1 GiB"),
    ],
)
def test_a_wrong_field_is_named_and_what_was_typed_stays(client: Client, field: str, value: str) -> None:
    answer = client.post("/rules/new", FORM | {field: value, "do": "save"})
    assert answer.status_code == 400
    assert list(answer.context["errors"]) == [field]
    assert answer.context["form"][field] == value
    assert not MeasureRule.objects.exists()


def test_a_rule_that_somebody_changed_meanwhile_is_not_overwritten(client: Client) -> None:
    made = rule(tree="shop")
    assert client.get(f"/rules/{made.pk}").context["version"] == 1
    assert client.post(f"/rules/{made.pk}", FORM | {"do": "save", "version": "1"}).status_code == 303
    answer = client.post(f"/rules/{made.pk}", FORM | {"do": "save", "version": "1", "bound": "9"})
    assert answer.status_code == 412
    assert MeasureRule.objects.get().bound == 512 * 2**20


def test_a_rule_is_shown_in_its_form_as_it_was_typed_and_removed(client: Client) -> None:
    made = rule(measure="gauge:queue", shape="trend", within_s=5400.0, bound=0.5, tree="shop")
    form = client.get(f"/rules/{made.pk}").context["form"]
    assert (form["measure"], form["gauge"], form["within_h"], form["bound"]) == (
        "gauge",
        "queue",
        "1.5",
        "0.5",
    )
    assert client.post(f"/rules/{made.pk}", {"do": "delete"}).status_code == 303
    assert not MeasureRule.objects.exists()


def test_an_objective_is_made_changed_and_shown_with_its_budget(client: Client) -> None:
    form = {
        "name": "shop is up",
        "indicator": "availability",
        "target": "99",
        "days": "7",
        "tree": "shop",
        "is_enabled": "on",
    }
    assert client.post("/objectives/new", form | {"do": "save"}).status_code == 303
    made = Objective.objects.get()
    [row] = client.get("/rules").context["objectives"]
    assert (row["left"], row["attained"], row["tone"]) == (None, None, "idle")
    ObjectiveMinute.objects.create(objective=made, at=timezone.now() - (ago(0) - ago(2)), good=59.7, total=60)
    [row] = client.get("/rules").context["objectives"]
    assert (row["left"], row["attained"], row["hour"]) == ("50%", "99.500 %", "0.5")
    answer = client.post(f"/objectives/{made.pk}", form | {"do": "save", "version": "1", "target": "100"})
    assert (answer.status_code, list(answer.context["errors"])) == (400, ["target"])
    assert client.post(f"/objectives/{made.pk}", {"do": "delete"}).status_code == 303
    assert not Objective.objects.exists()


def test_the_page_costs_the_same_however_many_there_are(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        rule(name=f"rule {number}", tree="shop")
        objective(name=f"objective {number}", tree="shop")
    client.get("/rules")
    with django_assert_max_num_queries(QUERIES):
        client.get("/rules")


def test_who_administers_one_tree_makes_rules_of_that_tree_only(client: Client) -> None:
    grace = people.browser(people.user("grace", (Role.ADMIN, "shop")))
    assert grace.get("/rules/new").context["trees"] == ["shop"]
    assert grace.post("/rules/new", FORM | {"do": "save", "tree": ""}).status_code == 403
    assert grace.post("/rules/new", FORM | {"do": "save"}).status_code == 303
    other = rule(name="everywhere")
    assert grace.get(f"/rules/{other.pk}").status_code == 404
    assert [row["name"] for row in grace.get("/rules").context["rules"]] == ["web memory"]
