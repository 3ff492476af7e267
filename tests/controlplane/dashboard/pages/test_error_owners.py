"""The page of owners, and what an issue's page offers about them."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from controlplane.access.policy import Role
from controlplane.dashboard.ownerforms import lines_of, owners_of_lines
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store import owning
from supervision.errors.store.models import ErrorIssue, ErrorProject
from supervision.errors.store.owner_models import ErrorTeam
from tests.controlplane.api import world
from tests.supervision.errors.store.error_rows import ACTOR
from tests.support import people

pytestmark = pytest.mark.django_db
RULES = "path:*/billing/* #billing\n\n// the rest\n'value:no such *' tag.region:eu ada\n"


@pytest.fixture
def client() -> Client:
    """With a project and the team billing."""
    world.world()
    ada = people.admin()
    world.errors("shop")
    return people.browser(ada)


def test_rules_are_written_as_lines_and_read_back(client: Client) -> None:
    form = {"do": "rules", "project": "shop", "was": "", "rules": RULES}
    assert client.post("/errors/owners", form).status_code == 303
    project = ErrorProject.objects.get(slug="shop")
    text = lines_of(owning.owners_of(project))
    assert text == "path:*/billing/* #billing\n'value:no such *' tag.region:eu ada"
    assert [(each.user, each.team) for each in owners_of_lines(text)] == [("", "billing"), ("ada", "")]
    assert "tag.region:eu ada" in client.get("/errors/owners").content.decode()
    stale = client.post("/errors/owners", form | {"rules": "path:* ada"})
    assert stale.status_code == 400
    assert "somebody changed these rules" in stale.content.decode()
    assert "path:* ada" in stale.content.decode(), "what was typed is not lost"
    again = form | {"was": text.replace("\n", "\r\n"), "rules": "path:* ada"}
    assert client.post("/errors/owners", again).status_code == 303
    assert lines_of(owning.owners_of(project)) == "path:* ada"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("path:*", "whose it is"),
        ("'path:* ada", "quote"),
        ("path ada", "no condition"),
        ("colour:red ada", "no field"),
    ],
)
def test_a_wrong_line_is_named(client: Client, line: str, words: str) -> None:
    answer = client.post("/errors/owners", {"do": "rules", "project": "shop", "was": "", "rules": line})
    assert answer.status_code == 400
    assert words in answer.context["errors"]["shop"]
    assert not owning.owners_of(ErrorProject.objects.get(slug="shop"))


def test_a_team_is_made_changed_and_removed(client: Client) -> None:
    form = {"do": "team", "was": "", "slug": "pay", "name": "Payments", "members": "ada"}
    assert client.post("/errors/owners", form).status_code == 303
    assert client.post("/errors/owners", form).status_code == 400
    client.post("/errors/owners", form | {"was": "pay", "slug": "money", "members": ""})
    team = ErrorTeam.objects.get(slug="money")
    assert list(team.members.all()) == []
    client.post("/errors/owners", {"do": "drop", "was": "money"})
    assert client.post("/errors/owners", {"do": "drop", "was": "money"}).status_code == 404
    assert client.post("/errors/owners", {"do": "else"}).status_code == 404


def test_an_admin_of_one_tree_changes_its_rules_and_no_team() -> None:
    world.world()
    world.errors("shop")
    world.errors("bank")
    people.user("ada")
    browser = people.browser(people.user("eve", (Role.ADMIN, "shop")))
    form = {"do": "rules", "project": "shop", "was": "", "rules": "path:* ada"}
    assert browser.post("/errors/owners", form).status_code == 303
    assert browser.post("/errors/owners", form | {"project": "bank"}).status_code == 404
    assert browser.post("/errors/owners", {"do": "team", "slug": "x"}).status_code == 403
    assert "bank" not in browser.get("/errors/owners").content.decode()


def test_an_issue_is_assigned_followed_and_muted(client: Client) -> None:
    for owner, shown in (("#billing", "#billing"), ("ada", "ada"), ("", "")):
        client.post("/errors/SHOP-1", {"do": "assign", "owner": owner})
        assert owning.owner_words(ErrorIssue.objects.get()) == shown
    assert client.post("/errors/SHOP-1", {"do": "assign", "owner": "nobody"}).status_code == 400
    assert client.post("/errors/SHOP-1", {"do": "assign", "owner": "#none"}).status_code == 400
    client.post("/errors/SHOP-1", {"do": "mute"})
    assert "Tell of it again" in client.get("/errors/SHOP-1").content.decode()
    assert "muted" in client.get("/errors").content.decode(), "it stays in sight"
    viewer = people.browser(people.user("vic", (Role.VIEWER, "shop")))
    assert viewer.post("/errors/SHOP-1", {"do": "watch"}).status_code == 302
    assert viewer.get("/errors/SHOP-1").context["watchers"] == ["vic"]
    assert viewer.post("/errors/SHOP-1", {"do": "mute"}).status_code == 403
    viewer.post("/errors/SHOP-1", {"do": "unwatch"})
    assert owning.watchers_of(ErrorIssue.objects.get()) == []


def test_one_finds_what_is_theirs_and_their_teams(client: Client) -> None:
    team = owning.team_called("billing")
    owning.save_team(team=team, slug="billing", members=["ada"], actor=ACTOR)
    ErrorIssue.objects.update(team=team)
    assert "SHOP-1" in client.get("/errors?q=assignee:me").content.decode()
    people.user("eve", (Role.VIEWER, ""))
    eve = people.browser(User.objects.get(username="eve"))
    assert "SHOP-1" not in eve.get("/errors?q=assignee:me").content.decode()


def test_a_line_without_an_owner_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InvalidFieldError, match="line 2"):
        owners_of_lines("path:* ada\npath:*")
