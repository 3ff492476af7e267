"""What an action, or crashes, would do to a tree: asked of the kernel as each node's journal has it, node by node."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from supervision.explain.deeds import deed_of
from supervision.explain.foreseeing import Foretold, foretell
from supervision.fleet.models import Node
from supervision.journal.present import Present, trees_now
from supervision.kernel.foresight import Crash

MAX_NODES = 20


@dataclass(frozen=True, slots=True)
class Question:
    """do: one of DEEDS. times, within (seconds): of a crash, None for one too many. seconds: of a hold."""

    do: str
    key: str
    times: int | None = None
    within: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class OfNode:
    """The answer about one node. `told` is None where it cannot be said, and `why` says why."""

    node_id: str
    host: str
    told: Foretold | None
    why: str = ""
    seq: int = 0
    at: datetime | None = None
    is_whole: bool = True
    times: int | None = None
    within: float | None = None

    def to_json(self) -> dict[str, Any]:
        asked: Mapping[str, Any] = {"times": self.times, "within": self.within}
        return {
            "node": self.node_id,
            "host": self.host,
            "why_not": self.why,
            "seq": self.seq or None,
            "at": self.at.isoformat() if self.at else None,
            "is_whole": self.is_whole,
            **(asked if self.times is not None else {"times": None, "within": None}),
            **(self.told.to_json() if self.told is not None else _NOTHING),
        }


_NOTHING: Mapping[str, Any] = {
    "summary": "", "steps": [], "more": 0, "affected": [], "gave_up": [], "root_state": "", "refused": "",
}  # fmt: skip


def foresee_key(question: Question, *, node: str | None = None, now: datetime) -> list[OfNode]:
    """One answer for each node that has the tree of the key, by name; empty where none has it or knows the key."""
    name = question.key.partition("/")[0]
    rows = Node.objects.filter(observed_trees__name=name).order_by("name", "id")
    nodes = list((rows if node is None else rows.filter(id=node))[:MAX_NODES])
    if not nodes:
        return []
    presents = trees_now(node_ids=[one.id for one in nodes], tree=name)
    answers = [_of_node(one, presents.get(one.id), question, now) for one in nodes]
    return [answer for answer in answers if answer is not None]


def _of_node(node: Node, present: Present | None, question: Question, now: datetime) -> OfNode | None:
    if present is None:
        return OfNode(node.id, node.name, None, why="Too little of its journal is stored, so nobody can say.")
    if present.kernel.child(question.key) is None:
        return None
    return _answer(node, present, question, now)


def _answer(node: Node, present: Present, question: Question, now: datetime) -> OfNode:
    boot = present.boot_at(now)
    deed = deed_of(
        question.do,
        present.kernel,
        question.key,
        now=boot,
        times=question.times,
        within=question.within,
        seconds=question.seconds,
    )
    told = foretell(present.kernel, deed, now=boot)
    return OfNode(
        node.id,
        node.name,
        told,
        seq=present.seq,
        at=present.at,
        is_whole=present.is_whole,
        times=deed.times if isinstance(deed, Crash) and question.do == "crash" else None,
        within=deed.within if isinstance(deed, Crash) and question.do == "crash" else None,
    )
