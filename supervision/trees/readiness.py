"""Whether a node has a revision of a tree, and all of it is ready: what rollouts and surges wait for."""

from collections.abc import Iterable
from dataclasses import dataclass

from supervision.journal.models import ObservedChild, ObservedTree

SETTLED = frozenset({"running", "completed", "held"})
"""States in which nothing more is awaited of a child that is wanted up."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Readiness:
    """`arrived`: the node has the revision; `missing`: what is not ready, in words; `gave_up`: why it never will be.

    supervisor_restarts   how often supervisors of the tree were started again, over their lives: grows when one gives up
    """

    arrived: bool = False
    missing: str = ""
    gave_up: str = ""
    supervisor_restarts: int = 0

    @property
    def is_ready(self) -> bool:
        return self.arrived and not self.missing and not self.gave_up


@dataclass(frozen=True, slots=True)
class Member:
    """What counts of an observed child."""

    key: str
    state: str
    wanted: str
    is_supervisor: bool = False
    restarts: int = 0
    last_exit_reason: str = ""


def judge(*, digest: str, wanted_digest: str, ended: str, members: Iterable[Member]) -> Readiness:
    """Pure: from what was observed of one tree on one node. What an operator stopped or holds is not awaited."""
    if digest != wanted_digest:
        return Readiness(missing="the node does not have the revision yet")
    listed = list(members)
    down = [member.key for member in listed if member.wanted == "down"]
    awaited = [member for member in listed if not any(_is_within(member.key, key) for key in down)]
    roots = [member for member in awaited if member.is_supervisor and "/" not in member.key]
    gave_up = "".join(
        f"the root supervisor gave up: {ended or root.last_exit_reason or root.state}"
        for root in roots
        if ended or root.state in ("failed", "backoff")
    )
    late = [f"{m.key} is {m.state}" for m in awaited if not m.is_supervisor and m.state not in SETTLED]
    more = f" and {len(late) - _SHOWN} more" if len(late) > _SHOWN else ""
    restarts = sum(member.restarts for member in listed if member.is_supervisor)
    return Readiness(True, ", ".join(late[:_SHOWN]) + more, gave_up, restarts)


def _is_within(key: str, above: str) -> bool:
    return key == above or key.startswith(f"{above}/")


def readiness(*, node_id: str, tree: str, digest: str) -> Readiness:
    """Of the revision with this digest, as the node's journal has it so far."""
    observed = ObservedTree.objects.filter(node_id=node_id, name=tree).first()
    if observed is None:
        return Readiness(missing="the node does not have the tree yet")
    fields = ("key", "state", "wanted", "is_supervisor", "restarts", "last_exit_reason")
    rows = ObservedChild.objects.filter(node_id=node_id, tree=tree, removed=False).order_by("position")
    members = [Member(*row) for row in rows.values_list(*fields)]
    return judge(digest=observed.digest, wanted_digest=digest, ended=observed.ended, members=members)
