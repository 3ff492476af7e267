"""The fleet as pages read it: from this process's live tables while they are current, else from PostgreSQL.

Both ways give the same rows by the same code; a page that the database is asked for costs a number of queries that does not
depend on how much there is.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import orjson
from django.db import connection

from controlplane.dashboard.live import queries
from controlplane.dashboard.live.history import history
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.service import LIVE, site_link

JSON_COLUMNS = frozenset({"labels", "helpers", "waiting_for", "command", "body", "stderr_tail", "cause"})
Rows = list[dict[str, Any]]


class Reading:
    """`hub` holds the tables; `ages` says how old they are, in seconds, null where nothing is known."""

    @cached_property
    def hub(self) -> Hub:
        """Read when first asked for: not every page shows the fleet."""
        return LIVE.hub if self._is_live else read_hub()

    @cached_property
    def ages(self) -> dict[str, float | None]:
        return LIVE.hub.ages_body() if self._is_live else {"rows": 0.0, "samples": None}

    @cached_property
    def _is_live(self) -> bool:
        return LIVE.is_current()

    def summary(self, visible: frozenset[str] | None, *, now: float) -> dict[str, Any]:
        """The rows of the topic `summary`, by id."""
        with self.hub.lock:
            return self.hub.fleet.summary(visible, now=now, link=site_link)


def read_hub() -> Hub:
    """Tables made from PostgreSQL now: six queries."""
    hub = Hub(link=site_link)
    nodes, trees, strays = ask(queries.NODES), ask(queries.TREES), ask(queries.STRAYS)
    unplaced = ask(queries.UNPLACED)
    members, ends = ask(queries.MEMBERS), ask(queries.RESTARTS)
    with hub.batch() as now:
        hub.fleet.set_nodes(nodes, now=now)
        hub.fleet.set_trees(trees)
        hub.fleet.strays = {row["node_id"]: row["strays"] for row in strays}
        hub.fleet.unplaced = list(unplaced)
        hub.fleet.set_history(*history(ends))
        hub.fleet.set_members(members, now=now)
        hub.fleet.write_nodes()
    return hub


def ask(query: str, params: Mapping[str, Any] | None = None) -> Rows:
    """Rows of one of live/queries.py over Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(query, params or {})
        names = [column[0] for column in cursor.description or ()]
        return [
            {
                name: orjson.loads(value) if name in JSON_COLUMNS and isinstance(value, str) else value
                for name, value in zip(names, row, strict=True)
            }
            for row in cursor.fetchall()
        ]
