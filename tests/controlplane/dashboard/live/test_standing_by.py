"""The reader stands by for pages: they find its tables read, and wake it when it rests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext

from controlplane.access.policy import Role
from controlplane.dashboard.live import service
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.service import LIVE
from controlplane.dashboard.reading import Reading
from supervision.journal.models import ObservedChild
from tests.controlplane.dashboard.facts import make_child, make_node, make_tree
from tests.support import people
from tests.support.database import TestStores

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest_asyncio.fixture(autouse=True)
async def live(stores: TestStores, settings: Any) -> AsyncIterator[None]:
    """A hub of this test's own, that reads this test's stores."""
    settings.LIVE_REDIS_URL = stores.redis_url
    LIVE.hub = Hub(link=service.site_link)
    yield
    await LIVE.stop()


async def in_thread(work: Callable[..., Any], **kwargs: Any) -> Any:  # whatever `work` answers
    """As a page is made: beside the loop, with a connection that is closed afterwards."""

    def run() -> Any:
        try:
            return work(**kwargs)
        finally:
            connection.close()

    return await sync_to_async(run)()


def two_children() -> None:
    node = make_node()
    make_tree(node, "shop")
    make_child(node, "shop/web")
    make_child(node, "shop/mail")


def states() -> dict[str, str]:
    return {row["key"]: row["state"] for row in Reading().hub.rows("procs", None)}


def is_of_the_reader() -> bool:
    return Reading().hub is LIVE.hub


async def rested() -> None:
    for _ in range(1000):
        if LIVE.reader is None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the reader goes on")


async def test_a_page_waits_for_a_reader_that_has_just_begun_and_asks_for_no_member_itself() -> None:
    client = await in_thread(lambda: people.browser(people.user("ada", (Role.VIEWER, ""))))
    await in_thread(two_children)
    LIVE.ensure()

    def page() -> tuple[str, list[str]]:
        with CaptureQueriesContext(connection) as asked:
            body = client.get("/tree").content.decode()
        return body, [query["sql"] for query in asked]

    body, queries = await in_thread(page)
    assert "shop/mail" in body
    assert [sql for sql in queries if "observedchild" in sql] == []


async def test_a_reader_that_nobody_needs_rests_and_a_page_wakes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    await in_thread(two_children)
    monkeypatch.setattr(service, "REST_AFTER_S", 0.2)
    LIVE.ensure()
    await rested()
    await in_thread(ObservedChild.objects.filter(key="shop/mail").update, state="failed", seq=7)
    monkeypatch.setattr(service, "REST_AFTER_S", 600.0)
    LIVE.hub.ages.rows = None
    assert await in_thread(states) == {"shop/web": "running", "shop/mail": "failed"}
    assert LIVE.reader is not None
    assert await in_thread(is_of_the_reader)


async def test_pages_keep_the_reader_from_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    await in_thread(two_children)
    monkeypatch.setattr(service, "REST_AFTER_S", 1.0)
    reader = LIVE.ensure()
    for _ in range(8):
        await asyncio.sleep(0.25)
        assert await in_thread(is_of_the_reader)
    assert LIVE.reader is reader


async def test_with_the_database_silent_to_the_reader_a_page_asks_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await in_thread(two_children)
    monkeypatch.setattr(service, "PATIENCE_S", 0.2)

    async def away(*_args: Any) -> Any:
        raise OSError("connection refused")

    monkeypatch.setattr("controlplane.dashboard.live.postgres.Postgres.rows", away)
    LIVE.ensure()
    assert not await in_thread(is_of_the_reader)
    assert set(await in_thread(states)) == {"shop/web", "shop/mail"}
