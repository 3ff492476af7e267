"""The explanation of a key from rows: what is observed, and the journal's newest records about its tree."""

from dataclasses import replace

from django.db.models import Q
from django.utils import timezone

from controlplane.api.snapshot import observed_answer
from supervision.errors.store.selectors import issues_about
from supervision.explain.explanation import Explanation, explain
from supervision.explain.records import JournalRecord as Record
from supervision.fleet.models import Node, NodeState
from supervision.journal.models import JournalRecord, ObservedChild
from supervision.runtime.observed import Observed

RECORDS = 3000
"""The newest of a tree that are read: a cause that lies further back is found in the list of events."""
ABOUT_ALL = ("command", "node", "exit")


def explain_key(key: str, *, node: str | None = None) -> Explanation | None:
    """None when nobody knows the key. Of several nodes that have it: the first whose child is in trouble, else the first."""
    tree = key.partition("/")[0]
    rows = ObservedChild.objects.filter(key=key).select_related("node").order_by("removed", "node_id")
    if node is not None:
        rows = rows.filter(node_id=node)
    found = list(rows[:50])
    row = next(
        (one for one in found if one.state in ("failed", "backoff", "lost")), found[0] if found else None
    )
    chosen = (
        row.node if row is not None else Node.objects.filter(observed_trees__name=tree).order_by("id").first()
    )
    if chosen is None:
        return None
    now = timezone.now()
    observed = None
    if chosen.state in (NodeState.UP, NodeState.DRAINED):
        observed = Observed.from_json(observed_answer(node=chosen.id, tree=tree, visible=None, now=now))
    told = explain(
        key, observed, _records(chosen.id, tree), now=now.timestamp(), who=lambda uid: f"uid {uid}"
    )
    if told is None or not told.chain:
        return told
    return replace(told, issues=issues_about(key, since=told.chain[0].at))


def _records(node_id: str, tree: str) -> list[Record]:
    """Oldest first, as they stand in the node's journal."""
    about = Q(tree=tree) | Q(tree="", kind__in=ABOUT_ALL)
    rows = (
        JournalRecord.objects.filter(about, node_id=node_id)
        .exclude(kind="snapshot")
        .order_by("-id")[:RECORDS]
    )
    return [
        {**row.body, "seq": row.seq, "t": row.at.timestamp(), "b": row.boot, "k": row.kind, "tree": row.tree}
        for row in reversed(rows)
    ]
