"""What the periodic jobs do; each twice, because a message may come twice."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.utils import timezone

from controlplane.operations import outside, ownmonitors, retention, tasks
from controlplane.operations.counting import bounded, count_restarts
from controlplane.operations.mailserver import MailServerError, mail_settings
from controlplane.operations.models import PeriodicJob, RestartCount
from controlplane.operations.nomail import NoMailBackend
from controlplane.operations.schedule import JOBS
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.errors.store import projects
from supervision.errors.store.digesting import digest
from supervision.errors.store.monitor_models import Monitor
from supervision.errors.store.retention import days_in_use
from supervision.fleet.models import Node
from supervision.journal.facts import Batch, Changes
from supervision.journal.handlers import Ingested
from supervision.journal.models import ObservedChild
from supervision.trees.models import Command, CommandState
from tests.support.http_sink import http_sink

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def node() -> Node:
    return Node.objects.create(
        id="a" * 32, name="alpha", joined_at=NOW, renewed_at=timezone.now(), state="up"
    )


@pytest.mark.parametrize("name", [job.name for job in JOBS])
def test_each_job_may_run_twice_and_says_when_it_ended(name: str, settings: Any) -> None:
    settings.HEARTBEAT_URL = None
    PeriodicJob.objects.create(name=name, next_at=NOW)
    for _ in range(2):
        getattr(tasks, name)()
    row = PeriodicJob.objects.get(name=name)
    assert row.ended_at is not None
    assert row.error == ""


def test_jobs_that_run_seldom_are_monitors_and_those_that_run_often_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks.expire_rows()
    tasks.deliver_alerts()
    monkeypatch.setattr(retention, "check_audit", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        tasks.verify_audit()
    digest(now=timezone.now())
    found = {monitor.slug: monitor for monitor in Monitor.objects.all()}
    assert {name: monitor.status for name, monitor in found.items()} == {
        "expire_rows": "ok",
        "verify_audit": "error",
    }
    assert found["expire_rows"].schedule == {"type": "interval", "value": 15, "unit": "minute"}
    assert found["verify_audit"].schedule == {"type": "interval", "value": 1, "unit": "day"}
    assert found["verify_audit"].project.tree == ""


def test_two_jobs_that_end_at_once_make_one_project(monkeypatch: pytest.MonkeyPatch) -> None:
    by_us = projects.create_project

    def made_twice(**fields: Any) -> Any:
        by_us(**fields)  # the other worker, between our look and our attempt
        return by_us(**fields)

    monkeypatch.setattr(ownmonitors, "create_project", made_twice)
    tasks.expire_rows()
    digest(now=timezone.now())
    assert Monitor.objects.get().slug == "expire_rows"


def test_a_job_that_fails_says_with_what(node: Node, settings: Any) -> None:
    settings.HEARTBEAT_URL = "http://127.0.0.1:1/"
    PeriodicJob.objects.create(name="ping_outside", next_at=NOW)
    with pytest.raises(OSError, match="refused"):
        tasks.ping_outside()
    assert "refused" in PeriodicJob.objects.get().error


def test_what_is_over_goes_and_what_is_not_stays(node: Node) -> None:
    for number, days in enumerate((-1, 1)):
        Session.objects.create(
            session_key=f"s{number}", session_data="", expire_date=NOW + dt.timedelta(days=days)
        )
    for days in (1, 60):
        Command.objects.create(
            verb="stop", node=node, actor_kind="user", actor_id="1", actor_name="ann", created_at=NOW, deadline_at=NOW,
            state=CommandState.DONE, finished_at=NOW - dt.timedelta(days=days),
        )  # fmt: skip
    gone = retention.expire(now=NOW)
    assert (gone["sessions"], gone["commands"]) == (1, 1)
    assert Session.objects.get().session_key == "s1"
    assert retention.expire(now=NOW)["sessions"] == 0


def test_the_audit_log_is_followed() -> None:
    for _ in range(3):
        auditlog.record(actor=Actor.system("test"), action="x")
    assert retention.check_audit() == 3


def test_the_outside_hears_of_us_only_while_a_node_is_current(node: Node, settings: Any) -> None:
    with http_sink() as sink:
        settings.HEARTBEAT_URL = sink.url + "/beat"
        Node.objects.update(renewed_at=timezone.now())
        assert outside.ping_if_current()
        Node.objects.update(renewed_at=timezone.now() - dt.timedelta(minutes=1))
        with pytest.raises(outside.NotCurrentError, match="60 s ago"):
            outside.ping_if_current()
        Node.objects.update(state="down")
        with pytest.raises(outside.NotCurrentError, match="no node"):
            outside.ping_if_current()
        assert [each.path for each in sink.received] == ["/beat"]


def step(event: list[Any], *supervisors: str) -> dict[str, Any]:
    reports: list[Any] = [["report", "restart", name, "api", None, {}] for name in supervisors]
    return {"k": "step", "seq": 1, "t": 1.0, "event": event, "actions": reports}


def test_restarts_are_counted_by_supervisor_and_kind_of_reason(node: Node) -> None:
    ObservedChild.objects.create(
        node=node, tree="b", key="b/api", child_id="api", state="running", last_exit_reason="oom", seq=1
    )
    records = [
        step(["exited", "a/api", 1, "exit(3)"], "a"),
        step(["exited", "a/api", 2, "exit(4)"], "a"),
        step(["exited", "a/api", 3, "signal(9)"], "a"),
        step(["tick", None], "b"),
        step(["tick", None]),
        {"k": "node", "seq": 1, "t": 1.0},
    ]
    for _ in range(2):
        count_restarts(Ingested(node, records, Batch(records, Changes())))
    counted = {(row.supervisor, row.reason): row.total for row in RestartCount.objects.all()}
    assert counted == {("a", "exit"): 4, ("a", "signal"): 2, ("b", "oom"): 2}


@pytest.mark.parametrize(
    ("reason", "word"),
    [("exit(1)", "exit"), ("oom", "oom"), (None, "unknown"), (["error", "x"], "other"), ("", "unknown")],
)
def test_a_reason_is_one_of_few(reason: object, word: str) -> None:
    assert bounded(reason) == word


def test_a_mail_server_is_named_by_one_url() -> None:
    made = mail_settings("smtp://me:p%40ss@mail.example:2525?from=o@example.com")
    assert (made["EMAIL_HOST"], made["EMAIL_PORT"], made["EMAIL_HOST_PASSWORD"]) == (
        "mail.example",
        2525,
        "p@ss",
    )
    assert (made["EMAIL_USE_TLS"], made["EMAIL_USE_SSL"]) == (True, False)
    made = mail_settings("smtps://mail.example?from=o@example.com")
    assert (made["EMAIL_PORT"], made["EMAIL_USE_TLS"], made["EMAIL_USE_SSL"]) == (465, False, True)


@pytest.mark.parametrize(
    "url", ["http://x?from=a@b", "smtp://", "smtp://u:secret@x", "smtp://u:secret@x?from=me"]
)
def test_a_mail_server_that_cannot_be_meant_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(MailServerError) as refused:
        mail_settings(url)
    assert "secret" not in str(refused.value)


def test_without_a_mail_server_a_message_fails_and_says_why() -> None:
    with pytest.raises(OSError, match="OVERSTORY_EMAIL_URL"):
        NoMailBackend().send_messages([mail.EmailMessage("x", "y", to=["a@example.com"])])


def test_the_hourly_job_makes_the_partitions_of_errors_too() -> None:
    PeriodicJob.objects.create(name="make_partitions", next_at=NOW)
    tasks.make_partitions()
    today = timezone.now().date()
    assert {today, today + dt.timedelta(days=1)} <= set(days_in_use())
