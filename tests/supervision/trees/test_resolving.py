"""A tree that names what is declared elsewhere: what nodes get, what follows, what a roll-back brings back."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import transaction

from supervision.runtime.treedoc import TreeDocument, parse_tree
from supervision.trees import resolving, services
from supervision.trees.models import Tree, TreeRevision
from supervision.trees.resolving import Resolved
from supervision.trees.selectors import desired_for
from tests.supervision.trees.fleet_rows import ADA, node

pytestmark = pytest.mark.django_db

NEWEST = {"crawler": 1}


def _fill_in(tree: TreeDocument, at: Mapping[str, int]) -> Resolved:
    """Stands for agent configs: the child's command is the revision's number."""
    number = at.get("crawler", NEWEST["crawler"])
    document = {
        **tree.sparse,
        "supervisor": _supervisor({"entry_point": "shop:Crawler", "arguments": {"n": number}}),
    }
    return Resolved(parse_tree(document), {"crawler": {"revision": number, "follows": True}})


def _supervisor(more: dict[str, Any]) -> dict[str, Any]:
    return {"children": [{"id": "web", "agent": {"config": "crawler", **more}}]}


DOCUMENT: dict[str, Any] = {"version": 1, "tree": "shop", "supervisor": _supervisor({})}


@pytest.fixture(autouse=True)
def _resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_RESOLVERS", [_fill_in])
    monkeypatch.setitem(NEWEST, "crawler", 1)


def _apply() -> services.Applied:
    return services.apply_tree(document=DOCUMENT, message="m", actor=ADA)


def _follow(number: int) -> services.Applied:
    NEWEST["crawler"] = number
    with transaction.atomic():
        tree = Tree.objects.select_for_update().get(name="shop")
        return services.follow(tree=tree, names={"crawler": number}, message="moved on", actor=ADA)


def _arguments(revision: TreeRevision) -> Any:
    return revision.runs["supervisor"]["children"][0]["agent"]["arguments"]


def test_a_revision_keeps_what_was_written_and_what_it_meant() -> None:
    revision = _apply().revision
    assert revision.document["supervisor"]["children"][0]["agent"].get("entry_point") is None
    assert _arguments(revision) == {"n": 1}
    assert revision.digest == parse_tree(revision.runs).digest


def test_a_node_is_given_what_it_was_resolved_to() -> None:
    applied = _apply()
    where = node("a")
    applied.tree.placements.create(
        node=where, revision=applied.revision, assigned_at=applied.revision.created_at
    )
    [desired] = desired_for(where.id)
    assert desired.document["supervisor"]["children"][0]["agent"]["arguments"] == {"n": 1}
    assert parse_tree(desired.document).digest == desired.digest


def test_the_same_document_is_no_change_until_what_it_names_moved_on() -> None:
    _apply()
    assert not _apply().changed
    NEWEST["crawler"] = 2
    again = _apply()
    assert again.changed
    assert _arguments(again.revision) == {"n": 2}


def test_following_makes_a_revision_of_the_same_document() -> None:
    first = _apply()
    second = _follow(2)
    assert (second.revision.number, second.tree.version) == (2, first.tree.version + 1)
    assert second.revision.document == first.revision.document
    assert _arguments(second.revision) == {"n": 2}
    assert second.revision.source == "config"


def test_a_roll_back_runs_what_ran_then_and_the_next_revision_is_followed_again() -> None:
    _apply()
    _follow(2)
    back = services.rollback_tree(name="shop", to_number=1, actor=ADA)
    assert _arguments(back.revision) == {"n": 1}
    assert back.revision.pins == {"crawler": {"revision": 1, "follows": True}}
    assert _arguments(_follow(3).revision) == {"n": 3}
