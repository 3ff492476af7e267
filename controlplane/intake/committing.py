"""Many requests, one transaction: what arrives within a moment is committed together, and each request hears when it is.

With the database away, or slower than a client waits, reports go to a spool on disk, synced before the answer; they are
taken back in when the database is there again. With both full the request is told to send less. What the database refuses
for what it says is no outage: it alone is refused, or set aside where its request was answered before.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import psycopg

from controlplane.intake.spool import Part, Row, Spool, SpoolFullError
from supervision.errors.protocol.categories import category_of

log = logging.getLogger("overstory.intake")

MOMENT_S = 0.003
"""How long the first of a batch waits for others."""
MOST_ROWS = 1000
MOST_PENDING = 5000
COMMIT_WITHIN_S = 3.0
TAKE_BACK_WITHIN_S = 10.0
"""For one part of the spool, for which nobody waits."""
RETRY_S = 1.0
"""Between two looks at what the spool holds."""
INSERT = """
WITH taken AS (
    INSERT INTO supervision_errorintake (project_id, kind, event_id, body, drift_s, child, incarnation, received_at, failure)
    SELECT project_id, kind, event_id, body, drift_s, child, incarnation, received_at, ''
    FROM unnest(%s::bigint[], %s::varchar[], %s::varchar[], %s::bytea[], %s::float8[], %s::varchar[], %s::bigint[],
        %s::timestamptz[]) WITH ORDINALITY
        AS came (project_id, kind, event_id, body, drift_s, child, incarnation, received_at, place)
    WHERE EXISTS (SELECT FROM supervision_errorproject WHERE id = came.project_id)
    ORDER BY place
)
SELECT pg_notify('overstory_errors', '')
"""
"""In the order they came; what came for a project that was deleted meanwhile is not kept. One statement that also tells the
digester: alone it is a transaction, and one way to the server and back instead of four."""
COUNT_DISCARDS = """
INSERT INTO supervision_errordiscard AS lost (project_id, hour, category, reason, count)
SELECT id, date_trunc('hour', clock_timestamp()), %s, %s, %s FROM supervision_errorproject WHERE id = %s
ON CONFLICT (project_id, hour, category, reason) DO UPDATE SET count = lost.count + excluded.count
"""

REFUSALS = (psycopg.DataError, psycopg.IntegrityError, UnicodeError)
"""Of what a row says, by the database or before it gets there; the same row would be refused again."""

Connection = psycopg.AsyncConnection[Any]
Rows = Sequence[Row]
"""Of one request: all of them are stored or none."""


class OverloadedError(Exception):
    """Neither the database nor the disk takes more."""


class RefusedError(Exception):
    """The database refuses what these rows say."""


class Committer:
    """One owner, an event loop. `start` and `stop` in the same loop; `stop` commits or spools what is pending."""

    def __init__(self, database_url: str, spool: Spool) -> None:
        self._url, self._spool = database_url, spool
        self._connection: psycopg.AsyncConnection | None = None
        self._pending: list[tuple[Rows, asyncio.Future[None]]] = []
        self._discards: dict[tuple[int, str, str], int] = {}
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_away = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._flush()
        await self._close()
        self._spool.close()

    async def commit(self, rows: Rows) -> None:
        """Returns once they are on disk, here or in the database. OverloadedError, RefusedError."""
        if len(self._pending) >= MOST_PENDING:
            raise OverloadedError
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((rows, done))
        self._due.set()
        await done

    def discard(self, project: int, category: str, reason: str, count: int) -> None:
        """Count what is not stored; written with the next batch, or within a second."""
        key = (project, category, reason)
        self._discards[key] = self._discards.get(key, 0) + count
        self._due.set()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        looked = clock() - RETRY_S
        while True:
            if clock() - looked >= RETRY_S:
                await self._take_back()
                looked = clock()
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._due.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(MOMENT_S)
            self._due.clear()
            await self._flush()

    async def _flush(self) -> None:
        while self._pending or self._discards:
            batch, count = [], 0
            while self._pending and count < MOST_ROWS:
                batch.append(self._pending.pop(0))
                count += len(batch[-1][0])
            discards, self._discards = self._discards, {}
            try:
                refused = await self._insert([rows for rows, _ in batch], discards)
            except (psycopg.Error, OSError, TimeoutError) as error:
                await self._away(error)
                for key, number in discards.items():
                    self._discards[key] = self._discards.get(key, 0) + number
                await self._to_spool(batch)
                return
            self.is_away = False
            for index, (rows, done) in enumerate(batch):
                if index in refused:
                    log.error("a report is refused by the database: %s", refused[index])
                    for row in rows:
                        self.discard(row.project, category_of(row.kind), "refused", 1)
                if done.done():
                    continue
                if index in refused:
                    done.set_exception(RefusedError("the database refuses what it says"))
                else:
                    done.set_result(None)

    async def _insert(
        self,
        requests: Sequence[Rows],
        discards: dict[tuple[int, str, str], int],
        within_s: float = COMMIT_WITHIN_S,
    ) -> dict[int, Exception]:
        """All of them in one transaction, but for those that are refused: which, by their place, and why."""
        async with asyncio.timeout(within_s):
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=2, application_name="overstory intake"
                )
            connection = self._connection
            try:
                async with connection.transaction() if discards else contextlib.nullcontext():
                    await _execute(connection, requests)
                    for key, count in sorted(discards.items()):
                        await _count(connection, key, count)
            except REFUSALS:
                pass
            else:
                return {}
        async with asyncio.timeout(within_s), connection.transaction():
            refused = await _execute_apart(connection, requests)
            for key, count in sorted(discards.items()):
                try:
                    async with connection.transaction():
                        await _count(connection, key, count)
                except REFUSALS as error:
                    log.error("a count of discarded reports is refused by the database: %s", error)
            return refused

    async def _away(self, error: BaseException) -> None:
        if not self.is_away:
            log.warning("the database takes no reports: %s", type(error).__name__)
        self.is_away = True
        await self._close()

    async def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await self._connection.close()
        self._connection = None

    async def _to_spool(self, batch: Sequence[tuple[Rows, "asyncio.Future[None]"]]) -> None:
        rows = [row for rows, _ in batch for row in rows]
        failure: Exception | None = None
        try:
            if rows:
                await asyncio.to_thread(self._spool.append, rows)
        except (SpoolFullError, OSError) as error:
            log.warning("the spool takes no reports: %s", error)
            failure = OverloadedError()
        for _, done in batch:
            if done.done():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def _take_back(self) -> None:
        """Commit what the spool holds, a part at a time: a part that was committed is forgotten, else it comes again.
        Requests that come meanwhile wait for one part, not for all."""
        try:
            for path in await asyncio.to_thread(self._spool.waiting):
                part = await asyncio.to_thread(self._spool.take, path)
                if part is None:
                    continue
                try:
                    await self._take_back_part(part)
                finally:
                    part.release()
                if self._due.is_set():
                    return
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self._away(error)

    async def _take_back_part(self, part: Part) -> None:
        refused = await self._insert([[row] for row in part.rows], {}, TAKE_BACK_WITHIN_S)
        if not refused:
            await asyncio.to_thread(part.forget)
            return
        log.error(
            "%d of %d reports in %s are refused by the database, and set aside: %s",
            len(refused),
            len(part.rows),
            part.path.name,
            next(iter(refused.values())),
        )
        await asyncio.to_thread(part.set_aside, [part.rows[place] for place in sorted(refused)])


async def _execute(connection: Connection, requests: Sequence[Rows]) -> None:
    rows = [row for rows in requests for row in rows]
    if rows:
        await connection.execute(INSERT, _columns(rows))


async def _count(connection: Connection, key: tuple[int, str, str], count: int) -> None:
    project, category, reason = key
    await connection.execute(COUNT_DISCARDS, [category, reason, count, project])


async def _execute_apart(
    connection: Connection, requests: Sequence[Rows], first: int = 0
) -> dict[int, Exception]:
    """Halved until those that are refused stand alone, in a transaction of the caller's: each costs a few statements, and
    none of the others is lost or stored twice."""
    try:
        async with connection.transaction():
            await _execute(connection, requests)
    except REFUSALS as error:
        if len(requests) == 1:
            return {first: error}
        half = len(requests) // 2
        refused = await _execute_apart(connection, requests[:half], first)
        return refused | await _execute_apart(connection, requests[half:], first + half)
    return {}


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [
        [row.project for row in rows],
        [row.kind for row in rows],
        [row.event_id for row in rows],
        [row.body for row in rows],
        [row.drift_s for row in rows],
        [row.child for row in rows],
        [row.incarnation for row in rows],
        [row.received_at for row in rows],
    ]
