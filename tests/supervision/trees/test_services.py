"""Revisions: versions, rollback, deletion, what was applied on a host; and twenty writers at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.auditlog.services import verify_chain
from supervision.fleet.models import Node
from supervision.trees import placements, selectors, services
from supervision.trees.exceptions import (
    IllegalTransitionError,
    InvalidDocumentError,
    NotFoundError,
    StaleVersionError,
)
from supervision.trees.models import Placement, Rollout, Tree, TreeRevision

ADA = Actor("user", "1", "ada")  # type: ignore[arg-type]  # a StrEnum's value
pytestmark = pytest.mark.django_db


def document(command: str = "one", **more: Any) -> dict[str, Any]:
    child = {"id": "web", "process": {"command": ["/bin/echo", command]}}
    return {"version": 1, "tree": "shop", "supervisor": {"children": [child]}, **more}


def apply(command: str = "one", **more: Any) -> services.Applied:
    return services.apply_tree(document=document(command), message=command, actor=ADA, **more)


def node(name: str = "web-1") -> Node:
    return Node.objects.create(id=name.ljust(32, "0"), name=name, joined_at=timezone.now())


def test_the_first_apply_makes_revision_one_and_an_audit_entry() -> None:
    applied = apply(expected_version=0)
    assert (applied.revision.number, applied.tree.version, applied.changed) == (1, 1, True)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.tree, entry.actor_name, entry.reason) == ("tree.apply", "shop", "ada", "one")


def test_the_same_document_again_changes_nothing() -> None:
    apply()
    again = apply(expected_version=1)
    assert (again.revision.number, again.changed, again.tree.version) == (1, False, 1)


def test_who_saw_another_version_is_refused_and_told_the_present_one() -> None:
    apply()
    apply("two", expected_version=1)
    with pytest.raises(StaleVersionError) as error:
        apply("three", expected_version=1)
    assert error.value.current == 2
    assert TreeRevision.objects.count() == 2


def test_a_bad_document_names_its_field_and_changes_nothing() -> None:
    with pytest.raises(InvalidDocumentError) as error:
        services.apply_tree(document=document(supervisr={}), message="", actor=ADA)
    assert [fault.pointer for fault in error.value.faults] == ["/supervisr"]
    assert not Tree.objects.exists()
    assert not AuditEntry.objects.exists()


def test_the_nodes_own_tree_is_nobodys_to_apply() -> None:
    with pytest.raises(InvalidDocumentError, match="each node's own tree"):
        services.apply_tree(document={**document(), "tree": "system"}, message="", actor=ADA)


def test_rolling_back_makes_a_new_revision_of_an_old_document() -> None:
    apply("one")
    apply("two")
    back = services.rollback_tree(name="shop", actor=ADA, expected_version=2)
    assert (back.revision.number, back.revision.document) == (3, TreeRevision.objects.get(number=1).document)
    with pytest.raises(NotFoundError, match="no revision 9"):
        services.rollback_tree(name="shop", to_number=9, actor=ADA)


def test_there_is_nothing_to_roll_back_to_at_the_first_revision() -> None:
    apply()
    with pytest.raises(IllegalTransitionError):
        services.rollback_tree(name="shop", actor=ADA)


def test_a_deleted_tree_is_gone_and_counts_on_when_it_is_applied_again() -> None:
    applied = apply()
    Placement.objects.create(
        tree=applied.tree, node=node(), revision=applied.revision, assigned_at=timezone.now()
    )
    services.delete_tree(name="shop", actor=ADA, reason="closed", expected_version=1)
    with pytest.raises(NotFoundError):
        selectors.tree_by_name("shop")
    assert Placement.objects.get().state == "removing"
    again = apply("two", expected_version=0)
    assert again.revision.number == 2
    assert Placement.objects.get().state == "assigned"


def test_a_new_revision_goes_to_the_first_places_and_waits_with_the_others() -> None:
    first = apply()
    for index in range(3):
        Placement.objects.create(
            tree=first.tree, node=node(f"n{index}"), replica=index, revision=first.revision,
            assigned_at=timezone.now(),
        )  # fmt: skip
    second = apply("two", rollout=services.RolloutOptions(max_unavailable=2))
    numbers = Placement.objects.order_by("replica").values_list("revision__number", flat=True)
    assert list(numbers) == [2, 2, 1]
    third = apply("three")
    assert second.rollout is not None
    assert Rollout.objects.get(pk=second.rollout.pk).state == "failed"
    assert third.rollout is not None


def test_what_a_node_should_have_comes_without_documents_it_knows() -> None:
    applied = apply()
    here = node()
    Placement.objects.create(
        tree=applied.tree, node=here, revision=applied.revision, assigned_at=timezone.now()
    )
    (whole,) = selectors.desired_for(here.id)
    (known,) = selectors.desired_for(here.id, without=[("shop", 1)])
    assert whole.document["supervisor"]["children"][0]["id"] == "web"
    assert (known.document, known.digest) == ({}, whole.digest)


def test_a_tree_applied_on_a_host_becomes_a_revision_unless_the_head_moved() -> None:
    here = node()
    made = services.record_local_apply(
        node=here,
        document=document("local"),
        message="by hand",
        actor=Actor.local(0, "web-1"),
        base_digest=None,
    )
    assert made is not None
    assert Placement.objects.get().node == here
    apply("elsewhere")
    lost = services.record_local_apply(
        node=here, document=document("late"), message="by hand", actor=Actor.local(0, "web-1"),
        base_digest=made.revision.digest,
    )  # fmt: skip
    assert lost is None
    assert selectors.tree_by_name("shop").head.message == "elsewhere"  # type: ignore[union-attr]  # it has one
    assert AuditEntry.objects.first().outcome == "refused"  # type: ignore[union-attr]  # there are some


def test_an_exported_tree_applies_without_a_change() -> None:
    applied = apply()
    text = selectors.yaml_of(applied.revision.document)
    from supervision.trees.documents import read_text

    again = services.apply_tree(document=read_text(text), message="", actor=ADA)
    assert not again.changed


def test_the_plan_is_the_kernels() -> None:
    older = document()
    newer = document()
    newer["supervisor"]["children"].append({"id": "new", "process": {"command": ["/bin/true"]}})
    steps = selectors.plan_between(older, newer)
    assert [(step.do, step.key) for step in steps if step.do != "keep"] == [("start", "shop/new")]
    assert "+    - id: new" in selectors.diff(older, newer)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_writers_each_accepted_revision_counts_once_and_each_refused_one_is_told() -> None:
    def write(number: int, version: int) -> str:
        try:
            apply(f"writer {number} of round {version}", expected_version=version)
        except StaleVersionError:
            return "refused"
        finally:
            connection.close()
        return "accepted"

    rounds = 5
    for version in range(rounds):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(write, range(20), [version] * 20))
        assert sorted(answers) == ["accepted", *["refused"] * 19]
    assert list(TreeRevision.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5]
    assert verify_chain().holds
    assert verify_chain().checked == rounds


def test_a_tree_of_a_host_that_was_placed_elsewhere_meanwhile_has_moved_away() -> None:
    here, there = node("here"), node("there")
    made = services.record_local_apply(
        node=here, document=document("local"), message="", actor=Actor.local(0, "here"), base_digest=None
    )
    assert made is not None
    digests = {"shop": made.revision.digest, "system": "d"}
    assert placements.moved_away(node_id=here.id, digests=digests) == set()
    Placement.objects.update(node=there)
    assert placements.moved_away(node_id=here.id, digests=digests) == {"shop"}
    assert placements.moved_away(node_id=here.id, digests={"shop": "another"}) == set()
