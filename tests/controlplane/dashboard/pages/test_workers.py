"""Workers and tasks: what is shown, to whom, and what the forms do."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from controlplane.access.policy import Role
from supervision.auditlog.models import AuditEntry
from supervision.health.models import HealthCheck
from supervision.tasks.models import PoolScale, TaskRun, TaskWorker, WorkerRequest
from supervision.tasks.workers import Report, answer_request, take_report
from supervision.trees.services import apply_tree
from tests.controlplane.dashboard.facts import make_child, make_node
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
    assert [row["waits_long"] for row in page.context["queues"]] == [True]  # for a minute and a quarter
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
    assert len(many) == len(few) <= 20
    assert len(page.context["tasks"]) == 50
    assert page.context["next_url"]


def test_tasks_are_filtered_as_other_lists_are() -> None:
    fleet()
    client = olga()

    def found(query: str) -> set[str]:
        return {row["id"] for row in client.get(f"/workers?{query}").context["tasks"]}

    assert found("q=state:failed,parked") == {"dead-1", "park-1"}, "of every state, when a filter is asked"
    assert found("q=reason:~valueerror&state=dead") == {"dead-1"}
    assert found("q=-state:done name:shop.mail age:<1h") == {"run-1", "dead-1", "park-1"}
    assert found("q=order") == {"dead-1"}
    wrong = client.get("/workers?q=state:blue")
    assert wrong.context["q_error"]["at"] == 6
    assert b"at character 7" in wrong.content


def test_an_empty_fleet_says_what_to_do() -> None:
    text = olga().get("/workers").content.decode()
    assert "supervise(app)" in text
    assert "No task is in this state." in text


def test_a_worker_that_told_nothing_lately_is_lost_and_one_whose_child_is_gone_is_not_shown() -> None:
    node = make_node()
    make_child(node, "shop/mail@1")
    for number in (1, 2):
        told = Report(f"{node.pk}/shop/mail@{number}/3/100", app="shop", queues={"mail": {"length": 3}})
        take_report(report=told, now=timezone.now() - timedelta(seconds=60))
    page = olga().get("/workers")
    assert [(worker["key"], worker["state"]) for worker in page.context["workers"]] == [
        ("shop/mail@1", "lost")
    ]
    assert page.context["queues"][0]["old"]


def test_a_worker_that_is_stuck_says_so_here_and_on_its_own_page() -> None:
    now, node = timezone.now(), make_node()
    make_child(node, "shop/mail@1", incarnation=3, position=1)
    take_report(report=Report(HOLDER, worker="w", app="shop", queues={"mail": {"length": 4}}), now=now)
    HealthCheck.objects.create(
        node=node, key="shop/mail@1", tree="shop", incarnation=3, name="takes", kind="consumes", state="unresponsive",
        since=now, checked_at=now, detail="takes nothing, last said 9.0 s ago that it consumes", interval_s=60, timeout_s=5,
        on_unhealthy="none",
    )  # fmt: skip
    client = olga()
    [worker] = client.get("/workers").context["workers"]
    assert (worker["state"], worker["stalled"]) == (
        "failed",
        "takes nothing, last said 9.0 s ago that it consumes",
    )
    assert "last said 9.0 s ago" in client.get("/process/shop/mail@1").content.decode()
    TaskWorker.objects.update(consumes=False, stalled_queue="mail")
    told = "connected, takes nothing from mail"
    text = client.get("/workers").content.decode()
    assert told in text
    assert "stuck" in text
    assert told in client.get("/process/shop/mail@1").content.decode()


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


def pool() -> None:
    scale = {"min": 1, "max": 4, "queue_length": 10}
    worker = {"app": "shop", "queues": ["mail"], "scale": scale, "recycle": {"memory": "512MiB", "age": "1d"}}
    document = {
        "version": 1,
        "tree": "shop",
        "supervisor": {"children": [{"id": "mail", "celery_worker": worker}]},
    }
    apply_tree(document=document, message="first", actor=people.SOMEBODY)


def test_a_pool_says_what_is_wanted_who_decides_and_who_is_being_replaced() -> None:
    fleet()
    pool()
    recycling = {"now": {"key": "shop/mail@1", "node": "n1", "incarnation": 3, "why": "memory: 600 MiB"}}
    PoolScale.objects.create(
        tree="shop", path="mail", workers=2, changed_at=timezone.now(), recycling=recycling
    )
    page = olga().get("/workers")
    text = page.content.decode()
    for words in (
        "1 of 2",
        "by what waits",
        "1 to 4",
        "512 MiB, 1d",
        "shop/mail@1 is recycled: memory: 600 MiB",
    ):
        assert words in text
    assert [one["recycling"] for one in page.context["workers"]] == ["memory: 600 MiB"]
    assert [action["label"] for action in page.context["pools"][0]["actions"]] == [
        "Scale", "Rolling restart", "Drain",
    ]  # fmt: skip


def test_a_pool_is_scaled_drained_resumed_and_restarted_from_the_page() -> None:
    fleet()
    pool()
    client, which = olga(), {"tree": "shop", "path": "mail"}
    assert "1 to 4" in client.get("/workers/act/scale-pool?tree=shop&path=mail").content.decode()
    assert client.post("/workers/act/scale-pool", {**which, "workers": "3"}).status_code == 303
    assert PoolScale.objects.get().by_hand == 3
    for wrong in ("9", "many"):
        refused = client.post("/workers/act/scale-pool", {**which, "workers": wrong})
        assert (refused.status_code, wrong in refused.content.decode()) == (409, True)
    assert client.post("/workers/act/scale-pool", {**which, "workers": ""}).status_code == 303
    assert PoolScale.objects.get().by_hand is None
    for verb in ("restart-pool", "drain-pool", "resume-pool"):
        assert client.get(f"/workers/act/{verb}?tree=shop&path=mail").status_code == 200
        assert client.post(f"/workers/act/{verb}", which).status_code == 303
    assert client.post("/workers/act/drain-pool", {"tree": "shop", "path": "none"}).status_code == 404
    actions = AuditEntry.objects.filter(action__startswith="pool.").values_list("action", flat=True)
    assert set(actions) == {"pool.set_workers", "pool.restart", "pool.drain", "pool.resume"}


def test_who_may_only_look_orders_nothing_of_a_pool() -> None:
    pool()
    viewer = people.browser(people.user("vi", (Role.VIEWER, "shop")))
    other = people.browser(people.user("bo", (Role.OPERATOR, "bank")))
    assert viewer.get("/workers").context["pools"][0]["actions"] == []
    for verb in ("scale-pool", "restart-pool", "drain-pool", "resume-pool"):
        assert viewer.post(f"/workers/act/{verb}", {"tree": "shop", "path": "mail"}).status_code == 403
        assert other.post(f"/workers/act/{verb}", {"tree": "shop", "path": "mail"}).status_code == 404
    assert not PoolScale.objects.exists()


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
