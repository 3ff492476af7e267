"""The page Leaks: what was done by itself and what goes down with it, and what the fleet leaks together."""

import pytest
from django.utils import timezone

from controlplane.access.policy import Role
from tests.controlplane.dashboard.facts import make_node
from tests.supervision.leakwatch_rows import make_leak, make_shared_leak
from tests.support import people

pytestmark = pytest.mark.django_db


def test_a_finding_says_what_is_done_by_itself_what_was_asked_and_what_came_of_it() -> None:
    node = make_node()
    make_leak(node, "shop/web", policy="recycle")
    said = "recycle: shop/mail goes down, its 2 siblings run on (one_for_all: nothing failed, so nothing goes with it)"
    asked = make_leak(
        node, "shop/mail", policy="recycle", deed_state="asked", deed_at=timezone.now(), deed_said=said
    )
    client = people.browser(people.user("ada", (Role.VIEWER, "")))
    text = client.get("/leaks").content.decode()
    assert "Recycled by itself when it surely leaks" in text
    assert said in text
    assert said in client.get(f"/leaks/{asked.pk}").content.decode()
    asked.deed_state, asked.ended_at, asked.outcome = "done", timezone.now(), "life_ended"
    asked.save()
    assert "Replaced by itself</dt>" in client.get(f"/leaks/{asked.pk}").content.decode()
    assert "replaced by itself" in client.get("/leaks").content.decode()
    assert [row["key"] for row in client.get("/leaks?q=policy:recycle").context["rows"]] == ["shop/web"]


def test_what_the_fleet_shares_is_shown_to_who_may_see_all_of_it() -> None:
    make_shared_leak("cart:* in database 0")
    make_shared_leak("old:* in database 0", ended_at=timezone.now())
    make_shared_leak("quiet:* in database 0", found_at=None, since=None)
    client = people.browser(people.user("ada", (Role.VIEWER, "")))
    shown = client.get("/leaks").context["shared"]
    assert [row["subject"] for row in shown] == ["cart:* in database 0", "old:* in database 0"]
    assert (shown[0]["rate_text"], shown[0]["chip"], shown[1]["chip"]) == ("40/min", "leaks", "over")
    assert {"name": "type", "value": "string"} in shown[0]["facts"]
    of_shop = people.browser(people.user("eve", (Role.VIEWER, "shop")))
    assert of_shop.get("/leaks").context["shared"] == []
