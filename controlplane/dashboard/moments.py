"""A moment in the URL (`at=`): Tree, Processes and Overview as they were then, by the same code as they are now.

What a page reads, it reads of a Reading; this one is made of the nodes' journals at the moment. What no journal says
(samples, health, leaks, strays, whether a node was reachable) is not known of then, and is left out.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.urls import reverse

from controlplane.dashboard.live import queries
from controlplane.dashboard.live.history import history
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.service import site_link
from controlplane.dashboard.reading import Reading, Rows, ask
from supervision.journal.facts import Row
from supervision.journal.fleetpast import NodeThen, fleet_at

AGO = re.compile(r"-(\d{1,5})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
STEPS = (("5 min ago", "-5m"), ("1 h ago", "-1h"), ("6 h ago", "-6h"), ("1 day ago", "-1d"))
UNKNOWN = "unknown"


def moment_of(text: str, field: str, now: datetime, errors: dict[str, str]) -> datetime | None:
    """A time (UTC), or so long ago as -10m; None without one, or with one that cannot be meant, which `errors` says."""
    if not text:
        return None
    ago = AGO.fullmatch(text)
    try:
        if ago:
            return now - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        errors[field] = f"{text[:40]!r} is no time: 2026-11-29T07:30:00 in UTC, or -10m for ten minutes ago."
        return None
    if found > now:
        errors[field] = "That has not been yet."
        return None
    return found


def written(moment: datetime) -> str:
    """As it stands in the URL and in a field, which takes no more than milliseconds."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def time_control(at: datetime | None, errors: dict[str, str]) -> dict[str, Any]:
    """For parts/timecontrol.html: the moment, the ways to others, and what became of it since."""
    steps = [{"words": words, "at": step} for words, step in STEPS]
    if at is None:
        return {"at": "", "query": "", "then": None, "error": errors.get("at", ""), "steps": steps}
    near = [("-1 min", -60), ("-10 s", -10), ("+10 s", 10), ("+1 min", 60)]
    return {
        "at": written(at),
        "query": f"&at={written(at)}",
        "then": at.timestamp(),
        "error": "",
        "steps": steps,
        "near": [{"words": words, "at": written(at + timedelta(seconds=s))} for words, s in near],
        "changes_url": f"{reverse('past')}?at={written(at)}&until=",
    }


class PastReading(Reading):
    """The fleet behind the last record of each node before the moment."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    @cached_property
    def nodes(self) -> list[NodeThen]:
        return fleet_at(self.at)

    @cached_property
    def hub(self) -> Hub:
        hub = Hub(link=site_link)
        known = {one.node_id: one for one in self.nodes if one.past is not None}
        then = self.at.timestamp()
        with hub.batch():
            records = [row for row in ask(queries.NODES) if row["id"] in known]
            hub.fleet.set_nodes(({**row, "state": UNKNOWN} for row in records), now=then)
            hub.fleet.set_trees(_trees(known.values()))
            hub.fleet.set_history(*history(ask(queries.RESTARTS_BEFORE, {"until": self.at})))
            hub.fleet.set_members(_members(known.values()), now=then)
            hub.fleet.write_nodes()
        return hub

    @cached_property
    def ages(self) -> dict[str, float | None]:
        return {"rows": 0.0, "samples": None}

    def leaks(self, visible: frozenset[str] | None) -> Rows:
        return []

    def health(self, visible: frozenset[str] | None) -> Rows:
        return []

    def summary(self, visible: frozenset[str] | None, *, now: float) -> dict[str, Any]:
        found = self.hub.fleet.summary(visible, now=self.at.timestamp(), link=site_link)
        return {**found, "strays": None, "node_states": None}


def _trees(nodes: Any) -> Iterator[Row]:
    for node in nodes:
        for row in node.past.rows.trees.values():
            yield {**row, "node_id": node.node_id}


def _members(nodes: Any) -> Iterator[Row]:
    for node in nodes:
        for row in node.rows(None):
            yield {**row, "node_id": node.node_id, "status": "", "removed": False, "seq": node.past.seq}
