"""Which lives are over: by the record of their end, or because their node was taken over from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from supervision.fleet.models import Node, NodeState
from supervision.journal.models import Incarnation
from supervision.programs.ended import answer, ended
from supervision.programs.questions import Question, QuestionRefused

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 5, 1, tzinfo=UTC)


def node(node_id: str, state: str = NodeState.UP) -> Node:
    return Node.objects.create(id=node_id, name=node_id, state=state, joined_at=NOW)


def life(of: Node, number: int, *, ended_at: datetime | None = None) -> tuple[str, str, int]:
    Incarnation.objects.create(node=of, tree="t", key="t/w", number=number, seq=number, ended_at=ended_at)
    return (of.pk, "t/w", number)


def question(body: dict[str, Any]) -> Question:
    return Question(Node(id="n1"), 1, "t/w", 1, 1, "program.ended", body, 5.0)


def test_an_end_on_record_is_an_end_and_a_life_goes_on() -> None:
    one = node("n1")
    over, lives = life(one, 1, ended_at=NOW), life(one, 2)
    assert ended([over, lives, ("n1", "t/w", 3), ("n9", "t/w", 1)]) == [over]


def test_nothing_of_a_node_that_was_taken_over_from_counts() -> None:
    lives = life(node("n2", NodeState.DOWN), 1)
    suspected = life(node("n3", NodeState.SUSPECT), 1)
    assert ended([lives, suspected]) == [lives]


def test_a_question_is_answered_in_its_own_words() -> None:
    over = life(node("n4"), 1, ended_at=NOW)
    assert answer(question({"lives": [list(over)]})) == {"ended": [list(over)]}
    bodies: list[dict[str, Any]] = [{}, {"lives": [["n1", "t/w"]]}, {"lives": [["n1", "t/w", "x"]]}]
    for body in bodies:
        with pytest.raises(QuestionRefused):
            answer(question(body))
