"""Pools: a bound on what waits, counted over rows, and each rule for what comes past it."""

from typing import Any

import pytest

from supervision.tasks.admitting import DROPPED, PoolFullError
from supervision.tasks.attempts import begin_attempt
from supervision.tasks.exceptions import TaskError
from supervision.tasks.models import TaskRun
from supervision.tasks.starting import PoolCannotKillError, Start, start_runs
from supervision.tasks.workers import Report, take_report
from tests.supervision.tasks.told import HOLDER, NOW, at

pytestmark = pytest.mark.django_db


def offer(*ids: str, overflow: str = "refuse", most: int = 3, seconds: float = 0, **spec: Any) -> None:
    pool = {"max_waiting": most, "overflow": overflow}
    start_runs(
        starts=[
            Start(each, "shop.send", "shop", "mail", supervisor="shop.mail", spec={"pool": pool, **spec})
            for each in ids
        ],
        node_id="n1",
        now=at(seconds),
    )


def states() -> dict[str, str]:
    return dict(TaskRun.objects.order_by("pk").values_list("pk", "state"))


def test_past_the_bound_a_start_is_refused_whole() -> None:
    offer("a", "b")
    with pytest.raises(PoolFullError, match="3 tasks wait"):
        offer("c", "d")
    assert states() == {"a": "queued", "b": "queued"}
    offer("c")


def test_what_runs_does_not_wait() -> None:
    offer("a", "b", "c")
    begin_attempt(run_id="a", publication=1, holder=HOLDER, pid=1, now=NOW)
    offer("d")
    assert states()["d"] == "queued"


def test_the_oldest_makes_room_for_the_newest() -> None:
    offer("a", seconds=1)
    offer("b", "c", seconds=2)
    offer("d", "e", overflow="drop_oldest", seconds=3)
    assert states() == {"a": "revoked", "b": "revoked", "c": "queued", "d": "queued", "e": "queued"}
    assert TaskRun.objects.get(pk="a").message == DROPPED


def test_the_newest_is_on_record_as_dropped_and_never_begins() -> None:
    offer("a", "b")
    offer("c", "d", overflow="drop_newest")
    assert states() == {"a": "queued", "b": "queued", "c": "queued", "d": "revoked"}
    assert not begin_attempt(run_id="d", publication=1, holder=HOLDER, pid=1, now=NOW).run


def test_more_at_once_than_the_pool_holds_are_cut_down_to_it() -> None:
    offer("a", "b", "c", "d", overflow="drop_oldest", most=3)
    assert sorted(states().values()) == ["queued", "queued", "queued", "revoked"]


@pytest.mark.parametrize(
    "pool", [{}, {"max_waiting": 0, "overflow": "refuse"}, {"max_waiting": 2, "overflow": "x"}, 5]
)
def test_a_bound_that_cannot_be_meant_is_refused(pool: object) -> None:
    with pytest.raises(TaskError):
        start_runs(
            starts=[Start("a", "b", "shop", supervisor="s", spec={"pool": pool})], node_id="n1", now=NOW
        )


def test_a_timeout_needs_a_pool_that_can_kill() -> None:
    def worker(pool: str, holder: str = HOLDER) -> None:
        told = Report(holder=holder, app="shop", pool=pool, queues={"mail": {"length": 0}})
        take_report(report=told, now=NOW)

    offer("a", timeout_s=5)  # nobody is known to consume it yet
    worker("thread")
    with pytest.raises(PoolCannotKillError, match="thread"):
        offer("b", timeout_s=5)
    offer("c")  # without a timeout any pool will do
    worker("prefork", "n1/shop/mail@2/1/5")
    offer("d", timeout_s=5, most=9)
