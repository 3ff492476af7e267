"""The journal as pages show it."""

from datetime import datetime
from typing import Any

from controlplane.dashboard.live import queries
from controlplane.dashboard.live.history import event_facts, is_worth_reading
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.reading import ask

READ = 100
"""Records read for a page: the journal's own bookkeeping is among them."""


def latest_events(
    visible: frozenset[str] | None, hub: Hub, *, most: int, until: datetime | None = None
) -> list[dict[str, Any]]:
    """The newest (of the hour before `until`) that are worth reading and may be seen, newest first."""
    if until is not None:
        trees = None if visible is None else sorted(visible)
        records = ask(queries.EVENTS_BEFORE, {"limit": READ, "trees": trees, "until": until})
    elif visible is None:
        records = ask(queries.EVENTS_LATEST, {"limit": READ})
    else:
        records = ask(queries.EVENTS_OF_TREES, {"limit": READ, "trees": sorted(visible)})
    told = [
        {"id": str(record["id"]), **event_facts(record, hub.fleet.node_facts)}
        for record in records
        if is_worth_reading(record)
    ]
    return told[:most]
