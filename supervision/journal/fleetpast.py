"""The whole fleet as it was: each node's state at a moment, and what changed between two moments.

A moment is a time; on each node it resolves to one position of its stream, the last record before that time by the node's
own clock. So two looks at the same moment always show the same, whoever asks and whenever.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from supervision.fleet.models import Node
from supervision.journal.exceptions import NoHistoryError
from supervision.journal.facts import Row
from supervision.journal.history import Past, latest, state_at


@dataclass(frozen=True, slots=True)
class NodeThen:
    """One node at the moment; `past` is None where nothing of it is kept from then, and `why` says so."""

    node_id: str
    name: str
    past: Past | None
    why: str = ""

    @property
    def position(self) -> str:
        """Where in its stream that is."""
        return "" if self.past is None else f"record {self.past.seq} of stream {self.past.stream_epoch}"

    def rows(self, trees: Collection[str] | None) -> Iterator[Row]:
        """Members with their node, of `trees` only where not every tree may be seen."""
        for row in self.past.rows.members.values() if self.past is not None else ():
            if trees is None or row["tree"] in trees:
                yield {**row, "node": self.node_id, "host": self.name}


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one member between two moments. `before` or `after` is None where it was not there."""

    key: str
    node_id: str
    host: str
    is_supervisor: bool
    before: Row | None
    after: Row | None
    words: str


def fleet_at(at: datetime | None) -> list[NodeThen]:
    """Every node that is known, by name; None: as far as is stored now."""
    found = []
    for node_id, name in Node.objects.order_by("name", "id").values_list("id", "name"):
        try:
            past = latest(node_id=node_id) if at is None else state_at(node_id=node_id, at=at)
            found.append(NodeThen(node_id, name, past))
        except NoHistoryError:
            found.append(NodeThen(node_id, name, None, "nothing of it is kept from then"))
    return found


def rows_of(nodes: Collection[NodeThen], trees: Collection[str] | None) -> list[Row]:
    """Of all of them, in start order within each node."""
    return [
        row
        for node in nodes
        for row in sorted(node.rows(trees), key=lambda row: (row["tree"], row["position"]))
    ]


def differences(before: Collection[Row], after: Collection[Row]) -> list[Difference]:
    """What changed, supervisors first where they gave up or ended, then by key."""
    old = {(row["node"], row["key"]): row for row in before}
    new = {(row["node"], row["key"]): row for row in after}
    found = []
    for place in sorted(old.keys() | new.keys(), key=lambda place: (place[1], place[0])):
        was, now = old.get(place), new.get(place)
        words = _words(was, now)
        if words:
            row: Any = now or was
            found.append(
                Difference(row["key"], row["node"], row["host"], row["is_supervisor"], was, now, words)
            )
    return found


def _words(was: Row | None, now: Row | None) -> str:
    if was is None:
        return f"came, {now['state']}" if now is not None else ""
    if now is None:
        return f"went, was {was['state']}"
    parts = []
    lives = int(now["incarnation"]) - int(was["incarnation"])
    if was["state"] != now["state"]:
        parts.append(f"{was['state']}, then {now['state']}")
    if lives > 0 and not now["is_supervisor"]:
        parts.append("started once more" if lives == 1 else f"started {lives} times more")
        if now["last_exit_reason"]:
            parts.append(f"last ended: {now['last_exit_reason']}")
    if was["held"] != now["held"]:
        parts.append("held" if now["held"] else "released")
    return "; ".join(parts)
