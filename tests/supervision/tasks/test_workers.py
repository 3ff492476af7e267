"""What workers tell of themselves, and what they are given to do."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.tasks import operating, retention, selectors
from supervision.tasks.attempts import Ending, begin_attempt, end_attempt
from supervision.tasks.exceptions import TaskStateError
from supervision.tasks.holders import read_holder
from supervision.tasks.models import TaskQueue, TaskRun, TaskWorker, WorkerRequest
from supervision.tasks.starting import note_published
from supervision.tasks.states import Outcome
from supervision.tasks.workers import Errands, Report, answer_request, expire_requests, take_report
from tests.supervision.tasks.told import HOLDER, NOW, OTHER, at, event, start, tell

pytestmark = pytest.mark.django_db
APP = "shop.celery:app"
ANNA = Actor.system("anna")


def report(seconds: float = 0, holder: str = HOLDER, **fields: Any) -> Errands:
    queues = {"mail": {"length": 7, "oldest_s": 1.5}}
    told = Report(**{"holder": holder, "app": APP, "pool": "prefork", "queues": queues, **fields})
    return take_report(report=told, now=at(seconds))


def test_a_report_becomes_a_worker_and_its_queues() -> None:
    report(worker="mail@host", running=2)
    report(1, worker="mail@host", running=1)
    worker = TaskWorker.objects.get()
    assert (worker.key, worker.incarnation, worker.running, worker.started_at) == ("shop/mail@1", 3, 1, NOW)
    queue = TaskQueue.objects.get()
    assert (queue.name, queue.length, queue.oldest_s, queue.seen_at) == ("mail", 7, 1.5, at(1))


def test_what_names_no_holder_is_nobody() -> None:
    assert report(holder="me") == Errands()
    assert [read_holder(text) for text in ("", "a", "n/1/2", "n//1/2", "n/k/x/2", "n/k/1/2" + "0" * 30)] == [
        None
    ] * 6


def test_what_was_not_published_in_time_is_given_to_one_worker_at_a_time() -> None:
    start()
    assert report(19).publish == []
    [message] = report(21).publish
    assert (message["id"], message["publication"], message["queue"]) == ("s1", 2, "mail")
    assert report(22, holder=OTHER).publish == []
    assert [one["publication"] for one in report(40, holder=OTHER).publish] == [
        3
    ]  # the first one died with it
    note_published(publications={"s1": 2}, now=at(41))
    assert TaskRun.objects.get().due_at is not None  # somebody else's publication
    note_published(publications={"s1": 3}, now=at(41))
    assert report(99).publish == []


def test_a_wait_before_a_retry_is_kept_in_the_row_and_not_in_the_broker() -> None:
    start(backoff={"initial": 10.0, "factor": 2.0, "cap": 60.0, "jitter": 0.0, "reset_after": 60.0})
    begin_attempt(run_id="s1", publication=1, holder=HOLDER, pid=1, now=NOW)
    end_attempt(run_id="s1", epoch=1, ending=Ending(Outcome.FAILED, "exception(E)"), now=at(1))
    assert report(10).publish == []
    assert [one["publication"] for one in report(12).publish] == [3]


def test_a_task_that_the_broker_lost_is_published_again() -> None:
    start()
    note_published(publications={"s1": 1}, now=NOW)
    empty = {"mail": {"length": 0, "oldest_s": None}}
    assert report(70, queues=empty, unacked=1).publish == []  # somebody may hold it
    assert report(70, unacked=0).publish == []  # it may wait in the queue
    assert [one["id"] for one in report(70, queues=empty, unacked=0).publish] == ["s1"]


def test_a_revoked_task_is_told_to_the_worker_that_runs_it_until_it_ended() -> None:
    start()
    begin_attempt(run_id="s1", publication=1, holder=HOLDER, pid=101, now=NOW)
    operating.revoke_run(run_id="s1", actor=ANNA, reason="wrong order", now=NOW)
    assert report().revoked == [{"id": "s1", "epoch": 1, "pid": 101, "supervised": True, "kill": True}]
    assert report(holder=OTHER).revoked == []
    tell(event("ended", task="s1", state="failed", reason="signal(9)", publication=1))
    assert report().revoked == []
    assert TaskRun.objects.get().state == "revoked"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.reason) == ("task.revoke", "s1", "wrong order")
    with pytest.raises(TaskStateError):
        operating.revoke_run(run_id="s1", actor=ANNA, reason="", now=NOW)


def test_a_dead_letter_is_replayed_under_the_same_id() -> None:
    start(restart="temporary")
    begin_attempt(run_id="s1", publication=1, holder=HOLDER, pid=101, now=NOW)
    end_attempt(run_id="s1", epoch=1, ending=Ending(Outcome.FAILED, "exception(E)", traceback="T"), now=NOW)
    assert [run.pk for run in selectors.runs(trees=None, state="dead")] == ["s1"]
    operating.replay_run(run_id="s1", actor=ANNA, reason="", now=at(5))
    assert (TaskRun.objects.get().state, TaskRun.objects.get().replays) == ("queued", 1)
    [message] = report(6).publish
    assert (
        begin_attempt(
            run_id="s1", publication=message["publication"], holder=HOLDER, pid=1, now=at(7)
        ).attempt
        == 2
    )
    with pytest.raises(TaskStateError):
        operating.replay_run(run_id="s1", actor=ANNA, reason="", now=at(8))


def test_a_plain_task_that_failed_cannot_be_replayed_and_a_parked_one_is_asked_for() -> None:
    tell(event("ended", task="f", state="failed"), event("parked", task="p", reason="signal(9)"))
    TaskRun.objects.update(app=APP)
    with pytest.raises(TaskStateError, match="not kept"):
        operating.replay_run(run_id="f", actor=ANNA, reason="", now=NOW)
    assert operating.replay_runs(name="shop.mail", queue="", actor=ANNA, reason="", now=NOW) == 1
    [asked] = report(1).requests
    assert (asked["kind"], asked["body"]) == ("return", {"id": "p"})


def test_a_request_is_taken_by_one_worker_and_answered_once() -> None:
    made = operating.request_peek(app=APP, queue="mail", limit=5, actor=ANNA, now=NOW)
    assert [one["request"] for one in report().requests] == [str(made.pk)]
    assert report(holder=OTHER).requests == []
    assert answer_request(request_id=str(made.pk), answer={"messages": []}, now=at(1))
    assert not answer_request(request_id=str(made.pk), answer={"error": "late"}, now=at(2))
    assert selectors.get_request(made.pk).state == "done"


def test_a_request_that_nobody_answers_fails_in_words() -> None:
    made = operating.request_purge(app=APP, queue="mail", actor=ANNA, reason="flood", now=NOW)
    assert expire_requests(now=at(14)) == 0
    assert expire_requests(now=at(15)) == 1
    answered = WorkerRequest.objects.get(pk=made.pk)
    assert answered.state == "failed"
    assert "no worker" in str(answered.answer)
    assert AuditEntry.objects.get().action == "queue.purge"


def test_a_purged_task_with_a_row_is_revoked() -> None:
    start()
    assert operating.note_purged(run_ids=["s1", "unknown"], now=NOW) == 1
    assert TaskRun.objects.get().state == "revoked"


def test_latencies_are_of_rows_by_name() -> None:
    for number in range(1, 101):
        tell(
            event("started", task=str(number)),
            event("ended", task=str(number), state="done", run_s=number / 100),
        )
    [row] = selectors.latencies(trees=None, since=at(-10))
    assert (row.name, row.count, row.failed) == ("shop.mail", 100, 0)
    assert row.ran == pytest.approx((0.505, 0.9505, 0.9901))
    assert row.waited == pytest.approx((1.0, 1.0, 1.0))
    assert selectors.latencies(trees=["other"], since=at(-10)) == []


def test_the_pages_reads_cost_one_statement_each() -> None:
    tell(event("started"))
    with CaptureQueriesContext(connection) as captured:
        selectors.count_states(trees=None, since=at(-10))
        selectors.latencies(trees=["shop"], since=at(-10))
        list(selectors.runs(trees=["shop"], state="running")[:10])
        list(selectors.workers(trees=None)[:10])
        list(selectors.queues()[:10])
    assert len(captured) == 5


def test_what_ended_long_ago_goes_and_dead_letters_stay_longer() -> None:
    tell(
        event("ended", task="a", state="done"),
        event("ended", task="b", state="failed"),
        event("started", task="c"),
    )
    report()
    assert retention.drop_old(at(8 * 86400)) == 1
    assert sorted(TaskRun.objects.values_list("pk", flat=True)) == ["b", "c"]
    assert not TaskWorker.objects.exists()
    assert retention.drop_old(at(31 * 86400)) == 2
