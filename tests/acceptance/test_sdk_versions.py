"""Real Sentry SDKs of both generations, unmodified, against a real web process: what is seen of each kind of failure."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIntake, ErrorIssue, ErrorKey, ErrorProject
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.release_models import ErrorReleaseHour
from tests.support.database import TestStores
from tests.support.intake_server import IntakeServer, intake_server
from tests.support.sdk_versions import PINS, PROGRAMS, sdk_python
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(
    stores: TestStores, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IntakeServer]:
    with intake_server(stores, tmp_path_factory.mktemp("web")) as running:
        yield running


def broker_of(url: str) -> str:
    """Kombu's spelling of a socket's URL."""
    return url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")


class Program:
    """Runs programs with one SDK; they report to a project of their own."""

    def __init__(self, version: str, server: IntakeServer, cwd: Path) -> None:
        self.python, self.cwd = sdk_python(version), cwd
        self.project = ErrorProject.objects.create(slug=f"p{uuid.uuid4().hex[:12]}", name="P")
        key = ErrorKey.objects.create(project=self.project, public_key=uuid.uuid4().hex)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(PROGRAMS), "QUEUE": self.project.slug,
            "BROKER_URL": broker_of(server.environment["REDIS_URL"]),
            "SENTRY_DSN": f"http://{key.public_key}@127.0.0.1:{server.port}/{self.project.pk}",
        }  # fmt: skip

    def run(self, name: str, *words: str) -> None:
        """To its end, which is not asked how it was."""
        self.start(str(PROGRAMS / name), *words).wait(120)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        with (self.cwd / "output").open("ab") as output:
            return subprocess.Popen(
                [str(self.python), *words], env=self.environment, cwd=self.cwd,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def digested(self) -> list[ErrorIssue]:
        """The project's issues, of what it accepted until now."""
        while digest(now=timezone.now()):
            pass
        assert not ErrorIntake.objects.exists(), "something could not be digested"
        return list(ErrorIssue.objects.filter(project=self.project).select_related("stat").order_by("number"))


@pytest.fixture(params=sorted(PINS))
def program(request: pytest.FixtureRequest, server: IntakeServer, tmp_path: Path) -> Program:
    return Program(request.param, server, tmp_path)


def body_of(issue: ErrorIssue) -> Any:
    row = ErrorEvent.objects.filter(issue_id=issue.pk).order_by("id").first()
    assert row is not None
    return unpacked(row.data)


def test_chained_causes_of_a_script_are_one_issue_whatever_the_order_is(program: Program) -> None:
    for order in (7, 8):
        program.run("script.py", "chained", str(order))
    [issue] = program.digested()
    assert (issue.title, issue.stat.count) == ("ValueError: cannot pay order 7", 2)
    assert (issue.first_release, issue.stat.last_environment) == ("shop@1.2", "staging")
    values = body_of(issue)["exception"]["values"]
    assert [value["type"] for value in values] == ["KeyError", "ValueError"]
    assert values[-1]["stacktrace"]["frames"][-1]["function"] == "pay"


def test_an_exception_group_keeps_its_members(program: Program) -> None:
    program.run("script.py", "grouped")
    [issue] = program.digested()
    values = body_of(issue)["exception"]["values"]
    assert {"ExceptionGroup", "KeyError", "ValueError"} == {value["type"] for value in values}
    assert any(value["mechanism"].get("is_exception_group") for value in values)


def test_each_thread_and_each_asyncio_task_that_fails_is_counted(program: Program) -> None:
    program.run("script.py", "threads")
    program.run("script.py", "tasks")
    issues = program.digested()
    assert sorted(issue.stat.count for issue in issues) == [1, 3]
    assert {issue.type for issue in issues} == {"KeyError"}


def test_log_messages_are_one_by_template_and_a_logged_exception_is_that_exception(program: Program) -> None:
    program.run("script.py", "logs")
    late, gone = program.digested()
    assert (late.title, late.stat.count) == ("order 7 is late", 2)
    assert (gone.type, gone.stat.count) == ("KeyError", 1)
    crumbs = body_of(gone)["breadcrumbs"]["values"]
    assert "a breadcrumb" in [crumb.get("message") for crumb in crumbs]


def test_a_request_of_django_names_its_view_and_none_of_its_secrets(program: Program) -> None:
    program.run("shopsite.py")
    [issue] = program.digested()
    assert issue.title == "RuntimeError: order 7 cannot be paid"
    body = body_of(issue)
    assert "checkout" in body["transaction"]
    assert body["request"]["url"].endswith("/checkout/7")
    for secret in ("hunter2", "abcdef0123456789", "Bearer abcdef"):
        assert secret not in str(body)
    runs = ErrorReleaseHour.objects.get(project=program.project)
    assert (runs.release, runs.sessions, runs.errored) == ("shop@1.2", 1, 1)


def test_a_failed_task_of_celery_is_an_issue_and_an_entry_of_its_beat_a_monitor(program: Program) -> None:
    celery = ("-m", "celery", "-A", "queue_app")
    worker = program.start(*celery, "worker", "-c", "1", "--without-mingle", "--without-gossip")
    beat = program.start(
        *celery, "beat", "-S", "queue_app:Overdue", "-s", str(program.cwd / "schedule"), "--pidfile="
    )
    try:
        program.run("queue_app.py")
        kinds = ErrorIntake.objects.filter(project=program.project)
        wait_for(
            lambda: kinds.filter(kind="event").count() >= 1 and kinds.filter(kind="check_in").count() >= 2,
            timeout=120,
            what="an event and two check-ins",
        )
    finally:
        for process in (beat, worker):
            process.send_signal(signal.SIGTERM)
        for process in (beat, worker):
            process.wait(60)
    [issue] = program.digested()
    assert (issue.title, issue.stat.count) == ("LookupError: order 7 has no address", 1)
    assert body_of(issue)["transaction"] == "queue_app.ship"
    monitor = Monitor.objects.get(project=program.project)
    assert (monitor.slug, monitor.status) == ("nightly", "ok")
    assert monitor.schedule == {"type": "interval", "value": 1, "unit": "minute"}
    assert CheckIn.objects.get(monitor=monitor).status == "ok"
