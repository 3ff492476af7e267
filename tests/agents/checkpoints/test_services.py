"""Checkpoints in the store: which count, how many stay, who may go on from them."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.checkpoints import services
from agents.checkpoints.models import Checkpoint, CheckpointFault
from agents.checkpoints.questions import fetch
from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from supervision.programs import handlers
from supervision.programs.handlers import ProgramEvent
from supervision.programs.questions import Question
from supervision.trees.models import Placement, PlacementState
from tests.agents.config_rows import apply, put
from tests.supervision.trees.fleet_rows import node

pytestmark = pytest.mark.django_db

KEY = "shop/crawler"


def _event(on: Node, kind: str = "checkpoint.saved", **body: Any) -> ProgramEvent:
    return ProgramEvent(on, 1, timezone.now(), KEY, int(body.get("incarnation", 1)), 7, "s", kind, body)


def _saved(
    on: Node, version: int, *, epoch: int = 1, incarnation: int = 1, state: bytes = b"{}", **more: Any
) -> None:
    body = {
        "version": version, "epoch": epoch, "incarnation": incarnation, "schema": 1, "content": "json",
        "at": timezone.now().timestamp(), "bytes": len(state), "data": base64.b64encode(state).decode(), **more,
    }  # fmt: skip
    assert handlers.run([_event(on, **body)]).failed == 0


def _versions() -> list[tuple[int, int]]:
    return list(Checkpoint.objects.order_by("epoch", "version").values_list("epoch", "version"))


def test_the_newest_stay_as_many_as_the_tree_says() -> None:
    put(checkpoint={"keep": 2})
    apply()
    one = node("one")
    for version in range(1, 6):
        _saved(one, version)
    assert _versions() == [(1, 4), (1, 5)]


def test_too_old_ones_go_but_the_newest_stays() -> None:
    put(checkpoint={"keep": 9, "max_age": 60})
    apply()
    one = node("one")
    long_ago = (timezone.now() - timedelta(minutes=5)).timestamp()
    for version in range(1, 4):
        _saved(one, version, at=long_ago)
    assert _versions() == [(1, 3)]


def test_of_an_earlier_life_or_place_nothing_is_taken() -> None:
    one, two = node("one"), node("two")
    _saved(one, 3, incarnation=2)
    _saved(one, 4, incarnation=1)
    assert _versions() == [(1, 3)]
    _saved(two, 4, epoch=2)
    _saved(one, 5, epoch=1, incarnation=3)
    assert _versions() == [(1, 3), (2, 4)]


def test_the_same_event_again_changes_nothing_more() -> None:
    one = node("one")
    _saved(one, 1)
    _saved(one, 1)
    assert _versions() == [(1, 1)]


def _question(on: Node) -> Any:
    answer = fetch(Question(on, on.epoch, KEY, 1, 7, "checkpoint.fetch", {}, 3.0))["checkpoint"]
    return None if answer is None else (answer["version"], base64.b64decode(answer["data"]))


def test_another_node_goes_on_from_the_newest_state_of_a_place_that_is_gone() -> None:
    put()
    applied = apply()
    one, two = node("one"), node("two")
    place = Placement.objects.create(
        tree=applied.tree, node=one, epoch=1, revision=applied.revision, assigned_at=timezone.now()
    )
    _saved(one, 1, state=b"old")
    _saved(one, 2, state=b"new")
    assert _question(one) == (2, b"new")
    assert _question(two) is None  # it still runs there: a state of its own
    place.state = PlacementState.REMOVING
    place.save()
    assert _question(two) == (2, b"new")


def test_a_state_that_was_too_large_to_carry_is_known_and_not_given() -> None:
    one = node("one")
    _saved(one, 1, state=b"small")
    _saved(one, 2, data=None, bytes=10**8)
    assert _versions() == [(1, 1), (1, 2)]
    assert _question(one) == (1, b"small")


def test_one_that_could_not_be_read_is_told() -> None:
    one = node("one")
    for _ in range(25):
        event = _event(one, "checkpoint.corrupt", version=3, why="checksum", fallback=2)
        assert handlers.run([event]).failed == 0
    assert CheckpointFault.objects.count() == services.FAULTS_KEPT
    entry = AuditEntry.objects.filter(action="checkpoint.corrupt").first()
    assert entry is not None
    assert (entry.target, entry.outcome) == (KEY, "failed")


def test_what_is_left_of_an_agent_that_is_gone_goes_after_a_while() -> None:
    one = node("one")
    _saved(one, 1)
    assert services.drop_old() == 0
    Checkpoint.objects.update(received_at=timezone.now() - services.GONE_AFTER)
    assert services.drop_old() == 1
