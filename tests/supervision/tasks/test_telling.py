"""Rows from what workers tell: each task ends once, whatever order it is told in, however often."""

import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from supervision.tasks.attempts import Ending, begin_attempt, end_attempt
from supervision.tasks.models import TaskAttempt, TaskRun
from supervision.tasks.states import Outcome
from tests.supervision.tasks.told import HOLDER, NOW, OTHER, at, event, start, tell

pytestmark = pytest.mark.django_db


def the_run(task: str = "t1") -> TaskRun:
    return TaskRun.objects.get(pk=task)


def test_a_task_that_ran_has_a_row_with_its_times() -> None:
    tell(event("started"))
    assert (the_run().state, the_run().holder, the_run().tree) == ("running", HOLDER, "shop")
    tell(event("ended", seconds=2, state="done", reason="normal", run_s=1.9))
    run = the_run()
    assert (run.state, run.run_s, run.ended_at, run.attempt) == ("done", 1.9, at(2), 1)
    assert run.published_at == at(-1)
    attempt = TaskAttempt.objects.get()
    assert (attempt.outcome, attempt.holder, attempt.run_s) == ("done", HOLDER, 1.9)


def test_a_failed_task_keeps_its_reason_and_traceback() -> None:
    words: dict[str, Any] = {"reason": "exception(ValueError)", "message": "no", "traceback": "Traceback..."}
    tell(event("started"), event("ended", state="failed", **words))
    run = the_run()
    assert (run.state, run.reason, run.message, run.traceback) == ("failed", *words.values())


def test_a_lost_attempt_is_followed_by_the_next_and_the_task_ends_once() -> None:
    tell(event("started"), event("lost", seconds=1, reason="signal(9)"))
    assert the_run().state == "retrying"
    tell(event("returned", seconds=1, attempt=2))
    assert the_run().state == "queued"
    tell(event("started", seconds=2, attempt=2, lost=1, holder=OTHER))
    assert (the_run().state, the_run().holder, the_run().lost) == ("running", OTHER, 1)
    tell(event("ended", seconds=3, attempt=2, lost=1, holder=OTHER, state="done"))
    outcomes = TaskAttempt.objects.order_by("number").values_list("outcome", "reason")
    assert list(outcomes) == [("lost", "signal(9)"), ("done", "")]
    assert the_run().state == "done"


STORY = [
    event("started"),
    event("lost", seconds=1, reason="signal(9)"),
    event("started", seconds=2, attempt=2, lost=1, holder=OTHER),
    event("ended", seconds=3, attempt=2, lost=1, holder=OTHER, state="done", reason="normal"),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_in_which_nodes_tell_makes_no_difference(order: tuple[int, ...]) -> None:
    for index in order:
        tell(STORY[index])
        tell(STORY[index])  # told twice
    run = the_run()
    assert (run.state, run.attempt, run.holder, run.ended_at) == ("done", 2, OTHER, at(3))
    assert [each.outcome for each in run.attempts.order_by("number")] == ["lost", "done"]


def test_the_first_end_counts() -> None:
    tell(
        event("ended", state="done"), event("ended", seconds=5, state="failed", reason="exception(KeyError)")
    )
    assert (the_run().state, the_run().ended_at) == ("done", NOW)


def test_parked_is_an_end_with_its_reason() -> None:
    tell(event("started", attempt=5, lost=4), event("lost", attempt=5, lost=4, reason="signal(9)"))
    tell(event("parked", attempt=5, reason="signal(9)", bound=5))
    assert (the_run().state, the_run().reason, the_run().lost) == ("parked", "signal(9)", 5)


@pytest.mark.parametrize(
    "body",
    [
        {"id": ""}, {"id": 7}, {"attempt": "x"}, {"at": "now"}, {"at": 1e300}, {"holder": "nobody"}, {"pid": -1},
        {"name": "a\0b" * 200}, {"queue": None}, {"attempt": 10**30},
    ],
)  # fmt: skip
def test_what_a_program_says_wrongly_stops_nothing(body: dict[str, Any]) -> None:
    tell(
        event("started", **body), event("ended", **({"state": "done"} | body)), event("started", task="good")
    )
    assert the_run("good").state == "running"


def test_a_batch_costs_a_bounded_number_of_statements() -> None:
    def cost(tasks: int) -> int:
        told = [
            one
            for number in range(tasks)
            for one in (
                event("started", task=f"{tasks}-{number}"),
                event("ended", task=f"{tasks}-{number}", state="done"),
            )
        ]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            tell(*told)
        return len(captured)

    assert cost(10) == cost(200)
    assert cost(200) <= 7  # two of them write rows


def test_tasks_that_are_new_and_tasks_that_are_known_come_in_one_batch() -> None:
    tell(event("started", task="old"))
    tell(
        event("ended", task="old", seconds=1, state="done"),
        event(
            "ended",
            task="new",
            seconds=1,
            state="failed",
            reason="exception(ValueError)",
            traceback="\x00\ud800é",
        ),
        event("lost", task="half", reason="signal(9)"),
        event("started", task="old", attempt=1),
        event("returned", task="half", attempt=2),
        event("settled", task="nobody's", outcome="done", epoch=1),
    )
    rows = TaskRun.objects.order_by("pk").values_list("pk", "state", "attempt", "lost", "reason")
    assert list(rows) == [
        ("half", "queued", 1, 1, ""),
        ("new", "failed", 1, 0, "exception(ValueError)"),
        ("old", "done", 1, 0, ""),
    ]
    assert the_run("new").traceback == "\ufffd\ufffdé"
    attempts = TaskAttempt.objects.order_by("run_id").values_list("run_id", "number", "outcome")
    assert list(attempts) == [("half", 1, "lost"), ("new", 1, "failed"), ("old", 1, "done")]


def test_a_row_written_at_once_is_the_row_that_is_written_step_by_step() -> None:
    for task, together in (("a", True), ("b", False)):
        told = [
            event("started", task=task, redelivered=False, parent_id="p", app="shop"),
            event("retried", task=task, seconds=1, reason="exception(OSError)", message="later"),
            event("started", task=task, seconds=2, attempt=2),
            event(
                "ended",
                task=task,
                seconds=3,
                attempt=2,
                state="failed",
                reason="timeout",
                message="over",
                run_s=1.0,
            ),
        ]
        for batch in [told] if together else [[one] for one in told]:
            tell(*batch)
    assert everything_of("a") == everything_of("b")
    assert len(everything_of("a")[1]) == 2


def everything_of(task: str) -> tuple[dict[str, Any], list[Any]]:
    row = {**TaskRun.objects.filter(pk=task).values().get(), "id": ""}
    return row, list(TaskAttempt.objects.filter(run_id=task).values_list(*COMPARED))


COMPARED = (
    "number",
    "name",
    "holder",
    "pid",
    "outcome",
    "reason",
    "message",
    "started_at",
    "ended_at",
    "run_s",
    "token",
)


def test_an_event_about_a_supervised_task_counts_only_for_the_attempt_that_it_speaks_of() -> None:
    start(restart="temporary")
    begin_attempt(run_id="s1", publication=1, holder=HOLDER, pid=101, now=NOW)
    tell(event("ended", task="s1", state="failed", reason="timeout", publication=0))
    tell(event("ended", task="s1", state="failed", reason="timeout", publication=1, pid=999))
    tell(event("lost", task="s1", publication=1, holder=OTHER))
    assert the_run("s1").state == "running"
    tell(event("ended", task="s1", state="failed", reason="timeout", publication=1))
    assert (the_run("s1").state, the_run("s1").reason) == ("failed", "timeout")


def test_a_supervised_task_whose_worker_died_waits_for_its_message() -> None:
    start()
    begin_attempt(run_id="s1", publication=1, holder=HOLDER, pid=101, now=NOW)
    tell(event("lost", task="s1", publication=1, reason="signal(9)"))
    run = the_run("s1")
    assert (run.state, run.lost, run.publication, run.due_at) == ("retrying", 1, 1, at(30))
    again = begin_attempt(run_id="s1", publication=1, holder=OTHER, pid=7, now=at(1))
    assert (again.run, again.attempt, again.epoch) == (True, 2, 2)


def test_a_worker_that_knows_no_publications_is_understood_by_the_time_it_began() -> None:
    start(backoff=None)
    begin_attempt(run_id="s1", publication=1, holder=HOLDER, pid=101, now=NOW)
    end_attempt(run_id="s1", epoch=1, ending=Ending(Outcome.FAILED, "exception(E)"), now=at(2))
    begin_attempt(run_id="s1", publication=2, holder=HOLDER, pid=101, now=at(3))
    late = {"task": "s1", "state": "failed", "reason": "exception(E)"}
    tell(event("ended", seconds=2.1, started_at=at(0.1).timestamp(), **late))
    assert the_run("s1").state == "running"
    tell(event("ended", seconds=5, started_at=at(2.9).timestamp(), **(late | {"reason": "timeout"})))
    assert (the_run("s1").state, the_run("s1").reason) == ("retrying", "timeout")
