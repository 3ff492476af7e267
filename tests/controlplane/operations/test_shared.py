"""Leaks planted in a real Redis and a real PostgreSQL, look by look; and what does not leak beside them."""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from django.db import connection
from django.utils import timezone

from controlplane.operations import shared
from supervision.fleet.models import Node
from supervision.journal.models import Stray
from supervision.leaks.shared import Kind, Measure
from supervision.leakwatch.models import SharedLeak
from supervision.leakwatch.shared import record_look, shared_leaks
from tests.support.database import TestStores

NOW = timezone.now()
LOOKS = 8


def at(look: int) -> datetime:
    return NOW + timedelta(seconds=30 * look)


def looked(measures: list[Measure], look: int) -> None:
    record_look(measures, looked=set(Kind), now=at(look))


@pytest.fixture
def planted(stores: TestStores) -> Iterator[tuple[redis.Redis, str]]:
    """A client, and a word that is in every name of this test."""
    word = "leak" + "".join(chr(ord("a") + byte % 26) for byte in os.urandom(6))
    client = redis.Redis.from_url(stores.redis_url)
    try:
        yield client, word
    finally:
        for name in client.scan_iter(f"{word}*", count=1000):
            client.delete(name)
        client.close()


@pytest.mark.django_db
def test_keys_that_nobody_deletes_are_found_and_those_with_a_time_to_live_are_not(
    stores: TestStores, planted: tuple[redis.Redis, str]
) -> None:
    client, word = planted
    for look in range(LOOKS):
        for number in range(20):
            client.set(f"{word}:cart:{look * 20 + number}", "x")
            client.set(f"{word}:page:{look * 20 + number}", "x", ex=600)
        mine = [one for one in shared.redis_measures(stores.redis_url) if word in one.subject]
        looked(mine, look)
    [row] = SharedLeak.objects.filter(subject__contains=word)
    database = client.connection_pool.connection_kwargs.get("db") or 0
    assert (row.kind, row.subject) == (Kind.KEYS, f"{word}:cart:* in database {database}")
    assert row.found_at == at(LOOKS - 1)
    assert row.rate == pytest.approx(20 / 30, rel=1e-3)
    assert row.evidence["type"] == "string"
    assert "grow by 40 a minute" in row.verdict
    for look in range(LOOKS, LOOKS + 25):  # nothing comes any more
        looked(mine, look)
    row.refresh_from_db()
    assert row.ended_at is not None
    assert list(shared_leaks(now=at(LOOKS + 25))) == [row]


def listening(client: redis.Redis) -> redis.client.PubSub:
    """One more connection that only listens."""
    made: redis.client.PubSub = client.pubsub()  # type: ignore[no-untyped-call]  # redis-py says nothing of it
    return made


@pytest.mark.django_db
def test_subscriptions_that_nobody_ends_are_found_by_channel_and_by_who_listens(
    stores: TestStores, planted: tuple[redis.Redis, str]
) -> None:
    _client, word = planted
    with contextlib.ExitStack() as open_ones:
        named = redis.Redis.from_url(stores.redis_url, client_name=f"{word}-asks")
        open_ones.callback(named.close)
        asks = open_ones.enter_context(contextlib.closing(listening(named)))
        listens = redis.Redis.from_url(stores.redis_url, client_name=f"{word}-listens")
        open_ones.callback(listens.close)
        for look in range(LOOKS + 3):  # the first few are too few to be a series
            asks.subscribe(*(f"{word}:answer:{look * 10 + number}" for number in range(10)))
            for _ in range(3):
                open_ones.enter_context(contextlib.closing(listening(listens))).subscribe(f"{word}:news")
            looked([one for one in shared.redis_measures(stores.redis_url) if word in one.subject], look)
        found = {row.kind: row for row in SharedLeak.objects.filter(found_at__isnull=False)}
    assert found[Kind.CHANNELS].subject == f"{word}:answer:*"
    assert found[Kind.SUBSCRIBERS].subject.startswith(f"{word}-listens from ")
    assert found[Kind.SUBSCRIBERS].evidence == {"subscriptions": 3 * (LOOKS + 3)}
    assert len(found) == 2


def as_program(name: str) -> psycopg.Connection[Any]:
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(
        **{part: parameters[part] for part in names if parameters.get(part)},
        application_name=name,
        autocommit=True,
    )


@pytest.mark.django_db
def test_connections_that_nobody_closes_are_found_by_program_and_a_pool_is_not() -> None:
    with contextlib.ExitStack() as open_ones:
        for _ in range(6):
            open_ones.enter_context(contextlib.closing(as_program("steady pool")))
        for look in range(LOOKS + 3):  # the first few are too few to be a series
            for _ in range(2):
                open_ones.enter_context(contextlib.closing(as_program("leaky shop")))
            wanted = ("leaky shop", "steady pool")
            looked([one for one in shared.postgres_measures() if one.subject.startswith(wanted)], look)
    [row] = SharedLeak.objects.filter(found_at__isnull=False)
    assert row.kind == Kind.CONNECTIONS
    assert row.subject.startswith("leaky shop (")
    assert row.value == 2 * (LOOKS + 3)
    assert row.evidence["oldest_s"] >= 0


@pytest.mark.django_db
def test_a_transaction_that_sits_idle_is_found_at_once_and_is_over_when_it_ends() -> None:
    with contextlib.closing(as_program("sleepy shop")) as sleepy:
        sleepy.autocommit = False
        sleepy.execute("SELECT 1")
        measures = [one for one in shared.postgres_measures(idle_s=0.0) if one.kind is Kind.IDLE]
        [mine] = [one for one in measures if one.subject.startswith("sleepy shop")]
        assert mine.evidence["pids"] == [sleepy.info.backend_pid]
        looked([mine], 0)
        [row] = SharedLeak.objects.all()
        assert row.verdict.startswith("Transactions of sleepy shop")
        assert not [
            one for one in shared.postgres_measures() if one.subject == mine.subject
        ]  # not for a minute yet
    looked([], 1)
    row.refresh_from_db()
    assert row.ended_at == at(1)


@pytest.mark.django_db
def test_a_command_that_loses_processes_again_and_again_is_found_and_one_stray_is_not() -> None:
    node = Node.objects.create(id="n1", name="alpha", joined_at=NOW)
    for pid in range(5):
        stray = {"node": node, "start_time": pid, "first_seen": NOW, "state": Stray.State.ENDED}
        Stray.objects.create(pid=pid + 1, command=["/srv/convert", f"{pid}.png"], **stray)
    Stray.objects.create(
        node=node, pid=99, start_time=1, first_seen=NOW, command=["/bin/other"], state=Stray.State.FOUND
    )
    looked(list(shared.stray_measures(NOW)), 0)
    [row] = SharedLeak.objects.filter(found_at__isnull=False)
    assert row.subject == "/srv/convert *.png on alpha"
    assert (row.kind, row.value) == (Kind.STRAYS, 5)
    looked(list(shared.stray_measures(NOW + timedelta(hours=1))), 1)
    row.refresh_from_db()
    assert row.ended_at is not None


@pytest.mark.django_db
def test_a_redis_that_is_away_ends_nothing_that_was_found_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [Measure(Kind.KEYS, "cart:* in database 0", 100.0 + 20 * look) for look in range(LOOKS)]
    for look, one in enumerate(values):
        looked([one], look)

    def away(_url: str) -> list[Measure]:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(shared, "redis_measures", away)
    shared.look_at_shared(now=at(LOOKS))
    assert SharedLeak.objects.get(kind=Kind.KEYS).ended_at is None
    monkeypatch.setattr(shared, "redis_measures", lambda _url: [])
    shared.look_at_shared(now=at(LOOKS + 1))
    assert SharedLeak.objects.get(kind=Kind.KEYS).ended_at is not None
