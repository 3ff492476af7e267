"""Tasks that are children of a tree: one id for every life, never two lives at once, a stale end is refused."""

from typing import Any

import pytest

from supervision.tasks.attempts import Ending, begin_attempt, end_attempt
from supervision.tasks.children import (
    ChildStarted,
    ChildTask,
    id_of,
    start_child_task,
    state_of,
)
from supervision.tasks.exceptions import TaskError
from supervision.tasks.models import TaskRun
from supervision.tasks.operating import give_up_run, withdraw_run
from supervision.tasks.states import Outcome
from supervision.tasks.workers import Report, take_report
from tests.supervision.tasks.told import HOLDER, at, event, tell

pytestmark = pytest.mark.django_db


def child(key: str = "shop/pay", digest: str = "d1", node: str = "n1", **spec: Any) -> ChildTask:
    return ChildTask(
        key, node, "shop.charge", "shop", "mail", digest, {"args": [1], "kwargs": {}, "max_lost": 2, **spec}
    )


def start(seconds: float = 0.0, **given: Any) -> ChildStarted:
    return start_child_task(task=child(**given), now=at(seconds))


def begin(started: ChildStarted, seconds: float = 1.0) -> int:
    """The epoch it got."""
    begun = begin_attempt(
        run_id=started.id, publication=started.publication, holder=HOLDER, pid=101, now=at(seconds)
    )
    assert begun.run, begun.why
    return begun.epoch


def end(run_id: str, epoch: int, outcome: Outcome = Outcome.DONE, reason: str = "normal") -> bool:
    return end_attempt(run_id=run_id, epoch=epoch, ending=Ending(outcome, reason), now=at(2)).accepted


def worker(seconds: float) -> list[dict[str, Any]]:
    """It tells of itself; what it is to kill."""
    return take_report(report=Report(HOLDER, app="shop"), now=at(seconds)).revoked


def test_every_life_has_the_same_id_and_another_task_or_child_another_one() -> None:
    first = start()
    epoch = begin(first)
    assert end(first.id, epoch)
    again = start(5)
    assert (again.id, again.publication) == (first.id, 2)
    assert begin(again, 6) == epoch + 1
    assert [one.number for one in TaskRun.objects.get().attempts.all()] == [1, 2]
    assert id_of(child(key="shop/other")) != first.id
    assert id_of(child(digest="d2")) != first.id
    assert id_of(child(node="n2")) == first.id


def test_a_copy_of_an_earlier_publication_does_not_begin() -> None:
    first = start()
    start(1)
    begun = begin_attempt(run_id=first.id, publication=1, holder=HOLDER, pid=101, now=at(2))
    assert (begun.run, begun.why.partition(":")[0]) == (False, "superseded")


def test_a_dead_worker_ends_the_attempt_and_the_tree_decides() -> None:
    first = start()
    epoch = begin(first)
    tell(event("lost", task=first.id, publication=1, reason="signal(9)", seconds=2))
    state = state_of(first.id)
    assert (state["state"], state["reason"]) == ("failed", "signal(9)")
    second = start(3)
    assert begin(second, 4) == epoch + 1
    assert not end(first.id, epoch)  # the first one's end comes after all, and is refused
    assert TaskRun.objects.get().state == "running"


def test_as_often_as_it_may_be_lost_and_then_it_is_parked_until_somebody_replays_it() -> None:
    for number in (1, 2):
        started = start(number * 10)
        begin(started, number * 10 + 1)
        tell(event("lost", task=started.id, publication=number, reason="signal(9)", seconds=number * 10 + 2))
    parked = start(30)
    assert parked.parked == "2 attempts ended with a dead worker"
    assert TaskRun.objects.get().state == "parked"


def test_an_attempt_that_runs_is_ended_before_the_next_begins() -> None:
    first = start()
    epoch = begin(first)
    worker(1)
    assert start(2).wait
    [killed] = worker(3)
    assert (killed["id"], killed["kill"], killed["pid"]) == (first.id, True, 101)
    assert start(4).wait
    tell(event("lost", task=first.id, publication=1, reason="signal(9)", seconds=5))
    assert TaskRun.objects.get().state == "revoked"
    second = start(6)
    assert not second.wait
    assert begin(second, 7) == epoch + 1


def test_a_silent_worker_is_not_waited_for_and_its_end_is_refused() -> None:
    first = start()
    epoch = begin(first)
    worker(1)
    second = start(30)
    assert not second.wait
    assert begin(second, 31) == epoch + 1
    assert not end(first.id, epoch)
    outcomes = [one.outcome for one in TaskRun.objects.get().attempts.order_by("number")]
    assert outcomes == ["refused", "running"]


def test_a_child_that_is_stopped_revokes_its_task() -> None:
    waiting = start()
    assert withdraw_run(run_id=waiting.id, by="its child was stopped", now=at(1)) == "revoked"
    again = start(2)
    epoch = begin(again, 3)
    withdraw_run(run_id=again.id, by="its child was stopped", now=at(4))
    assert end(again.id, epoch, Outcome.FAILED, "exception(ValueError)")
    assert state_of(again.id)["state"] == "revoked"


def test_what_nobody_took_in_time_has_failed_and_one_that_was_begun_has_not() -> None:
    late = start()
    assert give_up_run(run_id=late.id, reason="start_failed(late)", message="late", now=at(1))
    assert not begin_attempt(run_id=late.id, publication=1, holder=HOLDER, pid=1, now=at(2)).run
    again = start(3)
    begin(again, 4)
    assert not give_up_run(run_id=again.id, reason="start_failed(late)", message="late", now=at(5))


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(TaskError, match="key of its child"):
        start(key="")
    with pytest.raises(TaskError, match="no policy"):
        start(max_lost=0)
    assert state_of("nothing") == {"state": "unknown"}
