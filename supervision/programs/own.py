"""What this room itself answers: who a program is in the fleet."""

from typing import Any

from supervision.programs.questions import Question, on_question

SELF = "program.self"


def self_of(question: Question) -> dict[str, Any]:
    """Which child of which node asks, as the control plane knows it."""
    node = question.node
    return {
        "node": node.pk,
        "node_name": node.name,
        "epoch": question.epoch,
        "key": question.key,
        "incarnation": question.incarnation,
    }


def register() -> None:
    on_question(SELF)(self_of)
