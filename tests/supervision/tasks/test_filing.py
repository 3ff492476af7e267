"""Failed, lost and parked tasks as errors: each attempt once, and one with what an SDK told of it."""

import datetime as dt
from typing import Any

import pytest

from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorProject
from supervision.errors.store.projects import create_project
from supervision.errors.store.seen import TASK_TAG
from supervision.errors.store.selectors import issues_about, issues_tagged
from supervision.tasks.attempts import Ending, begin_attempt, end_attempt
from supervision.tasks.states import Outcome
from tests.supervision.errors.store.error_rows import ACTOR, accepted
from tests.supervision.errors.store.error_rows import event as report
from tests.supervision.tasks.told import HOLDER, NOW, at, event, start, tell

pytestmark = pytest.mark.django_db
LATER = NOW + dt.timedelta(minutes=1)
TRACE = """Traceback (most recent call last):
  File "/srv/shop/mail.py", line 7, in send
    raise ValueError(address)
ValueError: not an address
"""
FAILED: dict[str, Any] = {
    "state": "failed",
    "reason": "exception(ValueError)",
    "message": "not an address",
    "traceback": TRACE,
}


@pytest.fixture(autouse=True)
def project() -> ErrorProject:
    return create_project(slug="shop", tree="shop", actor=ACTOR)


def _issues() -> dict[str, int]:
    digest(now=LATER)
    return dict(ErrorIssue.objects.values_list("title", "stat__count"))


def test_a_failed_task_is_filed_once_with_its_traceback_however_often_it_is_told() -> None:
    ended = event("ended", seconds=1, **FAILED)
    tell(event("started"), ended)
    tell(ended)
    tell(event("started", task="t2"), event("ended", task="t2", seconds=2, **FAILED))
    assert _issues() == {"ValueError: not an address": 2}
    stored = ErrorEvent.objects.order_by("id")[0]
    assert (stored.transaction, stored.child, stored.incarnation) == ("shop.mail", "shop/mail@1", 3)
    issue = ErrorIssue.objects.get()
    assert issue.culprit == "shop.mail"
    assert dict(issue.tags.filter(key="celery_task_id").values_list("value", "count")) == {"t1": 1, "t2": 1}


@pytest.mark.parametrize("is_first", [True, False])
def test_what_the_workers_sdk_told_of_the_failure_counts_alone(
    project: ErrorProject, *, is_first: bool
) -> None:
    def told(task: str, number: int) -> None:
        body = report("ValueError", "send", transaction="shop.mail", tags={"celery_task_id": task})
        body["exception"]["values"][0]["stacktrace"]["frames"][0] |= {"function": "send", "lineno": 7}
        accepted(project, body, number=number, child="shop/mail@1", at=at(1))

    if is_first:
        told("t1", 1)
        digest(now=at(1))
    tell(event("started"), event("ended", seconds=1, **FAILED))
    tell(event("started", task="t2"), event("ended", task="t2", seconds=1, **FAILED))
    if not is_first:
        told("t1", 1)
    assert sum(_issues().values()) == 2, "of t1 the SDK's, of t2 our own"
    assert ErrorEvent.objects.filter(event_id=f"{1:032x}").count() == 1


def test_a_lost_attempt_and_a_parked_task_are_errors_of_their_own() -> None:
    tell(event("started"), event("lost", seconds=1, reason="signal(9)"))
    tell(event("parked", seconds=2, reason="signal(9)", bound=1))
    tell(event("parked", seconds=2, reason="signal(9)", bound=1))
    assert _issues() == {
        "TaskLost: shop.mail: its worker is gone: signal(9)": 1,
        "TaskParked: shop.mail: lost as often as it may be: 1": 1,
    }


def test_a_parked_task_is_an_error_of_the_worker_that_had_its_last_attempt() -> None:
    tell(event("started"), event("lost", seconds=1, reason="signal(9)"))
    tell(event("parked", seconds=2, reason="signal(9)", bound=1))
    assert len(_issues()) == 2
    parked = ErrorIssue.objects.get(type="TaskParked")
    assert parked.child == "shop/mail@1"
    assert set(issues_about("shop/mail@1", since=NOW.timestamp())) == {"SHOP-1", "SHOP-2"}
    tagged = issues_tagged(TASK_TAG, "t1", tree="shop")
    assert {issue.type for issue in tagged} == {"TaskLost", "TaskParked"}
    assert issues_tagged(TASK_TAG, "t1", tree="bank") == []


def test_a_task_that_succeeds_is_none() -> None:
    tell(event("started"), event("ended", seconds=1, state="done", reason="normal"))
    assert _issues() == {}


def test_each_failed_attempt_of_a_supervised_task_is_one_event() -> None:
    start("s1", restart="transient", intensity=9)
    for number in (1, 2):
        begun = begin_attempt(run_id="s1", publication=number, holder=HOLDER, pid=1, now=NOW)
        assert begun.run, begun.why
        ending = Ending(Outcome.FAILED, "exception(ValueError)", "not an address", TRACE)
        for _ in range(2):
            end_attempt(run_id="s1", epoch=begun.epoch, ending=ending, now=at(number))
    assert _issues() == {"ValueError: not an address": 2}
