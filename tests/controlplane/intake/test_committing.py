"""What is committed when the database comes, goes and refuses: all of it, once, without a report that wakes anybody."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from controlplane.intake.committing import RETRY_S, Committer, RefusedError
from controlplane.intake.spool import Row, Spool
from supervision.errors.store import digesting
from supervision.errors.store.bodies import packed
from supervision.errors.store.models import ErrorDiscard, ErrorIntake, ErrorProject
from tests.controlplane.intake.loops import WAIT_S, until, waiting_on_disk

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def project() -> ErrorProject:
    return ErrorProject.objects.create(pk=42, slug="shop", name="Shop")


def _row(number: int, *, project: int = 42, kind: str = "event") -> Row:
    body = packed({"message": str(number)})
    return Row(project, kind, f"{number:032x}", body, 0.0, "", None, NOW)


def _url(host: object = "") -> str:
    found = connection.settings_dict
    return make_conninfo(
        host=str(host or found["HOST"]), port=found["PORT"] or None, dbname=found["NAME"], user=found["USER"]
    )


def _left_on_disk(directory: Path, *rows: Row) -> None:
    """By a process that is no more."""
    spool = Spool(directory)
    spool.append(rows)
    spool.close()


@contextlib.asynccontextmanager
async def _serving(url: str, spool: Path) -> AsyncIterator[Committer]:
    committer = Committer(url, Spool(spool))
    committer.start()
    try:
        yield committer
    finally:
        await committer.stop()


def _stored() -> list[str]:
    try:
        return sorted(ErrorIntake.objects.values_list("event_id", flat=True))
    finally:
        connection.close()  # the thread's own


async def _until_stored(*rows: Row) -> None:
    expected = sorted(row.event_id for row in rows)
    await until(lambda: _stored() == expected, "all of it is stored")


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_the_database_did_not_take_back_at_once_is_taken_later(tmp_path: Path) -> None:
    """By the process that tried, which runs on, and whose hands nobody else could open."""
    there = tmp_path / "there"
    spool = tmp_path / "spool"

    async def work() -> None:
        async with _serving(_url(there), spool) as committer:
            await committer.commit([_row(1)])
            await committer.commit([_row(2)])
            await asyncio.sleep(2.5 * RETRY_S)  # it tries to take them back, twice, and cannot
            assert waiting_on_disk(spool)
            there.symlink_to(connection.settings_dict["HOST"])
            await _until_stored(_row(1), _row(2))
        assert not waiting_on_disk(spool)

    _run(work())


def test_what_a_dead_process_left_is_taken_without_a_report_to_wake_anybody(tmp_path: Path) -> None:
    _left_on_disk(tmp_path, _row(1), _row(2))

    async def work() -> None:
        async with _serving(_url(), tmp_path):
            await _until_stored(_row(1), _row(2))
        assert not waiting_on_disk(tmp_path)

    _run(work())


def test_reports_that_never_pause_do_not_keep_it_waiting(tmp_path: Path) -> None:
    async def work() -> None:
        async with _serving(_url(), tmp_path) as committer:
            await committer.commit([_row(1)])
            _left_on_disk(tmp_path, _row(2))
            deadline = time.monotonic() + WAIT_S
            number = 2
            while waiting_on_disk(tmp_path):
                assert time.monotonic() < deadline, "what is on disk is taken under load"
                number += 1
                await committer.commit([_row(number)])
            await _until_stored(*(_row(each) for each in range(1, number + 1)))

    _run(work())


def test_what_came_for_a_project_that_is_gone_holds_nothing_up(tmp_path: Path) -> None:
    _left_on_disk(tmp_path, _row(1, project=7), _row(2))

    async def work() -> None:
        async with _serving(_url(), tmp_path) as committer:
            committer.discard(7, "error", "quota", 1)
            committer.discard(42, "error", "quota", 2)
            await committer.commit([_row(3, project=7), _row(4)])
            assert not committer.is_away, "what is refused for one project is no outage for all"
            await _until_stored(_row(2), _row(4))
        assert not waiting_on_disk(tmp_path)

    _run(work())
    assert list(ErrorDiscard.objects.values_list("project", "count")) == [(42, 2)]


def test_what_the_database_refuses_is_set_aside_and_the_rest_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _left_on_disk(tmp_path, _row(1, kind="of a later version that writes more"))
    _left_on_disk(tmp_path, _row(2))

    async def work() -> None:
        async with _serving(_url(), tmp_path) as committer:
            await _until_stored(_row(2))
            await committer.commit([_row(3)])
            await _until_stored(_row(2), _row(3))

    _run(work())
    (kept,) = waiting_on_disk(tmp_path)
    assert kept.endswith(".refused")
    assert "set aside" in caplog.text


@pytest.mark.parametrize("child", ["a\0b", "a\ud800b"])
def test_a_part_with_one_row_that_is_refused_is_taken_but_for_that_row(child: str, tmp_path: Path) -> None:
    rows = [_row(number) for number in range(1, 8)]
    _left_on_disk(tmp_path, *rows[:3], dataclasses.replace(_row(99), child=child), *rows[3:])

    async def work() -> None:
        async with _serving(_url(), tmp_path) as committer:
            await _until_stored(*rows)
            await until(lambda: not list(tmp_path.glob("*.jsonl")), "it is not taken again")
            assert not committer.is_away

    _run(work())
    (kept,) = tmp_path.glob("*.refused")
    (line,) = kept.read_bytes().splitlines()
    assert f"{99:032x}".encode() in line


@pytest.mark.parametrize("child", ["a\0b", "a\ud800b"])
def test_what_the_database_refuses_of_one_request_is_no_outage_for_others(child: str, tmp_path: Path) -> None:
    refused = dataclasses.replace(_row(99), child=child)

    async def work() -> None:
        async with _serving(_url(), tmp_path) as committer:
            committer.discard(42, "error", "quota", 2)
            told = await asyncio.gather(
                *(committer.commit(rows) for rows in ([_row(1)], [_row(98), refused], [_row(2), _row(3)])),
                return_exceptions=True,
            )
            assert [type(each) for each in told] == [type(None), RefusedError, type(None)]
            assert not committer.is_away
            await _until_stored(_row(1), _row(2), _row(3))
        assert not waiting_on_disk(tmp_path)

    _run(work())
    assert sorted(ErrorDiscard.objects.values_list("reason", "count")) == [("quota", 2), ("refused", 2)]


def test_a_report_does_not_wait_until_a_batch_is_digested(tmp_path: Path) -> None:
    """Who digests holds the project; whoever commits a report has the database look whether the project is there."""

    async def work() -> None:
        async with _serving(_url(), tmp_path) as committer:
            await committer.commit([_row(1)])
            assert not committer.is_away
            await _until_stored(_row(1))

    with transaction.atomic():
        assert digesting._algorithms([42], NOW)
        _run(work())
