"""Deadlines on our side: a backend that is stopped answers nothing, and is given up with its connection."""

import asyncio
import os
import signal

import psycopg
import pytest

from controlplane.dashboard.live.postgres import AWAY, Postgres, conninfo, within
from tests.support.database import TestStores

pytestmark = pytest.mark.asyncio


async def test_work_that_does_not_end_is_left_behind() -> None:
    stubborn = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            stubborn.set()
            await asyncio.sleep(0.05)
            raise

    with pytest.raises(TimeoutError):
        await within(0.01, hangs())
    await asyncio.wait_for(stubborn.wait(), 5)


async def test_a_result_and_an_error_come_through() -> None:
    async def answers(value: int) -> int:
        if value < 0:
            raise OSError("no")
        return value

    assert await within(5, answers(3)) == 3
    with pytest.raises(OSError, match="no"):
        await within(5, answers(-1))


@pytest.mark.django_db(transaction=True)
async def test_a_stopped_backend_is_given_up_and_the_next_question_is_answered(
    stores: TestStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.dashboard.live.postgres.ANSWER_WITHIN_S", 1.0)
    store = Postgres()
    [row] = await store.rows("SELECT pg_backend_pid() AS pid")
    os.kill(row["pid"], signal.SIGSTOP)
    try:
        with pytest.raises(AWAY):
            await store.rows("SELECT 1 AS one")
        assert await store.rows("SELECT 2 AS two") == [{"two": 2}]
    finally:
        os.kill(row["pid"], signal.SIGCONT)
        store.drop()


@pytest.mark.django_db(transaction=True)
async def test_notifications_are_hints(stores: TestStores) -> None:
    hinted = asyncio.Event()
    count = 0

    def hint() -> None:
        nonlocal count
        count += 1
        hinted.set()

    task = asyncio.create_task(Postgres().listen(hint))
    await asyncio.wait_for(hinted.wait(), 10)
    hinted.clear()
    async with await psycopg.AsyncConnection.connect(conninfo(), autocommit=True) as connection:
        await connection.execute("NOTIFY overstory_observed, 'n1'")
    await asyncio.wait_for(hinted.wait(), 10)
    assert count == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
