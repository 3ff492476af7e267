"""Agent configs as rows: revisions, who follows them, what is refused."""

from typing import Any

import pytest

from agents.configs import services
from agents.configs.models import AgentConfig, AgentConfigRevision
from agents.exceptions import (
    ChangedMeanwhileError,
    InUseError,
    InvalidConfigError,
    TooLargeError,
    UnknownError,
)
from supervision.auditlog.models import AuditEntry
from supervision.trees.exceptions import InvalidDocumentError
from supervision.trees.models import Tree
from tests.agents.config_rows import ADA, apply, child, head, put

pytestmark = pytest.mark.django_db


def test_revisions_count_from_one_and_know_what_they_were_made_from() -> None:
    put(arguments={"n": 1})
    put(arguments={"n": 2}, message="faster")
    found = AgentConfigRevision.objects.order_by("number").values_list(
        "number", "base_number", "author", "message", "document__arguments__n"
    )
    assert list(found) == [(1, None, "ada", "", 1), (2, 1, "ada", "faster", 2)]


def test_what_says_the_same_is_no_revision() -> None:
    first = put(arguments={"n": 1}, spares=0)
    again = put(arguments={"n": 1})
    assert not again.changed
    assert again.config.tag == first.config.tag


def test_a_bad_value_changes_nothing_and_is_named_with_its_field() -> None:
    with pytest.raises(InvalidConfigError) as refused:
        put(heartbeat="soon", limits={"nofile": -1})
    assert [fault.pointer for fault in refused.value.faults] == ["/heartbeat", "/limits/nofile"]
    assert not AgentConfig.objects.exists()


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidConfigError) as refused:
        put("a/b")
    assert [fault.pointer for fault in refused.value.faults] == ["/name"]


def test_metadata_past_its_bound_is_too_large() -> None:
    put(metadata={"note": "x" * 16_000})
    with pytest.raises(TooLargeError, match="at most 16384"):
        put(metadata={"note": "x" * 16_384})


def test_who_saw_another_version_is_told() -> None:
    first = put(expected=services.NOTHING_YET, arguments={"n": 1})
    put(expected=first.config.tag, arguments={"n": 2})
    for expected in (first.config.tag, services.NOTHING_YET):
        with pytest.raises(ChangedMeanwhileError):
            put(expected=expected, arguments={"n": 3})
    assert AgentConfigRevision.objects.count() == 2


def test_a_config_made_again_never_has_the_tag_of_the_one_before() -> None:
    old = put().config.tag
    services.delete_config(namespace="shop", name="crawler", actor=ADA)
    assert put().config.tag != old


def test_a_roll_back_is_the_earlier_one_as_a_new_revision() -> None:
    put(arguments={"n": 1})
    put(arguments={"n": 2})
    back = services.rollback_config(namespace="shop", name="crawler", to_number=1, actor=ADA)
    assert (back.revision.number, back.revision.document["arguments"]) == (3, {"n": 1})
    assert back.revision.message == "roll back to revision 1"
    with pytest.raises(UnknownError):
        services.rollback_config(namespace="shop", name="crawler", to_number=9, actor=ADA)


def test_a_tree_runs_what_its_config_says_and_what_it_says_beside_it_wins() -> None:
    put(arguments={"n": 1, "depth": 3}, environment={"A": "1", "B": "1"}, spares=2, restart="transient")
    apply(arguments={"depth": 5}, environment={"B": "2"})
    found = child()
    assert found["restart"] == "transient"
    agent = found["agent"]
    assert agent["entry_point"] == "shop.agents:Crawler"
    assert agent["arguments"] == {"n": 1, "depth": 5}
    assert agent["environment"] == {"A": "1", "B": "2"}
    assert (agent["config"], agent["revision"], agent["namespace"], agent["spares"]) == (
        "shop/crawler",
        1,
        "shop",
        2,
    )


def test_trees_that_follow_move_on_in_the_same_transaction_and_those_that_stay_do_not() -> None:
    put(arguments={"n": 1})
    apply("follows")
    apply("stays", revision=1)
    moved = put(arguments={"n": 2}, message="faster")
    assert [one.tree.name for one in moved.trees] == ["follows"]
    assert child("follows")["agent"]["arguments"] == {"n": 2}
    assert head("follows").message == "shop/crawler revision 2: faster"
    assert child("stays")["agent"]["arguments"] == {"n": 1}
    entries = AuditEntry.objects.filter(action="tree.follow").values_list("tree", "actor_name")
    assert list(entries) == [("follows", "ada")]


def test_an_edit_that_a_tree_cannot_take_changes_nothing_and_names_the_tree() -> None:
    put(arguments={"a": "small"})
    apply(arguments={"b": "x" * 40_000})
    before = head().number
    with pytest.raises(InvalidDocumentError) as refused:
        put(arguments={"a": "x" * 40_000})
    [fault] = refused.value.faults
    assert fault.pointer == "/supervisor/children/0/agent/arguments"
    assert fault.detail.startswith("tree shop: with shop/crawler revision 2: ")
    assert head().number == before
    assert AgentConfigRevision.objects.count() == 1


def test_a_config_that_a_tree_names_is_not_deleted() -> None:
    put(arguments={"n": 1})
    apply("b")
    apply("a", revision=1)
    with pytest.raises(InUseError) as refused:
        services.delete_config(namespace="shop", name="crawler", actor=ADA)
    assert refused.value.users == ("a", "b")
    Tree.objects.update(deleted_at=head("a").created_at)
    services.delete_config(namespace="shop", name="crawler", actor=ADA)
    assert not AgentConfigRevision.objects.exists()


@pytest.mark.parametrize(("more", "pointer"), [({}, "config"), ({"revision": 7}, "revision")])
def test_a_tree_that_names_what_is_not_there_is_refused(more: dict[str, Any], pointer: str) -> None:
    if more:
        put()
    with pytest.raises(InvalidDocumentError) as refused:
        apply(**more)
    assert [fault.pointer for fault in refused.value.faults] == [f"/supervisor/children/0/agent/{pointer}"]


@pytest.mark.parametrize("number_of_them", [50, pytest.param(1000, marks=pytest.mark.soak)])
def test_many_made_and_deleted_leave_no_row(number_of_them: int) -> None:
    for number in range(number_of_them):
        put(f"c{number}")
        services.delete_config(namespace="shop", name=f"c{number}", actor=ADA)
    assert not AgentConfig.objects.exists()
    assert not AgentConfigRevision.objects.exists()
    assert not Tree.objects.exists()
