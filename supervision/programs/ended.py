"""Which lives are over, as far as the fleet knows: for programs that must not touch what a living one may hold."""

from typing import Any

from supervision.fleet.models import Node, NodeState
from supervision.journal.models import Incarnation
from supervision.programs.questions import Question, QuestionRefused, on_question

KIND = "program.ended"
MOST = 1000

Life = tuple[str, str, int]


def ended(lives: list[Life]) -> list[Life]:
    """Those of (node, key, incarnation) whose end is on record, and all of nodes that others may take over from.

    Of a node whose lease is over and whose epoch was ended, nothing counts any more, whether or not it still runs.
    """
    nodes = {node for node, _, _ in lives}
    down = set(Node.objects.filter(pk__in=nodes, state=NodeState.DOWN).values_list("pk", flat=True))
    found = Incarnation.objects.filter(
        node_id__in=nodes, key__in={key for _, key, _ in lives}, ended_at__isnull=False
    ).values_list("node_id", "key", "number")
    over = set(found.filter(number__in={number for _, _, number in lives}))
    return [life for life in lives if life[0] in down or life in over]


def answer(question: Question) -> dict[str, Any]:
    lives = question.body.get("lives")
    if not isinstance(lives, list) or len(lives) > MOST:
        raise QuestionRefused("bad_request", f"lives is a list of at most {MOST} [node, key, incarnation]")
    try:
        asked = [(str(node), str(key), int(incarnation)) for node, key, incarnation in lives]
    except (TypeError, ValueError):
        raise QuestionRefused("bad_request", "a life is [node, key, incarnation]") from None
    return {"ended": [list(life) for life in ended(asked)]}


def register() -> None:
    on_question(KIND)(answer)
