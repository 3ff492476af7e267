"""Keys that are revoked and added while an intake serves, over a real Redis; and without one."""

import asyncio
import json
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import redis
from django.db import transaction

from controlplane.intake.hearing import Hearing
from controlplane.intake.keys import KNOWN_S
from controlplane.intake.telling import CHANNEL
from supervision.errors.store.models import ErrorIntake, ErrorKey, ErrorProject
from supervision.errors.store.projects import add_key, change_project, revoke_key
from tests.controlplane.intake.clients import AUTH, KEY, NOW, Client
from tests.controlplane.intake.loops import in_thread, until
from tests.supervision.errors.store.error_rows import ACTOR
from tests.support.database import TestStores
from tests.support.own_stores import OwnStores

pytestmark = pytest.mark.django_db(transaction=True)
BODY = b'{}\n{"type":"event"}\n{"message":"x"}'


@pytest.fixture
def url(stores: TestStores, settings: Any) -> str:
    settings.CONNECTIONS = replace(settings.CONNECTIONS, given_redis_url=stores.redis_url)
    return stores.redis_url


def _revoke(public_key: str = KEY) -> None:
    revoke_key(key=ErrorKey.objects.get(public_key=public_key), now=NOW, actor=ACTOR)


async def _send(client: Client, key: str = KEY) -> int:
    auth = {"X-Sentry-Auth": AUTH["X-Sentry-Auth"].replace(KEY, key)}
    status, _, _ = await client.ask("/api/42/envelope/", BODY, auth)
    return status


async def _listening(client: Client, times: int = 1) -> None:
    client.intake.start()
    await until(lambda: client.begun == times, "it listens")


async def _told(client: Client, *changes: tuple[int, str]) -> None:
    await until(lambda: set(changes) <= set(client.heard), "told")


def test_a_revoked_key_is_closed_and_a_new_one_open_at_once_everywhere(
    url: str, project: ErrorProject, tmp_path: Path
) -> None:
    clients = [Client(tmp_path / name, redis_url=url) for name in "ab"]
    new = "f" * 32

    async def run() -> list[list[int]]:
        found = []
        for client in clients:
            await _listening(client)
        found.append([await _send(client, key) for client in clients for key in (KEY, new)])
        made = await in_thread(_add, project, new)
        await in_thread(_revoke)
        for client in clients:
            await _told(client, (42, KEY), (42, made))
        found.append([await _send(client, key) for client in clients for key in (KEY, made)])
        await clients[1].intake.stop()
        return found

    assert clients[0].run(run) == [[200, 403] * 2, [403, 200] * 2]
    assert ErrorIntake.objects.count() == 4


def _add(project: ErrorProject, public_key: str) -> str:
    """A key that was asked for before there was one: its name is known here."""
    with patch("supervision.errors.store.projects.uuid.uuid4", return_value=uuid.UUID(public_key)):
        return add_key(project=project, actor=ACTOR).public_key


def test_what_is_changed_of_a_project_counts_at_once(url: str, project: ErrorProject, tmp_path: Path) -> None:
    client = Client(tmp_path, redis_url=url)

    async def run() -> tuple[int, int]:
        await _listening(client)
        await _send(client)
        before = client.doors.find(42, KEY)
        fields = {"events_per_minute": 7}
        await in_thread(lambda: change_project(project=project, fields=fields, now=NOW, actor=ACTOR))
        await _told(client, (42, ""))
        after = await in_thread(client.doors.find, 42, KEY)
        assert before is not None
        assert after is not None
        return before.events_per_minute, after.events_per_minute

    assert client.run(run) == (600, 7)


def test_nobody_is_told_of_what_is_undone(url: str, project: ErrorProject) -> None:
    with redis.Redis.from_url(url) as listener, listener.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(CHANNEL)
        heard.get_message(timeout=5)
        with transaction.atomic():
            _revoke()
            transaction.set_rollback(True)
        assert heard.get_message(timeout=0.5) is None
        _revoke()
        message = None
        while message is None:
            message = heard.get_message(timeout=5)
    assert json.loads(message["data"]) == {"project": 42, "key": KEY}


@pytest.fixture
def own_redis(settings: Any) -> Iterator[OwnStores]:
    with tempfile.TemporaryDirectory(prefix="ovr-") as name:
        made = OwnStores(Path(name))
        made._redis.prepare()
        made.start_redis()
        settings.CONNECTIONS = replace(settings.CONNECTIONS, given_redis_url=made.redis_url)
        try:
            yield made
        finally:
            made.close()


def test_without_redis_a_revoked_key_is_closed_after_a_while_and_what_was_missed_is_asked_when_it_is_back(
    own_redis: OwnStores, project: ErrorProject, tmp_path: Path
) -> None:
    client = Client(tmp_path, redis_url=own_redis.redis_url)
    second = ErrorKey.objects.create(project=project, public_key="e" * 32).public_key

    async def run() -> list[int]:
        await _listening(client)
        found = [await _send(client), await _send(client, second)]
        await asyncio.to_thread(own_redis.kill, "redis")
        await in_thread(_revoke)  # no error
        found.append(await _send(client))
        client.clock.jump(KNOWN_S + 1)
        found += [await _send(client), await _send(client, second)]
        await in_thread(_revoke, second)
        found.append(await _send(client, second))
        await asyncio.to_thread(own_redis.start_redis)
        await until(lambda: client.begun == 2, "it listens again")
        return [*found, await _send(client, second)]

    assert client.run(run) == [200, 200, 200, 403, 200, 200, 403]


def test_messages_that_are_none_of_ours_are_left_out_and_the_end_comes_at_once(url: str) -> None:
    heard: list[tuple[int, str]] = []
    begun: list[None] = []

    async def run() -> float:
        hearing = Hearing(url, changed=lambda *what: heard.append(what), missed=lambda: begun.append(None))
        hearing.start()
        await until(lambda: bool(begun), "it listens")
        with redis.Redis.from_url(url) as client:
            for data in (b"", b"7", b"{}", b"\xff", b'{"project":"x","key":"y"}', b'{"project":7,"key":"k"}'):
                client.publish(CHANNEL, data)
        await until(lambda: bool(heard), "told")
        clock = asyncio.get_running_loop().time
        began = clock()
        await hearing.stop()
        await hearing.stop()
        return clock() - began

    assert asyncio.run(run()) < 2
    assert (heard, len(begun)) == ([(7, "k")], 1)


def test_a_fault_of_our_own_ends_no_listening(url: str, caplog: pytest.LogCaptureFixture) -> None:
    begun: list[None] = []

    def missed() -> None:
        begun.append(None)
        if len(begun) == 1:
            raise RuntimeError("a fault")

    async def run() -> None:
        hearing = Hearing(url, changed=lambda *_: None, missed=missed)
        hearing.start()
        await until(lambda: len(begun) == 2, "it listens again")
        await hearing.stop()

    asyncio.run(run())
    assert "a fault" in caplog.text


def test_a_redis_that_is_nowhere_is_no_error_and_does_not_hold_up_the_end() -> None:
    async def run() -> None:
        hearing = Hearing("unix:///nowhere/at/all.sock", changed=lambda *_: None, missed=lambda: None)
        hearing.start()
        await asyncio.sleep(0)
        await hearing.stop()

    asyncio.run(asyncio.wait_for(run(), 5))
