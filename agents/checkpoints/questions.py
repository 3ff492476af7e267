"""`checkpoint.fetch`: the newest state of the child that asks, for a node that it did not run on before."""

import base64
from typing import Any

from agents.checkpoints.services import newest_for
from supervision.programs.questions import Question, on_question

FETCH = "checkpoint.fetch"


def fetch(question: Question) -> dict[str, Any]:
    row = newest_for(question.key, question.node.pk)
    if row is None or row.data is None:
        return {"checkpoint": None}
    return {
        "checkpoint": {
            "version": row.version,
            "incarnation": row.incarnation,
            "epoch": row.epoch,
            "schema": row.schema,
            "content": row.content,
            "at": row.at.timestamp(),
            "data": base64.b64encode(bytes(row.data)).decode("ascii"),
        }
    }


def answer_questions() -> None:
    """Register the answer."""
    on_question(FETCH)(fetch)
