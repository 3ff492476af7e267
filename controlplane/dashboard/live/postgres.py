"""The reader's own connection to PostgreSQL: every answer has a deadline on this side.

A backend that is stopped answers nothing, not even its own timeouts. A question past its deadline is abandoned with its
connection; the next one opens another.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import orjson
import psycopg
from django.db import connections
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

Rows = list[dict[str, Any]]
T = TypeVar("T")

CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 5.0
AWAY = (psycopg.Error, OSError, TimeoutError)
"""What a store that is away, or on its way out, raises."""
CHANNEL = "overstory_observed"


def conninfo() -> str:
    """Where Django's database is."""
    params = connections["default"].get_connection_params()
    plain = {
        name: str(value) for name, value in params.items() if isinstance(value, str | int) and value != ""
    }
    for name in ("prepare_threshold", "client_encoding"):
        plain.pop(name, None)
    return psycopg.conninfo.make_conninfo("", **plain)


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work`, or TimeoutError after `seconds`; what does not even let itself be cancelled is left behind."""
    task = asyncio.ensure_future(work)
    try:
        done, _pending = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    task.cancel()
    task.add_done_callback(_look_away)
    raise TimeoutError(f"no answer within {seconds:g} s")


def _look_away(task: "asyncio.Future[Any]") -> None:
    """Take the abandoned task's exception, which nobody waits for."""
    if not task.cancelled():
        task.exception()


class Postgres:
    """One connection, opened when first needed, closed by any error."""

    def __init__(self) -> None:
        self._connection: psycopg.AsyncConnection[dict[str, Any]] | None = None

    async def _open(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        if self._connection is None:
            connection = await within(
                CONNECT_WITHIN_S,
                psycopg.AsyncConnection.connect(
                    conninfo(),
                    autocommit=True,
                    row_factory=dict_row,
                    application_name="overstory live",
                    connect_timeout=int(CONNECT_WITHIN_S),
                ),
            )
            set_json_loads(orjson.loads, connection)
            self._connection = connection
        return self._connection

    async def rows(self, query: str, params: Mapping[str, Any] | None = None) -> Rows:
        """All rows. Raises one of AWAY; the connection is gone then."""
        try:
            connection = await self._open()
            return await within(ANSWER_WITHIN_S, self._fetch(connection, query, params or {}))
        except BaseException:
            self.drop()
            raise

    @staticmethod
    async def _fetch(
        connection: psycopg.AsyncConnection[dict[str, Any]], query: str, params: Mapping[str, Any]
    ) -> Rows:
        cursor = await connection.execute(query.encode(), params)
        return await cursor.fetchall()

    async def listen(self, hinted: Callable[[], None]) -> None:
        """Call `hinted` for each notification, until the connection is lost, which raises one of AWAY."""
        try:
            connection = await self._open()
            await within(ANSWER_WITHIN_S, connection.execute(f"LISTEN {CHANNEL}".encode()))
            hinted()
            while True:
                async for _notification in connection.notifies(timeout=30):
                    hinted()
                await within(ANSWER_WITHIN_S, connection.execute(b"SELECT 1"))
        finally:
            self.drop()

    def drop(self) -> None:
        """Close at once, without asking the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.pgconn.finish()
