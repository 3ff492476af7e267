"""What ended on other nodes is pushed once; where we begin, nothing is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controlplane.courier.ends import Ends
from controlplane.courier.session import Session
from controlplane.deadlines import Deadlines
from supervision.fleet.models import Node, NodeState
from supervision.journal.models import Incarnation
from supervision.runtime.paths import Paths

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
OURS, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def job(tmp_path: Any) -> tuple[Ends, list[dict[str, Any]]]:
    for node in (OURS, OTHER):
        Node.objects.create(id=node, name=node[:4], joined_at=NOW)
    pushed: list[dict[str, Any]] = []
    session = Session(
        paths=Paths(tmp_path),
        node_id=OURS,
        stream_epoch=1,
        say=lambda _: None,
        deadlines=Deadlines(),
        epoch=1,
    )
    return Ends(session, lambda topic, body, key: pushed.append(body)), pushed


def life(number: int, *, seconds: float, node: str = OTHER) -> None:
    """Incarnation `number` of that node ended; its journal is stored."""
    Incarnation.objects.create(
        node_id=node, tree="t", key="t/a", number=number, seq=1, ended_at=NOW + timedelta(seconds=seconds)
    )
    Node.objects.filter(pk=node).update(journal_seq=Node.objects.get(pk=node).journal_seq + 1)


def test_ends_of_other_nodes_are_told_once_each(job: tuple[Ends, list[dict[str, Any]]]) -> None:
    ends, pushed = job
    life(1, seconds=0)
    ends.step()
    assert pushed == [], "what was over before we began is for who looks"
    life(2, seconds=10)
    life(1, seconds=10, node=OURS)
    ends.step()
    ends.step()
    assert pushed == [{"node": OTHER, "key": "t/a", "incarnation": 2}]
    life(3, seconds=5)  # recorded later, ended earlier
    life(4, seconds=20)
    ends.step()
    assert [body["incarnation"] for body in pushed] == [2, 3, 4]


def test_the_first_end_of_a_node_is_told_too(job: tuple[Ends, list[dict[str, Any]]]) -> None:
    ends, pushed = job
    ends.step()
    life(1, seconds=0)
    ends.step()
    assert pushed == [{"node": OTHER, "key": "t/a", "incarnation": 1}]


def test_a_node_that_others_may_take_over_from_is_told_whole(job: tuple[Ends, list[dict[str, Any]]]) -> None:
    ends, pushed = job
    ends.step()
    Node.objects.filter(pk=OTHER).update(state=NodeState.SUSPECT)
    ends.step()
    assert pushed == []
    Node.objects.filter(pk=OTHER).update(state=NodeState.DOWN)
    ends.step()
    ends.step()
    assert pushed == [{"node": OTHER, "lost": True}]
    Node.objects.filter(pk=OTHER).update(state=NodeState.UP)
    ends.step()
    Node.objects.filter(pk=OTHER).update(state=NodeState.DOWN)
    ends.step()
    assert len(pushed) == 2
