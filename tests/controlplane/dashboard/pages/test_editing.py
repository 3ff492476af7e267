"""The editor: what is typed is planned, applied once, and never lost; history, difference, roll-back."""

from typing import Any

import pytest
from django.test import Client

from controlplane.access.policy import Role
from supervision.trees.models import Tree, TreeRevision
from tests.support import people

pytestmark = pytest.mark.django_db

DOCUMENT = """\
version: 1
tree: shop
supervisor:
  strategy: one_for_one
  children:
  - id: web
    process:
      command: [/bin/sleep, "9"]
"""
OTHER = DOCUMENT.replace('"9"', '"10"')


@pytest.fixture
def client() -> Client:
    return people.browser(people.admin())


def new(client: Client, document: str = DOCUMENT, **form: Any) -> Any:
    return client.post(
        "/trees/new", {"document": document, "do": "apply", "etag": "0", "message": "first", **form}
    )


def test_a_new_tree_is_applied_with_its_message(client: Client) -> None:
    response = new(client)
    assert (response.status_code, response["Location"]) == (303, "/trees/shop")
    revision = TreeRevision.objects.get()
    assert (revision.message, revision.author, revision.source) == ("first", "ada", "page")
    page = client.get("/trees/shop").context
    assert page["etag"] == "1"
    assert "id: web" in page["document"]


def test_a_plan_shows_what_would_happen_and_changes_nothing(client: Client) -> None:
    response = new(client, do="plan")
    assert response.status_code == 200
    assert [(step["do"], step["key"]) for step in response.context["plan"]["steps"]] == [
        ("start", "shop"),
        ("start", "shop/web"),
    ]
    assert not Tree.objects.exists()
    new(client)
    response = client.post("/trees/shop", {"document": OTHER, "do": "plan", "etag": "1"})
    assert [(step["do"], step["key"]) for step in response.context["plan"]["steps"]][-1][1] == "shop/web"


def test_a_document_with_faults_is_refused_with_lines_and_kept_in_the_form(client: Client) -> None:
    response = new(client, document=DOCUMENT.replace("one_for_one", "one_for_none"))
    assert response.status_code == 400
    assert response.context["errors"][0]["line"] == 4
    assert "one_for_none" in response.context["document"]
    assert not Tree.objects.exists()


def test_who_was_overtaken_is_told_and_nothing_is_lost(client: Client) -> None:
    new(client)
    assert client.post("/trees/shop", {"document": OTHER, "do": "apply", "etag": "1"}).status_code == 303
    late = client.post("/trees/shop", {"document": DOCUMENT, "do": "apply", "etag": "1"})
    assert late.status_code == 412
    assert "changed meanwhile" in late.content.decode()
    assert TreeRevision.objects.count() == 2
    assert new(client).status_code == 412


def test_the_editor_of_one_tree_does_not_apply_another(client: Client) -> None:
    new(client)
    other = DOCUMENT.replace("tree: shop", "tree: bank")
    response = client.post("/trees/shop", {"document": other, "do": "apply", "etag": "1"})
    assert response.status_code == 400
    assert not Tree.objects.filter(name="bank").exists()


def test_history_shows_the_difference_and_a_roll_back_makes_a_new_revision(client: Client) -> None:
    new(client)
    client.post("/trees/shop", {"document": OTHER, "do": "apply", "etag": "1", "message": "slower"})
    page = client.get("/trees/shop/history").context
    assert [one["number"] for one in page["revisions"]] == [2, 1]
    assert (page["from_number"], page["to_number"]) == (1, 2)
    signs = {line["sign"] for line in page["diff"]}
    assert {"+", "-"} <= signs
    shown = client.get("/trees/shop/rollback/1").context
    assert shown["plan"]["steps"]
    response = client.post("/trees/shop/rollback/1", {"etag": shown["etag"], "message": "too slow"})
    assert response.status_code == 303
    assert Tree.objects.get().head.number == 3  # type: ignore[union-attr]  # it has one
    assert client.post("/trees/shop/rollback/1", {"etag": "1"}).status_code == 412


def test_an_admin_of_another_tree_may_not(client: Client) -> None:
    new(client)
    other = people.browser(people.user("bob", (Role.ADMIN, "bank"), (Role.VIEWER, "shop")))
    assert other.get("/trees/shop").context["can_apply"] is False
    assert other.post("/trees/shop", {"document": OTHER, "do": "apply", "etag": "1"}).status_code == 403
    assert new(other, document=DOCUMENT.replace("tree: shop", "tree: third")).status_code in (403, 404)
    assert TreeRevision.objects.count() == 1
