"""The questions that `/readyz` asks the stores, on connections of its own."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import redis.asyncio
from django.apps import apps
from psycopg.rows import dict_row

from controlplane.operations.checks import Check, CheckFailed

CONNECT_TIMEOUT_S = 2
STATE = """
SELECT
    (SELECT array_agg(app || '.' || name) FROM django_migrations) AS applied,
    (
        SELECT json_object_agg(name, extract(epoch FROM until - clock_timestamp()))
        FROM supervision_leadership
    ) AS leases,
    (
        SELECT extract(epoch FROM clock_timestamp() - min(renewed_at))
        FROM supervision_node
        WHERE state IN ('up', 'suspect', 'drained')
    ) AS oldest_renewal_s,
    (
        SELECT extract(epoch FROM clock_timestamp() - max(ended_at))
        FROM controlplane_periodicjob
    ) AS last_job_s
"""
SHARED_S = 0.3
JOB_LIMIT_S = 90.0
"""Some job runs each 10 s."""
LAG_LIMIT_S = 10.0


class StoreChecks:
    """Connections that stay open between questions, and are made anew when one failed."""

    def __init__(self, database_url: str, redis_url: str, wanted: frozenset[str]) -> None:
        self._database_url, self._redis_url, self._wanted = database_url, redis_url, wanted
        self._connections: dict[str, psycopg.AsyncConnection[dict[str, Any]]] = {}
        self._redis: redis.asyncio.Redis | None = None
        self._state: Mapping[str, Any] = {}
        self._state_at = float("-inf")
        self._one_asker = asyncio.Lock()

    def checks(self) -> list[Check]:
        return [
            Check("db", self.db, decides=True),
            Check("migrations", self.migrations, decides=True),
            Check("redis", self.redis, decides=False),
            Check("leader", self.leader, decides=False),
            Check("lag", self.lag, decides=False),
            Check("jobs", self.jobs, decides=False),
        ]

    async def db(self) -> str:
        await self._ask("db", "SELECT 1 AS one")
        return ""

    async def migrations(self) -> str:
        state = await self._fresh_state()
        missing = self._wanted - frozenset(state["applied"] or ())
        if missing:
            raise CheckFailed(f"{len(missing)} not applied, first {min(missing)}")
        return ""

    async def redis(self) -> str:
        if self._redis is None:
            self._redis = redis.asyncio.Redis.from_url(
                self._redis_url, socket_timeout=1, socket_connect_timeout=1
            )
        await self._redis.ping()
        return ""

    async def leader(self) -> str:
        state = await self._fresh_state()
        left = (state["leases"] or {}).get("controller")
        if left is None or left <= 0:
            raise CheckFailed("no controller leads")
        return ""

    async def lag(self) -> str:
        """How far behind the nodes the database is."""
        state = await self._fresh_state()
        age = state["oldest_renewal_s"]
        if age is None:
            raise CheckFailed("no node has joined")
        if age > LAG_LIMIT_S:
            raise CheckFailed(f"a node was last heard of {age:.0f} s ago")
        return f"{age:.1f} s"

    async def jobs(self) -> str:
        """Whether beat publishes and a worker works."""
        state = await self._fresh_state()
        age = state["last_job_s"]
        if age is None or age > JOB_LIMIT_S:
            raise CheckFailed("no periodic job has ended" + ("" if age is None else f" for {age:.0f} s"))
        return ""

    async def close(self) -> None:
        """Close what is open."""
        for connection in self._connections.values():
            await connection.close()
        self._connections.clear()
        if self._redis is not None:
            await self._redis.aclose()

    async def _fresh_state(self) -> Mapping[str, Any]:
        """What four checks look at, asked once for all of them."""
        async with self._one_asker:
            loop = asyncio.get_running_loop()
            if loop.time() - self._state_at > SHARED_S:
                self._state = await self._ask("state", STATE)
                self._state_at = loop.time()
            return self._state

    async def _ask(self, name: str, query: str) -> Mapping[str, Any]:
        """One row. Any: columns of any type. The connection is dropped when anything is wrong, a deadline too."""
        connection = self._connections.pop(name, None)
        if connection is None:
            connection = await psycopg.AsyncConnection.connect(
                self._database_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, row_factory=dict_row
            )
        try:
            row = await (await connection.execute(query.encode())).fetchone()
        except BaseException:
            await connection.close()
            raise
        self._connections[name] = connection
        return row or {}


def wanted_migrations() -> frozenset[str]:
    """Every migration of the installed code, as `app.name`: by the names of their files, as a web process that starts has
    no use for what they say."""
    return frozenset(
        f"{app.label}.{file.stem}"
        for app in apps.get_app_configs()
        for file in (Path(app.path) / "migrations").glob("[!_~]*.py")
    )
