"""Settings: tokens, password, users and what they may."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from controlplane.access.models import Grant, Token
from controlplane.access.policy import Role, Scope
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return people.browser(people.admin())


def test_a_token_is_shown_once_and_works_until_it_is_revoked(client: Client) -> None:
    form = {"do": "token-create", "name": "ci", "scope": "read", "tree": "", "days": "30"}
    text = client.post("/settings", form).context["new_token"]
    assert people.bearer(text).get("/processes").status_code == 200
    page = client.get("/settings")
    assert text not in page.content.decode()
    token = Token.objects.get()
    client.post("/settings", {"do": "token-revoke", "token": str(token.pk)})
    assert people.bearer(text).get("/processes").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "root"},
        {"days": "0"},
        {"days": "x"},
        {"name": ""},
        {"days": "99999999"},
        {"days": "0010000000000"},
    ],
)
def test_a_token_that_cannot_be_meant_is_refused(client: Client, change: dict[str, str]) -> None:
    form = {"do": "token-create", "name": "ci", "scope": "read", "days": "30"} | change
    assert client.post("/settings", form).status_code == 400
    assert not Token.objects.exists()


def test_nobody_revokes_another_ones_token(client: Client) -> None:
    people.token(people.user("bob"), Scope.READ, name="bobs")
    response = client.post("/settings", {"do": "token-revoke", "token": str(Token.objects.get().pk)})
    assert response.status_code == 404


def test_a_token_revokes_nothing_here() -> None:
    ada = people.admin()
    text = people.token(ada, Scope.READ)
    people.token(ada, Scope.ADMIN, name="other")
    other = Token.objects.get(name="other")
    form = {"do": "token-revoke", "token": str(other.pk)}
    assert people.bearer(text).post("/settings", form).status_code == 400
    other.refresh_from_db()
    assert other.revoked_at is None


def test_the_password_is_changed_with_the_one_that_is(client: Client) -> None:
    form = {"do": "password", "password": people.PASSWORD, "current": ""}
    assert client.post("/settings", form).status_code == 303
    assert User.objects.get(username="ada").check_password(people.PASSWORD)
    assert client.get("/settings").status_code == 200
    other = form | {"password": "another long password", "current": "wrong"}
    assert client.post("/settings", other).status_code == 400
    assert (
        client.post("/settings", form | {"password": "short", "current": people.PASSWORD}).status_code == 400
    )


def test_an_admin_makes_users_and_changes_what_they_may(client: Client) -> None:
    response = client.post("/settings", {"do": "user-create", "name": "bob", "role": "viewer"})
    assert "/login/link/" in response.context["login_link"]
    bob = User.objects.get(username="bob")
    client.post("/settings", {"do": "grant-set", "user": bob.pk, "role": "operator", "tree": "shop"})
    assert {(one.role, one.tree) for one in Grant.objects.filter(user=bob)} == {
        ("viewer", ""),
        ("operator", "shop"),
    }
    client.post("/settings", {"do": "grant-remove", "user": bob.pk, "tree": ""})
    assert [one.tree for one in Grant.objects.filter(user=bob)] == ["shop"]
    client.post("/settings", {"do": "user-deactivate", "user": bob.pk})
    bob.refresh_from_db()
    assert not bob.is_active


def test_the_last_admin_stays(client: Client) -> None:
    ada = User.objects.get(username="ada")
    assert client.post("/settings", {"do": "user-deactivate", "user": ada.pk}).status_code == 409
    assert client.post("/settings", {"do": "grant-remove", "user": ada.pk, "tree": ""}).status_code == 409


@pytest.mark.parametrize("do", ["user-create", "grant-set", "grant-remove", "user-deactivate"])
def test_only_an_admin_of_all_trees_changes_users(do: str) -> None:
    bob = people.user("bob", (Role.ADMIN, "shop"))
    form = {"do": do, "user": str(bob.pk), "name": "eve", "role": "admin", "tree": ""}
    assert people.browser(bob).post("/settings", form).status_code == 403
    assert not User.objects.filter(username="eve").exists()
