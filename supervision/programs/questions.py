"""What programs may ask the control plane: rooms above register an answer for each kind in their `ready()`.

    @on_question("registry.whereis")
    def whereis(question: Question) -> dict[str, Any]: ...

An answer is made in one transaction in the courier of the node that the program runs on. A question may be put twice (the
connection was lost, nobody knows whether it was answered), so asking again has to come to the same.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node


@dataclass(frozen=True, slots=True)
class Question:
    """What the process `pid` of `key`'s `incarnation` asks; who it is was found out by its node, not said by it.

    `epoch`: of the node, under which everything is to be written. `timeout_s`: what was left of its time.
    """

    node: Node
    epoch: int
    key: str
    incarnation: int
    pid: int
    kind: str
    body: dict[str, Any]
    timeout_s: float


class QuestionRefused(Exception):  # noqa: N818  an answer like others
    """The answer is no. `code` for programs, the message for people, `details` beside them."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


Answer = Callable[[Question], dict[str, Any]]

logger = logging.getLogger(__name__)
_ANSWERS: dict[str, Answer] = {}


def on_question(kind: str) -> Callable[[Answer], Answer]:
    """Register who answers `kind`. ValueError for a second one."""

    def register(answer: Answer) -> Answer:
        if _ANSWERS.setdefault(kind, answer) is not answer:
            raise ValueError(f"question {kind!r} has an answer already")
        return answer

    return register


def answer(
    *,
    node_id: str,
    epoch: int,
    key: str,
    incarnation: int,
    pid: int,
    kind: str,
    body: dict[str, Any],
    timeout_s: float,
) -> dict[str, Any]:
    """`{"result"}` or `{"error"}`. A store that is away, or an epoch that is over, raises: nothing was done."""
    found = _ANSWERS.get(kind)
    if found is None:
        return _error("unknown_question", f"nobody answers {kind!r}")
    try:
        with transaction.atomic():
            node = Node.objects.filter(pk=node_id, epoch=epoch).first()
            if node is None:
                raise StaleEpochError
            result = found(Question(node, epoch, key, incarnation, pid, kind, body, timeout_s))
            _still_ours(node_id, epoch)
    except QuestionRefused as refused:
        return {"error": {"code": refused.code, "message": refused.message, **refused.details}}
    except (OperationalError, InterfaceError, StaleEpochError):
        raise
    except Exception:
        logger.exception("the answer to %s of %s failed", kind, key)
        return _error("internal", f"the answer to {kind} failed; the control plane's log says how")
    return {"result": result}


def _still_ours(node_id: str, epoch: int) -> None:
    """At the end of the transaction: what it wrote counts only under the epoch that it began with."""
    if not Node.objects.select_for_update(no_key=True).filter(pk=node_id, epoch=epoch).exists():
        raise StaleEpochError


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
