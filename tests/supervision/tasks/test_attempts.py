"""Attempts of supervised tasks: one holder at a time, an epoch each, and every end once."""

import pytest

from supervision.tasks.attempts import Begun, Ended, Ending, begin_attempt, end_attempt
from supervision.tasks.exceptions import TaskError
from supervision.tasks.models import TaskAttempt, TaskRun
from supervision.tasks.operating import withdraw_run
from supervision.tasks.starting import DuplicateTaskError, Start, note_published, start_runs
from supervision.tasks.states import Outcome
from tests.supervision.tasks.told import HOLDER, NOW, OTHER, at, start

pytestmark = pytest.mark.django_db
DONE = Ending(Outcome.DONE, "normal", result={"n": 1})
RAISED = Ending(Outcome.FAILED, "exception(ValueError)", "no", "Traceback")


def begin(publication: int = 1, holder: str = HOLDER, seconds: float = 0, token: str = "") -> Begun:
    return begin_attempt(
        run_id="s1", publication=publication, holder=holder, pid=101, token=token, now=at(seconds)
    )


def end(epoch: int, ending: Ending = DONE, seconds: float = 1) -> Ended:
    return end_attempt(run_id="s1", epoch=epoch, ending=ending, now=at(seconds))


def the_run() -> TaskRun:
    return TaskRun.objects.get(pk="s1")


def test_a_started_task_has_its_row_before_it_is_published() -> None:
    start(args=[1])
    run = the_run()
    assert (run.state, run.publication, run.attempt, run.spec) == ("queued", 1, 0, {"args": [1]})
    assert run.due_at == at(20)  # whoever started it may die
    assert note_published(publications={"s1": 1}, now=at(1)) == 1
    assert (the_run().due_at, the_run().published_at) == (None, at(1))


def test_the_same_start_twice_is_one_task_and_another_one_is_refused() -> None:
    start(args=[1])
    start(args=[1])
    with pytest.raises(DuplicateTaskError):
        start(args=[2])
    assert TaskRun.objects.count() == 1


def test_a_task_without_a_supervisor_is_refused() -> None:
    with pytest.raises(TaskError, match="under a supervisor"):
        Start("a", "b", "c")


def test_an_attempt_is_begun_under_an_epoch_and_ended_once() -> None:
    start()
    assert begin() == Begun(True, 1, 1)
    assert (the_run().state, the_run().holder, the_run().tree) == ("running", HOLDER, "shop")
    assert end(1) == Ended(True, "done")
    assert (the_run().state, the_run().result) == ("done", {"n": 1})
    assert end(1).accepted  # asked again
    assert not end(1, RAISED).accepted  # but it did not end in two ways
    assert the_run().state == "done"


def test_the_same_question_again_begins_no_second_attempt() -> None:
    start()
    assert begin(token="a" * 32) == begin(token="a" * 32) == Begun(True, 1, 1)
    assert TaskAttempt.objects.count() == 1


def test_a_completion_with_a_stale_epoch_is_refused_and_recorded() -> None:
    start()
    begin()
    assert begin(holder=OTHER, seconds=5) == Begun(True, 2, 2)  # the message came again: the holder was lost
    late = end(1, seconds=6)
    assert (late.accepted, late.state) == (False, "running")
    assert "epoch 1 is over" in late.why
    assert end(2, seconds=7) == Ended(True, "done")
    outcomes = TaskAttempt.objects.order_by("number").values_list("outcome", flat=True)
    assert list(outcomes) == ["refused", "done"]
    assert not end(3).accepted


def test_what_raised_is_published_again_under_a_new_publication() -> None:
    start(backoff=None)
    begin()
    assert end(1, RAISED) == Ended(True, "retrying")
    run = the_run()
    assert (run.publication, run.due_at, run.reason) == (2, at(1), "exception(ValueError)")
    assert begin(1).why.startswith("superseded")
    assert begin(2, seconds=2) == Begun(True, 2, 2)


def test_it_is_parked_past_the_intensity_of_its_name_under_its_supervisor() -> None:
    start(backoff=None, intensity=2, period=5)
    for number in (1, 2):
        begin(number, seconds=number)
        assert end(number, RAISED, seconds=number).state == "retrying"
    begin(3, seconds=3)
    last = end(3, RAISED, seconds=3)
    assert (last.state, last.why) == ("parked", "restart 3 in 5 s, 2 are allowed")
    assert (the_run().reason, the_run().traceback) == ("exception(ValueError)", "Traceback")
    assert begin(3).why == "ended: the task is parked"


def test_a_poison_task_is_parked_when_it_was_lost_as_often_as_it_may() -> None:
    start(max_lost=3)
    for number in (1, 2, 3):
        assert begin(seconds=number).epoch == number
    assert not begin(seconds=4).run
    assert (the_run().state, the_run().lost) == ("parked", 3)


def test_what_was_revoked_before_it_began_never_begins() -> None:
    start()
    assert withdraw_run(run_id="s1", by="shop", now=NOW) == "revoked"
    assert begin().why == "ended: the task is revoked"


def test_what_is_revoked_while_it_runs_ends_as_revoked_however_it_ends() -> None:
    start()
    begin()
    assert withdraw_run(run_id="s1", by="shop", now=NOW) == "running"
    assert end(1, RAISED).state == "revoked"


def test_many_are_started_in_one_statement_or_none() -> None:
    starts = [Start(f"m{number}", "a.b", "app", "q", supervisor="s") for number in range(100)]
    assert len(start_runs(starts=starts, node_id="n1", now=NOW)) == 100
    with pytest.raises(DuplicateTaskError):
        start_runs(
            starts=[Start("new", "a.b", "app", supervisor="s"), Start("m1", "x", "app", supervisor="s")],
            node_id="n1",
            now=NOW,
        )
    assert not TaskRun.objects.filter(pk="new").exists()
