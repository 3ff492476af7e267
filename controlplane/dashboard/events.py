"""The journal as pages show it."""

from typing import Any

from controlplane.dashboard.live import queries
from controlplane.dashboard.live.history import event_facts, is_worth_reading
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.reading import ask

READ = 100
"""Records read for a page: the journal's own bookkeeping is among them."""


def latest_events(visible: frozenset[str] | None, hub: Hub, *, most: int) -> list[dict[str, Any]]:
    """The newest that are worth reading and may be seen, newest first."""
    records = ask(queries.EVENTS_LATEST, {"limit": READ})
    told = [
        {"id": str(record["id"]), **event_facts(record, hub.fleet.node_facts)}
        for record in records
        if is_worth_reading(record) and (visible is None or record["tree"] in visible)
    ]
    return told[:most]
