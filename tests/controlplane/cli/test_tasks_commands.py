"""`manage.py workers`, `queues` and `tasks`, on the control plane's own host and from another machine."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from controlplane.access.policy import Scope
from controlplane.cli import taskstore
from controlplane.cli.exits import ExitCode
from controlplane.cli.remote.http import Answer, Api
from supervision.auditlog.models import AuditEntry
from supervision.tasks.models import PoolScale, TaskRun, WorkerRequest
from supervision.tasks.workers import Report, answer_request, take_report
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db
HOLDER = "n1/shop/mail@1/3/100"
ANSWERS: Mapping[str, dict[str, Any]] = {
    "peek": {"messages": [{"id": "m1", "name": "shop.mail", "args": [1]}]},
    "purge": {"purged": 3},
}


@pytest.fixture(params=["here", "elsewhere"])
def run(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """A command's words, by the services or over REST; a worker answers what it is asked."""
    words: list[str] = []
    if request.param == "elsewhere":
        client = people.bearer(people.token(people.admin(), Scope.ADMIN))
        monkeypatch.setattr(Api, "request", lambda api, *given, **more: _ask(api, client, *given, **more))
        words = ["--url", "http://127.0.0.1:1", "--token", "t"]
    monkeypatch.setattr(taskstore, "ASK_AGAIN_S", 0.0)

    def run(command: str, *given: str, code: int = ExitCode.DONE) -> str:
        ended = ExitCode.DONE
        try:
            call_command(command, *given, *words)
        except SystemExit as end:
            ended = ExitCode(int(end.code or 0))
        said = capsys.readouterr()
        assert ended == code, said
        return said.out + said.err

    return run


def _ask(api: Api, client: Client, method: str, path: str, **given: Any) -> Answer:
    """The test's own client in the place of a connection."""
    query = {name: value for name, value in (given.get("query") or {}).items() if value is not None}
    options: dict[str, Any] = {"query_params": query}
    if given.get("body") is not None:
        options |= {"data": json.dumps(given["body"]), "content_type": "application/json"}
    options["headers"] = dict(given.get("headers") or {})
    answer = getattr(client, method.lower())(f"/api/v1/{path}", **options)
    if answer.status_code >= 400:
        raise api._error(answer.status_code, {}, answer.content)
    return Answer(answer.status_code, {}, answer.json())


@pytest.fixture(autouse=True)
def fleet() -> None:
    world.pool("shop")
    queues = {"mail": {"length": 41, "oldest_s": 75.0}}
    told = Report(HOLDER, worker="w", app="shop", concurrency=4, running=1, memory_bytes=2**28, queues=queues)
    take_report(report=told, now=timezone.now())
    now = timezone.now()
    common = {"name": "shop.mail", "queue": "mail", "tree": "shop", "supervisor": "s", "changed_at": now}
    TaskRun.objects.create(id="run-1", state="running", attempt=1, created_at=now, **common)
    for number in (1, 2):
        TaskRun.objects.create(
            id=f"dead-{number}",
            state="failed",
            reason="exception(ValueError)",
            created_at=now,
            ended_at=now,
            **common,
        )


def worker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it is asked."""
    asked = WorkerRequest.save

    def save(self: WorkerRequest, *args: Any, **kwargs: Any) -> None:
        asked(self, *args, **kwargs)
        if self.state == "pending":
            answer_request(request_id=str(self.pk), answer=ANSWERS[self.kind], now=timezone.now())

    monkeypatch.setattr(WorkerRequest, "save", save)


def test_workers_and_pools_are_listed(run: Callable[..., str]) -> None:
    listed = run("workers", "list")
    assert all(words in listed for words in ("shop/mail@1", "1/4", "256 MiB"))
    assert all(
        words in run("workers", "pools") for words in ("shop/mail", "1 of 1", "1-3", "by what waits", "41")
    )
    [pool] = json.loads(run("workers", "pools", "--json"))["pools"]
    assert (pool["key"], pool["wanted"], pool["waiting"]) == ("shop/mail", 1, 41)


def test_a_pool_is_scaled_drained_resumed_and_restarted(run: Callable[..., str]) -> None:
    assert "3 asked for" in run("workers", "scale", "shop/mail", "--workers", "3", "--reason", "sale")
    assert PoolScale.objects.get().by_hand == 3
    assert "by what waits" in run("workers", "scale", "shop/mail", "--workers", "auto")
    assert "rolling restart asked for" in run("workers", "restart", "shop/mail", "--reason", "new code")
    assert "needs_yes" in run("workers", "drain", "shop/mail", "--json", code=ExitCode.FAILED)
    assert PoolScale.objects.get().drained_at is None
    assert "drained" in run("workers", "drain", "shop/mail", "-y")
    run("workers", "resume", "shop/mail")
    reasons = (
        AuditEntry.objects.filter(action__startswith="pool.").order_by("seq").values_list("action", "reason")
    )
    assert list(reasons) == [
        ("pool.set_workers", "sale"), ("pool.set_workers", ""), ("pool.restart", "new code"), ("pool.drain", ""),
        ("pool.resume", ""),
    ]  # fmt: skip


def test_what_cannot_be_meant_of_a_pool_is_named(run: Callable[..., str]) -> None:
    assert "from 1 to 3 workers, not 9" in run(
        "workers", "scale", "shop/mail", "--workers", "9", code=ExitCode.FAILED
    )
    run("workers", "scale", "shop/mail", code=ExitCode.USAGE)
    run("workers", "scale", "shop/mail", "--workers", "many", code=ExitCode.USAGE)
    run("workers", "drain", "mail", "-y", code=ExitCode.USAGE)
    assert "no pool" in run("workers", "restart", "shop/web", code=ExitCode.NOT_FOUND)


def test_a_queue_is_looked_into_and_emptied(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    worker_answers(monkeypatch)
    assert "41" in run("queues", "list")
    assert "m1" in run("queues", "peek", "mail", "--limit", "5")
    assert WorkerRequest.objects.get().body == {"limit": 5}
    assert "about 41 messages" in run("queues", "purge", "mail", code=ExitCode.FAILED)
    assert "3 messages thrown away" in run("queues", "purge", "mail", "-y", "--reason", "spam")
    assert AuditEntry.objects.get(action="queue.purge").reason == "spam"
    run("queues", "peek", "none", code=ExitCode.NOT_FOUND)
    run("queues", "peek", "mail", "--limit", "0", code=ExitCode.USAGE)


def test_tasks_are_found_shown_revoked_and_run_again(run: Callable[..., str]) -> None:
    assert "run-1" in run("tasks", "list", "--state", "running")
    assert {one["id"] for one in json.loads(run("tasks", "dead", "--json"))["tasks"]} == {"dead-1", "dead-2"}
    assert "No such task" in run("tasks", "list", "--name", "other")
    assert "exception(ValueError)" in run("tasks", "show", "dead-1")
    assert "to be revoked" in run("tasks", "revoke", "run-1", "--reason", "wrong")
    assert "queued" in run("tasks", "retry", "dead-1")
    assert "only what failed or is parked" in run("tasks", "retry", "dead-1", code=ExitCode.FAILED)
    run("tasks", "replay", code=ExitCode.USAGE)
    assert "1 run again" in run("tasks", "replay", "--name", "shop.mail", "-y")
    assert "no such task" in run("tasks", "show", "nothing", code=ExitCode.NOT_FOUND)
