"""The pages of rules on errors: what a form makes, what they show of what was found, and the switch."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from controlplane.access.policy import Role
from controlplane.filters.issues import issue_condition
from supervision.errors.store.digesting import digest
from supervision.rules.issues.models import IssueRule
from supervision.rules.issues.watching import watch_issue_rules
from tests.controlplane.api import world
from tests.supervision.errors.store import error_rows
from tests.support import people

pytestmark = pytest.mark.django_db
FORM = {
    "name": "new in production", "project": "shop", "environment": "production", "trigger": "new", "count": "",
    "window_minutes": "", "filter": "level:error", "gather_s": "0", "most_per_hour": "3", "severity": "critical",
    "runbook_url": "", "is_enabled": "on", "quiet_from": "", "quiet_until": "", "quiet_zone": "UTC",
}  # fmt: skip


@pytest.fixture
def client() -> Client:
    world.world()
    world.errors("shop")
    IssueRule.objects.all().delete()
    return people.browser(people.admin())


def test_a_form_makes_a_rule_and_the_page_shows_what_it_found(client: Client) -> None:
    answer = client.post("/rules/issues/new", FORM | {"do": "save"})
    assert (answer.status_code, answer["Location"]) == (303, "/rules/issues")
    made = IssueRule.objects.get()
    assert (made.project and made.project.slug, made.most_per_hour, made.created_by) == ("shop", 3, "ada")
    project, now = made.project, timezone.now()
    assert project is not None
    body = error_rows.event(function="other", environment="production")
    error_rows.accepted(project, body, number=77, at=now)
    digest(now=now)
    watch_issue_rules(accepts=issue_condition, now=now)
    shown = client.get("/rules/issues")
    [row] = shown.context["rules"]
    assert (row["tone"], row["state"], row["words"]) == ("crit", "1 open", "an issue that is new")
    assert "SHOP-2" in shown.content.decode()
    alerts = client.get("/alerts").content.decode()
    assert 'href="/errors/SHOP-2"' in alerts


def test_which_issues_are_meant_is_shown_and_nothing_is_saved(client: Client) -> None:
    answer = client.post("/rules/issues/new", FORM | {"environment": "", "do": "look"})
    assert [one["short_id"] for one in answer.context["would"]["issues"]] == ["SHOP-1"]
    nowhere = client.post("/rules/issues/new", FORM | {"do": "look"})
    assert nowhere.context["would"]["count"] == 0
    assert not IssueRule.objects.exists()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("filter", {"filter": "colour:red"}),
        ("count", {"trigger": "events", "count": "many", "window_minutes": "5"}),
        ("gather_s", {"gather_s": ""}),
        ("name", {"name": ""}),
        ("quiet_until", {"quiet_from": "22:00", "quiet_until": "soon"}),
        ("quiet_zone", {"quiet_zone": "Nowhere"}),
    ],
)
def test_a_wrong_field_is_named_and_what_was_typed_stays(
    client: Client, field: str, wrong: dict[str, str]
) -> None:
    answer = client.post("/rules/issues/new", FORM | wrong | {"do": "save"})
    assert (answer.status_code, list(answer.context["errors"])) == (400, [field])
    assert answer.context["form"] | wrong == answer.context["form"]
    assert not IssueRule.objects.exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"trigger": "escalating"}, "an issue that comes far more often than it did"),
        (
            {"trigger": "workers", "count": "50", "window_minutes": "5"},
            "50 % of the tree&#x27;s workers affected by an issue in 5 minutes",
        ),
    ],
)
def test_a_rule_says_in_words_what_it_finds(client: Client, form: dict[str, str], words: str) -> None:
    assert client.post("/rules/issues/new", FORM | form | {"do": "save"}).status_code == 303
    assert words in client.get("/rules/issues").content.decode()
    rule = IssueRule.objects.get()
    assert f'value="{form["trigger"]}" selected' in client.get(f"/rules/issues/{rule.pk}").content.decode()


def test_a_rule_is_changed_switched_off_and_removed(client: Client) -> None:
    client.post("/rules/issues/new", FORM | {"do": "save"})
    rule = IssueRule.objects.get()
    address = f"/rules/issues/{rule.pk}"
    stale = client.post(address, FORM | {"do": "save", "version": "7"})
    assert stale.status_code == 412
    client.post(
        address,
        FORM
        | {"name": "renamed", "quiet_from": "22:00", "quiet_until": "07:00", "do": "save", "version": "1"},
    )
    assert "quiet 22:00 to 07:00 UTC" in client.get("/rules/issues").content.decode()
    client.post("/rules/issues", {"do": "disable", "rule": str(rule.pk)})
    rule.refresh_from_db()
    assert (rule.name, rule.is_enabled, rule.version) == ("renamed", False, 3)
    assert "Switch on" in client.get("/rules/issues").content.decode()
    client.post(address, {"do": "delete"})
    assert not IssueRule.objects.exists()


@pytest.mark.parametrize(
    ("role", "tree", "expected"),
    [(Role.VIEWER, "shop", 403), (Role.ADMIN, "bank", 404), (Role.ADMIN, "shop", 303)],
)
def test_only_who_administers_the_projects_tree_may_switch(
    client: Client, role: Role, tree: str, expected: int
) -> None:
    client.post("/rules/issues/new", FORM | {"do": "save"})
    asker: Any = people.browser(people.user("eve", (role, tree)))
    rule = IssueRule.objects.get()
    answer = asker.post("/rules/issues", {"do": "disable", "rule": str(rule.pk)})
    assert answer.status_code == expected
    rule.refresh_from_db()
    assert rule.is_enabled is (expected != 303)
