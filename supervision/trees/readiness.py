"""Whether a node has a revision of a tree, and all of it is ready: what rollouts and surges wait for."""

from collections.abc import Iterable, Mapping
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


Place = tuple[str, str]
"""Node and tree."""


def readiness_of(digests: Mapping[Place, str]) -> dict[Place, Readiness]:
    """Of the revisions with these digests, as the nodes' journals have them so far. Two queries, however many there are."""
    if not digests:
        return {}
    nodes, trees = ({place[part] for place in digests} for part in (0, 1))
    observed = {
        (node, name): (digest, ended)
        for node, name, digest, ended in ObservedTree.objects.filter(
            node_id__in=nodes, name__in=trees
        ).values_list("node_id", "name", "digest", "ended")
    }
    members: dict[Place, list[Member]] = {place: [] for place in digests}
    fields = ("key", "state", "wanted", "is_supervisor", "restarts", "last_exit_reason")
    rows = ObservedChild.objects.filter(node_id__in=nodes, tree__in=trees, removed=False).order_by("position")
    for node, name, *member in rows.values_list("node_id", "tree", *fields):
        if (node, name) in members:
            members[node, name].append(Member(*member))
    return {
        place: judge(
            digest=observed[place][0], wanted_digest=digest, ended=observed[place][1], members=members[place]
        )
        if place in observed
        else Readiness(missing="the node does not have the tree yet")
        for place, digest in digests.items()
    }
