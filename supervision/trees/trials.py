"""A trial: one child of a tree runs another revision, and is watched. Pure decisions, and the rows they are made from.

The verdict is about that child alone: what else happens in the tree meanwhile is not its doing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.journal.models import ObservedChild, ObservedTree
from supervision.trees.rolling import Standing

READY_AT = "ready_at"


@dataclass(frozen=True, slots=True)
class Watch:
    """The child that is watched.

    key      of the child
    after    the incarnation that it had before; None where the change needs no new life
    may_end  a normal end is no fault of it
    """

    key: str
    after: int | None = None
    may_end: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "after": self.after, "may_end": self.may_end}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Watch":
        after = body.get("after")
        return cls(str(body["key"]), None if after is None else int(after), bool(body.get("may_end")))


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of it. `arrived`: its node has the revision."""

    arrived: bool = False
    state: str = ""
    wanted: str = "up"
    incarnation: int = 0
    last_exit_reason: str = ""


def standing(watch: Watch, found: Watched, told: dict[str, float], now: float) -> tuple[Standing, str]:
    """How the trial stands. `told` keeps, from one look to the next, since when it is ready, and in which life."""
    if not found.arrived:
        return Standing.COMING, "the node does not have the revision yet"
    if found.wanted == "down":
        return Standing.COMING, f"{watch.key} was stopped by hand"
    if watch.may_end and found.state == "completed":
        told.setdefault(READY_AT, now)
        return Standing.READY, ""
    is_new = watch.after is None or found.incarnation > watch.after
    if is_new and found.state == "running":
        told.setdefault(READY_AT, now)
        if told.setdefault("life", found.incarnation) != found.incarnation:
            return Standing.FAILED, _ended(watch, found)
        return Standing.READY, ""
    if READY_AT in told or (is_new and found.state in ("failed", "completed", "lost", "backoff")):
        return Standing.FAILED, _ended(watch, found)
    return Standing.COMING, f"{watch.key} is {found.state or 'not there'}"


def _ended(watch: Watch, found: Watched) -> str:
    why = f" ({found.last_exit_reason})" if found.last_exit_reason else ""
    return f"{watch.key} ended{why}"


def watched(node_id: str, digest: str, watch: Watch) -> Watched:
    """The child as its node's journal has it so far. Two queries."""
    tree = watch.key.partition("/")[0]
    arrived = ObservedTree.objects.filter(node_id=node_id, name=tree, digest=digest).exists()
    fields = ("state", "wanted", "incarnation", "last_exit_reason")
    row = ObservedChild.objects.filter(node_id=node_id, key=watch.key).values_list(*fields).first()
    return Watched(arrived, *row) if row is not None else Watched(arrived)
