"""Reads for the programs' sake: what ended on other nodes since somebody looked last."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from supervision.fleet.models import Node, NodeState
from supervision.journal.models import Incarnation

Life = tuple[str, str, int]
LATE = timedelta(seconds=60)
"""Ends of one node may be recorded out of their order by so much, and its clock be set back."""
MOST = 2000
"""Lives told of one node at once; of more than that the newest."""


@dataclass(frozen=True, slots=True)
class FleetMark:
    """How far one reader has seen: the nodes' journals, who was down, and the ends near each node's newest."""

    journals: dict[str, int] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    newest: dict[str, datetime] = field(default_factory=dict)
    told: frozenset[Life] = frozenset()


def ended_elsewhere(node_id: str, mark: FleetMark | None) -> tuple[list[str], list[Life], FleetMark]:
    """(nodes that others may take over from by now, lives that ended, the next mark). With no mark yet: only the mark."""
    rows = list(Node.objects.exclude(pk=node_id).order_by("pk").values_list("pk", "state", "journal_seq"))
    known = mark or FleetMark()
    down = frozenset(node for node, state, _ in rows if state == NodeState.DOWN)
    journals = {node: seq for node, _, seq in rows}
    newest = {node: at for node, at in known.newest.items() if node in journals}
    told: set[Life] = {life for life in known.told if life[0] in journals}
    lives: list[Life] = []
    for node, seq in journals.items():
        if known.journals.get(node) == seq:
            continue
        found = _ends(node, newest.get(node))
        near = {(node, key, number) for key, number, _ in found}
        lives += [life for life in sorted(near) if life not in told]
        told = {life for life in told if life[0] != node} | near
        if found:
            newest[node] = max(at for _, _, at in found)
    if mark is None:
        lives = []
    lost = sorted(down - known.down) if mark is not None else []
    return lost, lives, FleetMark(journals, down, newest, frozenset(told))


def _ends(node: str, newest: datetime | None) -> list[tuple[str, int, datetime]]:
    ended = Incarnation.objects.filter(node_id=node, ended_at__isnull=False)
    if newest is not None:
        ended = ended.filter(ended_at__gte=newest - LATE)
    rows = ended.order_by("-ended_at").values_list("key", "number", "ended_at")[:MOST]
    return [(key, number, at) for key, number, at in rows if at is not None]
