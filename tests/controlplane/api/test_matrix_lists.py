"""Every list against everybody who may ask: it shows what they may see, and so does what is counted or shown whole."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from controlplane.access.policy import Role
from supervision.trees import commands
from tests.agents import config_rows
from tests.controlplane.api import world
from tests.controlplane.api.asking import ASKERS, VIEW, Asker
from tests.support import people

pytestmark = pytest.mark.django_db

LISTS: dict[str, Callable[[Any], set[str]]] = {
    "trees": lambda item: {item["name"]},
    "rollouts": lambda item: {item["tree"]},
    "children": lambda item: {item["tree"]},
    "incarnations": lambda item: {item["tree"]},
    "events": lambda item: {item["tree"]},
    "operations": lambda item: {item["tree"]},
    "audit": lambda item: {item["tree"]},
    "alerts": lambda item: {item["tree"]},
    "rules": lambda item: {item["tree"]},
    "issue-rules": lambda item: {item["tree"]},
    "objectives": lambda item: {item["tree"]},
    "audit-projects": lambda item: {item["tree"]},
    "audit-findings": lambda item: {item["project"]},
    "remediation-plans": lambda item: {item["project"]},
    "tasks": lambda item: {item["tree"]},
    "error-issues": lambda item: {item["tree"]},
    "error-projects": lambda item: {item["tree"]},
    "error-releases": lambda item: {item["tree"]},
    "error-transactions": lambda item: {item["tree"]},
    "monitors": lambda item: {item["tree"]},
    "task-workers": lambda item: {item["tree"]},
    "task-pools": lambda item: {item["tree"]},
    "checkpoints": lambda item: {item["tree"]},
    "registrations": lambda item: {item["child"].partition("/")[0]},
    "leaks": lambda item: {item["tree"]},
    "health-checks": lambda item: {item["tree"]},
}


def test_lists_show_what_one_may_see() -> None:
    world.world()
    people.admin("root")
    for tree in ("shop", "bank"):
        world.pool(tree)
        commands.request_command(verb="stop", key=f"{tree}/web", actor=people.SOMEBODY)
        world.alert(tree)
        config_rows.checkpoint(f"{tree}/web", world.NODE)
        world.audited(tree)
        world.tasks(tree)
        world.watched(tree)
        world.errors(tree)
    config_rows.registrations(world.NODE)
    for asker in ASKERS:
        if not asker.nobody and not asker.broken:
            look_at_lists(asker)


def look_at_lists(asker: Asker) -> None:
    client = asker.client()
    may = {tree for tree in ("shop", "bank") if asker.principal.can(VIEW, tree)}
    shown: dict[str, set[str]] = {}
    for name, trees in LISTS.items():
        items = client.get(reverse(f"api:{name}")).json()["items"]
        shown[name] = {tree for item in items for tree in trees(item) if tree}
        if not asker.principal.can(VIEW):
            assert all(trees(item) != {""} for item in items), (asker.name, name)
    assert shown == dict.fromkeys(LISTS, may), asker.name


def test_what_is_counted_and_shown_whole_is_filtered_too() -> None:
    world.world()
    people.admin("root")
    client = Asker("viewer-of-shop", ((Role.VIEWER, "shop"),)).client()
    counts = client.get(reverse("api:counts")).json()
    assert (counts["children"], set(counts["trees"]), counts["nodes"], counts["node_states"]) == (
        1,
        {"shop"},
        {},
        {},
    )
    whole = client.get(reverse("api:observed")).json()
    assert [tree["name"] for tree in whole["trees"]] == ["shop"]
    assert "strays" not in whole["node"]
    assert client.get(reverse("api:observed") + "?tree=bank").status_code == 404


def test_documents_run_commands_so_starting_one_is_an_admins_right() -> None:
    world.world()
    people.admin("root")
    child = {"id": "x", "process": {"command": ["/bin/true"]}}
    body = {"verb": "start_child", "key": "shop", "args": {"child": child}}
    url = reverse("api:commands")
    for asker, status in (
        (Asker("o", ((Role.OPERATOR, ""),)), 403),
        (Asker("a", ((Role.ADMIN, "shop"),)), 202),
    ):
        answer = asker.client().post(url, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k")
        assert answer.status_code == status
    operator = Asker("o2", ((Role.OPERATOR, "shop"),)).client()
    instance = {"verb": "start_child", "key": "shop", "args": {"instance": "x"}}
    assert (
        operator.post(url, instance, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k").status_code
        == 202
    )
    everything = operator.post(url, {"verb": "hold_all"}, content_type="application/json")
    assert everything.status_code == 403
    assert (
        operator.post(url, {"verb": "hold_all", "key": "shop"}, content_type="application/json").status_code
        == 202
    )
