"""Counting restarts where they are taken in, so that the counter neither misses one nor shrinks by retention."""

from collections import Counter

from django.db import connection

from supervision.journal.facts import Record
from supervision.journal.handlers import Ingested
from supervision.journal.models import ObservedChild

RESTART = "restart"
"""A supervisor's report that it starts a child again."""
ADD = """
INSERT INTO controlplane_restartcount AS counted (supervisor, reason, total)
VALUES (%s, %s, %s)
ON CONFLICT (supervisor, reason) DO UPDATE
SET total = counted.total + EXCLUDED.total"""


def count_restarts(ingested: Ingested) -> None:
    """Called for each batch of a node's records, inside its transaction."""
    restarts = [
        (str(action[2]), f"{action[2]}/{action[3]}", _reason_of(record))
        for record in ingested.records
        if record["k"] == "step"
        for action in record["actions"]
        if action[0] == "report" and action[1] == RESTART
    ]
    later = _last_reasons(ingested.node.id, {key for _, key, reason in restarts if reason is None})
    counted = Counter(
        (supervisor, bounded(reason if reason is not None else later.get(key)))
        for supervisor, key, reason in restarts
    )
    with connection.cursor() as cursor:
        for (supervisor, reason), number in sorted(
            counted.items()
        ):  # in one order: two batches must not deadlock
            cursor.execute(ADD, [supervisor[:512], reason, number])


def _reason_of(record: Record) -> object:
    """Why, where the step is the exit itself; None after a wait."""
    event = record["event"]
    return event[3] if event[0] == "exited" and len(event) > 3 else None


def _last_reasons(node_id: str, keys: set[str]) -> dict[str, str]:
    if not keys:
        return {}
    rows = ObservedChild.objects.filter(node_id=node_id, key__in=sorted(keys))
    return dict(rows.values_list("key", "last_exit_reason"))


def bounded(reason: object) -> str:
    """A reason without what makes it one of many: `exit` for `exit(3)`."""
    if isinstance(reason, str):
        return reason.partition("(")[0][:40] or "unknown"
    return "unknown" if reason is None else "other"
