"""One tree as its nodes have it now, to the kernel: folded from what is stored of their journals.

As history.py, but of one tree alone: what the others did is not repeated, so the cost is this tree's. A few queries, however
many nodes have it.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from supervision.journal.columns import record_of
from supervision.journal.models import JournalRecord, StreamBase
from supervision.kernel import Kernel
from supervision.runtime.recovery import Recovered, RecoveredTree, from_snapshot

NEWEST_BASES = """
SELECT record.*
FROM unnest(%s::varchar[]) AS node (id)
CROSS JOIN LATERAL (
    (SELECT * FROM supervision_journalrecord
     WHERE node_id = node.id AND kind = 'snapshot' ORDER BY stream_epoch DESC, seq DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM supervision_journalrecord
     WHERE node_id = node.id AND seq = 1 ORDER BY stream_epoch DESC LIMIT 1)
) AS record
"""
"""Of each node: its newest snapshot, and the first record of its newest stream, before which there was nothing."""

Base = JournalRecord | StreamBase


@dataclass(frozen=True, slots=True)
class Present:
    """A tree behind record `seq` of its node's stream, of which the node wrote the last at `at`, `boot` on its own clock."""

    node_id: str
    tree: RecoveredTree
    seq: int
    at: datetime
    boot: float
    is_whole: bool
    """False: records are missing, so it may be another one in truth until the next snapshot."""

    @property
    def kernel(self) -> Kernel:
        return self.tree.kernel

    def boot_at(self, now: datetime) -> float:
        """The node's clock at a time of day, as far as the clocks agree."""
        return self.boot + max(0.0, (now - self.at).total_seconds())


def trees_now(*, node_ids: Collection[str], tree: str) -> dict[str, Present]:
    """The tree on each of these nodes of which enough is stored, by node."""
    bases = _bases(node_ids)
    if not bases:
        return {}
    behind = Q()
    for base in bases.values():
        behind |= Q(node_id=base.node_id, stream_epoch=base.stream_epoch, seq__gt=base.seq)
    told = {
        one["node_id"]: (one["count"], one["last"])
        for one in JournalRecord.objects.filter(behind)
        .order_by()
        .values("node_id")
        .annotate(count=Count("id"), last=Max("seq"))
    }
    rows = JournalRecord.objects.filter(behind, tree__in=("", tree)).order_by("node_id", "seq")
    records = {
        node: list(group)
        for node, group in itertools.groupby(rows.iterator(chunk_size=1000), lambda row: row.node_id)
    }
    found = {}
    for node, base in bases.items():
        count, last = told.get(node, (0, base.seq))
        present = _present(base, records.get(node, ()), tree, count, last)
        if present is not None:
            found[node] = present
    return found


def _bases(node_ids: Collection[str]) -> dict[str, Base]:
    """What holds a whole state of each node, the newest."""
    found: dict[str, Base] = {}
    rows: Iterable[Base] = [
        *JournalRecord.objects.raw(NEWEST_BASES, [list(node_ids)]),
        *StreamBase.objects.filter(node_id__in=node_ids),
    ]
    for row in rows:
        known = found.get(row.node_id)
        if known is None or (known.stream_epoch, known.seq) < (row.stream_epoch, row.seq):
            found[row.node_id] = row
    return found


def _present(
    base: Base, records: Iterable[JournalRecord], tree: str, count: int, last: int
) -> Present | None:
    try:
        if isinstance(base, JournalRecord) and base.kind != "snapshot":
            state = Recovered()
            state.apply(record_of(base))
        else:
            state = from_snapshot(_only(tree, base.body))
    except (KeyError, ValueError, TypeError):
        return None  # a snapshot of another release
    newest: Base = base
    for row in records:
        state.apply(record_of(row))
        newest = row
    known = state.trees.get(tree)
    if known is None:
        return None
    return Present(
        node_id=base.node_id,
        tree=known,
        seq=last,
        at=newest.at,
        boot=newest.boot,
        is_whole=count == last - base.seq and not state.problems,
    )


def _only(tree: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A snapshot without the other trees."""
    return {**body, "trees": {name: one for name, one in body["trees"].items() if name == tree}}
