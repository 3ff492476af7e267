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
from controlplane.dashboard.live.history import health_rows, history, leak_rows, shared_leak_rows
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.records import row_id
from controlplane.dashboard.live.service import LIVE, site_link
from controlplane.dashboard.rowspark import row_spark

JSON_COLUMNS = frozenset(
    {"labels", "helpers", "waiting_for", "command", "body", "stderr_tail", "cause", "points", "evidence"}
)
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
        LIVE.keep()
        return LIVE.is_read()

    def spark(self, node: str, key: str) -> dict[str, Any]:
        """The last minute of a child as the live reader has it in memory; empty without one."""
        if not self._is_live:
            return row_spark({"cpu": (), "rss": ()})
        hub = LIVE.hub
        return row_spark(hub.fleet.sparks.series(row_id(node, key), until=int(hub.clock.wall()) - 1))

    def leaks(self, visible: frozenset[str] | None) -> Rows:
        """The rows of the topic `leaks`."""
        hub = self.hub
        if hub is not LIVE.hub:
            read_leaks(hub)
        return hub.rows("leaks", visible)

    def shared_leaks(self, visible: frozenset[str] | None) -> Rows:
        """The rows of the topic `shared_leaks`."""
        hub = self.hub
        if hub is not LIVE.hub:
            rows = shared_leak_rows(ask(queries.SHARED_LEAKS))
            with hub.batch() as now:
                hub.tables["shared_leaks"].replace(rows, now=now)
        return hub.rows("shared_leaks", visible)

    def health(self, visible: frozenset[str] | None) -> Rows:
        """The rows of the topic `health`."""
        hub = self.hub
        if hub is not LIVE.hub:
            read_health(hub)
        return hub.rows("health", visible)

    def counts(self, visible: frozenset[str] | None) -> dict[str, Any]:
        """The rows of the topic `counts`, by id."""
        with self.hub.lock:
            return self.hub.fleet.counts(visible)

    def summary(self, visible: frozenset[str] | None, *, now: float) -> dict[str, Any]:
        """The rows of the topic `summary`, by id."""
        if self.hub is not LIVE.hub:
            read_leaks(self.hub)
            read_health(self.hub)
            self.hub.fleet.parked = ask(queries.PARKED)
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


def read_leaks(hub: Hub) -> None:
    """Fill the table of findings from PostgreSQL: one query more, for the pages that show them."""
    rows = leak_rows(ask(queries.LEAKS))
    with hub.batch() as now:
        hub.tables["leaks"].replace(rows, now=now)
        hub.tell_findings()


def read_health(hub: Hub) -> None:
    """The same of health checks."""
    rows = health_rows(ask(queries.HEALTH), now=hub.clock.wall())
    with hub.batch() as now:
        hub.tables["health"].replace(rows, now=now)
        hub.tell_findings()


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
