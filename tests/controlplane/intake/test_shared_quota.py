"""One quota for all web processes: what one of them may take others may not, and with Redis away each has its part."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from controlplane.intake.quota import Quota
from controlplane.intake.shared_quota import AGAIN_S, CLOSED_S, HELD_S, SharedQuota
from supervision.runtime.clock import ManualClock
from tests.support.database import TestStores


@pytest.fixture
def url(stores: TestStores) -> Iterator[str]:
    with redis.Redis.from_url(stores.redis_url) as client:
        client.flushdb()
        yield stores.redis_url
        client.flushdb()


async def accepted(quotas: list[SharedQuota], asked: int, per_minute: int, *, project: int = 1) -> list[int]:
    """How many each was given, when they ask in turn."""
    counts = [0] * len(quotas)
    for number in range(asked):
        place = number % len(quotas)
        counts[place] += not await quotas[place].take(project, "error", 1, per_minute)
    return counts


def shared(url: str, count: int = 2) -> tuple[ManualClock, list[SharedQuota]]:
    clock = ManualClock()
    return clock, [SharedQuota(url, Quota(clock.boot, share=1 / count), clock.boot) for _ in range(count)]


async def closed(quotas: list[SharedQuota]) -> None:
    for quota in quotas:
        await quota.close()


def test_a_client_that_only_one_process_hears_has_the_whole_quota(url: str) -> None:
    async def run() -> tuple[list[int], float]:
        _, quotas = shared(url)
        first = await accepted(quotas[:1], 150, 100)
        wait = await quotas[1].take(1, "error", 1, 100)
        await closed(quotas)
        return first, wait

    first, wait = asyncio.run(run())
    assert 100 <= first[0] <= 105, "and what a few seconds refill"
    assert wait > 0


def test_several_processes_together_have_it_once(url: str) -> None:
    async def run() -> list[int]:
        _, quotas = shared(url, 4)
        counts = await accepted(quotas, 800, 400)
        counts.append(not await quotas[0].take(1, "monitor", 1, 400))
        counts.append(not await quotas[0].take(2, "error", 1, 400))
        await closed(quotas)
        return counts

    *counts, other_category, other_project = asyncio.run(run())
    assert 400 <= sum(counts) <= 440
    assert (other_category, other_project) == (1, 1)


def test_what_a_process_holds_and_does_not_give_is_a_hundredth_and_not_for_long(url: str) -> None:
    async def run() -> list[float]:
        clock, quotas = shared(url, 1)
        await quotas[0].take(1, "error", 1, 1000)
        with redis.Redis.from_url(url) as client:
            left = [float(client.hget("overstory:errors:quota:1:error", "tokens"))]
            clock.jump(HELD_S + 1)
            await quotas[0].take(1, "error", 1, 1000)
            left.append(float(client.hget("overstory:errors:quota:1:error", "tokens")))
            assert client.pttl("overstory:errors:quota:1:error") > 0
        await closed(quotas)
        return left

    before, after = asyncio.run(run())
    assert before == 990
    assert 980 <= after < 990


def test_an_empty_bucket_is_not_asked_for_each_report(url: str) -> None:
    async def run() -> tuple[float, float, float]:
        clock, [quota] = shared(url, 1)
        assert not await quota.take(1, "error", 1, 1)
        first = await quota.take(1, "error", 1, 1)
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        second = await quota.take(1, "error", 1, 1)
        clock.jump(CLOSED_S * 2)
        third = await quota.take(1, "error", 1, 1)
        await quota.close()
        return first, second, third

    first, second, third = asyncio.run(run())
    assert 30 < first <= 60
    assert second == pytest.approx(first, abs=1)
    assert third == 0.0


def test_while_redis_is_away_each_process_has_its_part_and_then_they_share_again(url: str) -> None:
    async def run() -> tuple[list[int], list[int]]:
        clock, quotas = shared("unix:///nowhere/at/all.sock")
        away = await accepted(quotas, 100, 60)
        for quota in quotas:
            quota._url, quota._client = url, None
        clock.jump(AGAIN_S + 1)
        together = await accepted(quotas, 20, 60)
        await closed(quotas)
        return away, together

    away, together = asyncio.run(run())
    assert away == [30, 30]
    assert together == [10, 10]
