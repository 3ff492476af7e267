"""Reads of what was observed: members, lives, records, counts. Lists have an order; callers bound them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, ObservedTree, Stray


def members(trees: Iterable[str] | None = None) -> QuerySet[ObservedChild]:
    """Children and supervisors that are there, in start order. `trees`: only these; None: all."""
    rows = ObservedChild.objects.filter(removed=False).select_related("node")
    if trees is not None:
        rows = rows.filter(tree__in=list(trees))
    return rows.order_by("tree", "node_id", "position")


def children(trees: Iterable[str] | None = None) -> QuerySet[ObservedChild]:
    """Those that run something: no supervisors."""
    return members(trees).filter(is_supervisor=False)


def member(key: str, node_id: str | None = None) -> ObservedChild | None:
    """The member with this key; on the node with the smallest id where several have it and none is named."""
    rows = members().filter(key=key)
    if node_id is not None:
        rows = rows.filter(node_id=node_id)
    return rows.first()


def changed_since(node_id: str, seq: int) -> QuerySet[ObservedChild]:
    """Rows of a node that changed behind `seq`, removed ones included."""
    return ObservedChild.objects.filter(node_id=node_id, seq__gt=seq).order_by("seq", "position")


def observed_trees(trees: Iterable[str] | None = None) -> QuerySet[ObservedTree]:
    rows = ObservedTree.objects.select_related("node")
    if trees is not None:
        rows = rows.filter(name__in=list(trees))
    return rows.order_by("name", "node_id")


def lives(key: str, node_id: str | None = None) -> QuerySet[Incarnation]:
    """Lives of a child, the latest first."""
    rows = Incarnation.objects.filter(key=key).select_related("node")
    if node_id is not None:
        rows = rows.filter(node_id=node_id)
    return rows.order_by("-id")


def records(*, tree: str = "", key: str = "", node_id: str = "") -> QuerySet[JournalRecord]:
    """Journal records, the latest received first."""
    rows = JournalRecord.objects.order_by("-id")
    if tree:
        rows = rows.filter(tree=tree)
    if key:
        rows = rows.filter(Q(key=key) | Q(key__startswith=f"{key}/"))
    if node_id:
        rows = rows.filter(node_id=node_id)
    return rows


OWN_RECORDS = 500
"""The newest of what agents' own children did that are looked at, of one agent."""


def own_children(key: str) -> list[dict[str, Any]]:
    """Processes that an agent started itself and that live, as its records say; by name. One query."""
    rows = JournalRecord.objects.filter(key=key, kind="process", body__has_key="own").order_by("-id")
    found: dict[tuple[str, int], dict[str, Any] | None] = {}
    for row in rows.values("node_id", "at", "body")[:OWN_RECORDS]:
        own = row["body"]["own"]
        known = found.setdefault(
            (row["node_id"], own["pid"]), None if row["body"]["what"] == "ended" else {**own, "at": row["at"]}
        )
        if known is not None and known["start_time"] == own["start_time"]:
            known["at"] = row["at"]  # of the first that is known of it
    return sorted(
        (own for own in found.values() if own is not None), key=lambda own: (own["name"], own["pid"])
    )


def strays() -> QuerySet[Stray]:
    """Processes without an owner that live, the newest first."""
    return Stray.objects.filter(state=Stray.State.FOUND).select_related("node").order_by("-first_seen", "id")


@dataclass(frozen=True, slots=True)
class ProcessCounts:
    """How many children there are, split three ways, and strays."""

    total: int
    by_state: dict[str, int]
    by_node: dict[str, dict[str, int]]
    by_tree: dict[str, dict[str, int]]
    strays: int


def count_children(trees: Iterable[str] | None = None) -> ProcessCounts:
    """Two queries, whatever the number of children."""
    rows = ObservedChild.objects.filter(removed=False, is_supervisor=False)
    if trees is not None:
        rows = rows.filter(tree__in=list(trees))
    by_state: dict[str, int] = {}
    by_node: dict[str, dict[str, int]] = {}
    by_tree: dict[str, dict[str, int]] = {}
    for node_id, tree, state, number in (
        rows.order_by().values_list("node_id", "tree", "state").annotate(number=Count("id"))
    ):
        by_state[state] = by_state.get(state, 0) + number
        for table, name in ((by_node, node_id), (by_tree, tree)):
            states = table.setdefault(name, {})
            states[state] = states.get(state, 0) + number
    return ProcessCounts(sum(by_state.values()), by_state, by_node, by_tree, strays().count())
