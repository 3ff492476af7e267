"""Workers and tasks: what is shown, to whom, and what the forms do."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from controlplane.access.policy import Role
from supervision.auditlog.models import AuditEntry
from supervision.tasks.models import TaskRun, WorkerRequest
from supervision.tasks.workers import Report, answer_request, take_report
from tests.support import people

pytestmark = pytest.mark.django_db
HOLDER = "n1/shop/mail@1/3/100"


def run(task: str, state: str = "running", **columns: Any) -> TaskRun:
    now = timezone.now()
    ended = now if state in ("done", "failed", "parked", "revoked") else None
    values = {
        "name": "shop.mail", "queue": "mail", "tree": "shop", "supervisor": "shop", "holder": HOLDER, "attempt": 1,
        "created_at": now - timedelta(seconds=9), "started_at": now - timedelta(seconds=5),
        "published_at": now - timedelta(seconds=7), "ended_at": ended, "changed_at": now, "run_s": 0.25,
    }  # fmt: skip
    return TaskRun.objects.create(id=task, state=state, **(values | columns))


def fleet() -> None:
    queues = {"mail": {"length": 41, "oldest_s": 75.0}}
    told = Report(HOLDER, worker="w", app="shop", pool="prefork", concurrency=4, running=1, queues=queues)
    take_report(report=told, now=timezone.now())
    run("run-1")
    run(
        "dead-1", "failed", reason="exception(ValueError)", message="no such order", traceback="Traceback ..."
    )
    run("park-1", "parked", reason="signal(9)")
    run("done-1", "done")


def olga() -> Any:
    return people.browser(people.user("olga", (Role.OPERATOR, "")))


def test_the_page_says_who_runs_what_and_what_waits() -> None:
    fleet()
    client = olga()
    page = client.get("/workers")
    text = page.content.decode()
    for words in ("shop/mail@1", "1 of 4", "41", "1m 15s", "run-1", "250 ms"):
        assert words in text
    assert (page.context["states"]["running"], page.context["dead"]) == (1, 2)
    assert [row["id"] for row in page.context["tasks"]] == ["run-1"]
    dead = client.get("/workers?state=dead&name=shop.mail")
    assert {row["id"] for row in dead.context["tasks"]} == {"dead-1", "park-1"}
    assert "no such order" in dead.content.decode()


def test_it_takes_as_many_statements_with_many_rows_as_with_few() -> None:
    fleet()
    client = olga()
    client.get("/workers")
    with CaptureQueriesContext(connection) as few:
        client.get("/workers?state=")
    for number in range(120):
        run(f"more-{number}", "done")
    with CaptureQueriesContext(connection) as many:
        page = client.get("/workers?state=")
    assert len(many) == len(few) <= 14
    assert len(page.context["tasks"]) == 50
    assert page.context["next_url"]


def test_an_empty_fleet_says_what_to_do() -> None:
    text = olga().get("/workers").content.decode()
    assert "supervise(app)" in text
    assert "No task is in this state." in text


def test_a_worker_that_told_nothing_lately_is_not_shown_as_running() -> None:
    told = Report(HOLDER, app="shop", queues={"mail": {"length": 3}})
    take_report(report=told, now=timezone.now() - timedelta(seconds=60))
    page = olga().get("/workers")
    assert [worker["state"] for worker in page.context["workers"]] == ["lost"]
    assert page.context["queues"][0]["old"]


def test_a_task_has_its_attempts_and_its_end() -> None:
    fleet()
    client = olga()
    text = client.get("/workers/task/dead-1").content.decode()
    assert "exception(ValueError)" in text
    assert "no such order" in text
    assert client.get("/workers/task/none").status_code == 404


def test_a_viewer_of_another_tree_sees_nothing_of_it() -> None:
    fleet()
    client = people.browser(people.user("bo", (Role.VIEWER, "bank")))
    page = client.get("/workers?state=")
    assert page.context["tasks"] == []
    assert page.context["workers"] == []
    assert client.get("/workers/task/run-1").status_code == 404


def test_revoking_and_replaying_from_the_page() -> None:
    fleet()
    client = olga()
    assert "is killed" in client.get("/workers/act/revoke?id=run-1").content.decode()
    answer = client.post("/workers/act/revoke", {"id": "run-1", "reason": "wrong"})
    assert (answer.status_code, answer["Location"]) == (303, "/workers/task/run-1")
    assert TaskRun.objects.get(pk="run-1").revoke_requested_at is not None
    assert client.post("/workers/act/replay", {"id": "dead-1"}).status_code == 303
    assert client.post("/workers/act/replay", {"id": "dead-1"}).status_code == 409
    assert client.post("/workers/act/replay-all", {"name": "shop.mail"}).status_code == 303
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "task.revoke", "task.replay", "task.replay_all",
    }  # fmt: skip


def test_looking_into_a_queue_and_emptying_it() -> None:
    fleet()
    client = olga()
    answer = client.post("/workers/act/peek", {"app": "shop", "queue": "mail"})
    asked = WorkerRequest.objects.get()
    assert answer["Location"] == f"/workers/queue/{asked.pk}"
    assert "answers within" in client.get(answer["Location"]).content.decode()
    message = {"id": "m1", "name": "shop.mail", "args": "(7,)", "kwargs": "{}", "age_s": 3.5, "retries": 0}
    answer_request(request_id=str(asked.pk), answer={"messages": [message]}, now=timezone.now())
    assert "(7,)" in client.get(answer["Location"]).content.decode()
    assert client.post("/workers/act/purge", {"app": "shop", "queue": "mail"}).status_code == 403
    ada = people.browser(people.admin())
    assert "About 41 messages" in ada.get("/workers/act/purge?app=shop&queue=mail").content.decode()
    asked_for = ada.post("/workers/act/purge", {"app": "shop", "queue": "mail", "reason": "flood"})
    answer_request(
        request_id=asked_for["Location"].rpartition("/")[2], answer={"purged": 41}, now=timezone.now()
    )
    assert "41 messages were thrown away" in ada.get(asked_for["Location"]).content.decode()
