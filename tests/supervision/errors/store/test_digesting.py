"""From reports to issues, on a real database."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connections

from supervision.errors.store.bodies import packed, unpacked
from supervision.errors.store.digesting import digest, waiting
from supervision.errors.store.models import (
    CheckIn,
    ErrorActivity,
    ErrorDiscard,
    ErrorEvent,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHour,
    ErrorProject,
    ErrorRule,
    ErrorTag,
    Monitor,
)

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop")


def _event(kind: str = "KeyError", value: str = "'a'", function: str = "load", **more: Any) -> dict[str, Any]:
    frame = {"module": "shop", "function": function, "lineno": 3, "context_line": "x()", "in_app": True}
    return {
        "exception": {"values": [{"type": kind, "value": value, "stacktrace": {"frames": [frame]}}]},
        **more,
    }


def _accepted(
    project: ErrorProject,
    body: dict[str, Any],
    *,
    number: int = 1,
    kind: str = "event",
    at: dt.datetime = NOW,
    child: str = "",
) -> None:
    ErrorIntake.objects.create(
        project=project,
        kind=kind,
        event_id=f"{number:032x}",
        body=packed(body),
        received_at=at,
        child=child,
        incarnation=7 if child else None,
    )


def test_the_same_error_is_one_issue_with_an_exact_count(project: ErrorProject) -> None:
    for number in range(5):
        _accepted(
            project, _event(value=f"'{number}'", tags={"region": "eu"}), number=number, child="shop/api@1"
        )
    _accepted(project, _event(function="store"), number=9)
    assert digest(now=NOW) == 6
    first, second = ErrorIssue.objects.order_by("number")
    assert (first.short_id, first.stat.count, second.stat.count) == ("SHOP-1", 5, 1)
    assert (first.title, first.culprit, first.child) == ("KeyError: '0'", "shop in load", "shop/api@1")
    assert first.because["rule"] == "calls of the program's own code"
    assert ErrorEvent.objects.filter(issue_id=first.pk).count() == 5
    assert ErrorIssueHour.objects.get(issue=first).count == 5
    assert ErrorTag.objects.get(issue=first, key="region").count == 5
    assert ErrorTag.objects.get(issue=first, key="child").value == "shop/api@1"
    assert waiting() == 0


def test_a_report_that_comes_twice_counts_once(project: ErrorProject) -> None:
    _accepted(project, _event(), number=1)
    _accepted(project, _event(), number=1)
    digest(now=NOW)
    _accepted(project, _event(), number=1)
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 1
    assert ErrorEvent.objects.count() == 1
    assert sum(ErrorDiscard.objects.filter(reason="duplicate").values_list("count", flat=True)) == 2


def test_what_cannot_be_digested_stays_and_holds_nothing_up(project: ErrorProject) -> None:
    ErrorIntake.objects.create(
        project=project, kind="event", event_id="f" * 32, body=b"not compressed", received_at=NOW
    )
    _accepted(project, _event())
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 1
    left = ErrorIntake.objects.get()
    assert left.failed_at == NOW
    assert left.failure
    assert digest(now=NOW) == 0


def test_an_issue_that_was_resolved_comes_back(project: ErrorProject) -> None:
    _accepted(project, _event(), number=1)
    digest(now=NOW)
    ErrorIssue.objects.update(status="resolved", status_at=NOW)
    _accepted(project, _event(), number=2, at=NOW + dt.timedelta(minutes=1))
    digest(now=NOW + dt.timedelta(minutes=1))
    assert ErrorIssue.objects.get().status == "regressed"
    assert "regressed" in ErrorActivity.objects.values_list("kind", flat=True)


def test_an_older_release_does_not_bring_it_back(project: ErrorProject) -> None:
    for number, release in enumerate(("1.0", "1.1", "1.2")):
        _accepted(
            project,
            _event("Other", release=release),
            number=number + 100,
            at=NOW + dt.timedelta(hours=number),
        )
    _accepted(project, _event(release="1.0"), number=1)
    digest(now=NOW)
    ErrorIssue.objects.filter(type="KeyError").update(status="resolved", status_at=NOW, resolved_in="1.1")
    later = NOW + dt.timedelta(days=1)
    _accepted(project, _event(release="1.0"), number=2, at=later)
    digest(now=later)
    assert ErrorIssue.objects.get(type="KeyError").status == "resolved"
    _accepted(project, _event(release="1.2"), number=3, at=later)
    digest(now=later)
    assert ErrorIssue.objects.get(type="KeyError").status == "regressed"


def test_a_rule_groups_and_names(project: ErrorProject) -> None:
    ErrorRule.objects.create(
        project=project, match=[["type", "*Error"]], fingerprint=["all"], title="all of {{ type }}"
    )
    _accepted(project, _event("KeyError"), number=1)
    _accepted(project, _event("OSError", function="other"), number=2)
    digest(now=NOW)
    issue = ErrorIssue.objects.get()
    assert (issue.title, issue.stat.count) == ("all of KeyError", 2)


def test_a_change_of_what_is_own_code_keeps_the_issue(project: ErrorProject) -> None:
    _accepted(project, _event(), number=1)
    digest(now=NOW)
    other = _event()
    other["exception"]["values"][0]["stacktrace"]["frames"][0]["in_app"] = False
    _accepted(project, other, number=2)
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 2


def test_what_a_client_lost_is_counted(project: ErrorProject) -> None:
    _accepted(
        project,
        {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 7}, 5]},
        kind="client_report",
    )
    digest(now=NOW)
    row = ErrorDiscard.objects.get()
    assert (row.category, row.reason, row.count) == ("error", "client: queue_overflow", 7)


def test_the_event_is_kept_with_why_it_was_grouped(project: ErrorProject) -> None:
    _accepted(project, _event(extra={"size": 3}))
    digest(now=NOW)
    data = unpacked(ErrorEvent.objects.get().data)
    assert data["extra"] == {"size": 3}
    assert data["grouping"]["frames"] == [[0, 0]]


def _check_in(status: str, identity: str, **more: Any) -> dict[str, Any]:
    return {"monitor_slug": "nightly", "status": status, "check_in_id": identity, **more}


CONFIG = {
    "schedule": {"type": "crontab", "value": "15 2 * * *"},
    "timezone": "Europe/Lisbon",
    "checkin_margin": 5,
    "max_runtime": 30,
}


def test_a_check_in_makes_its_monitor(project: ErrorProject) -> None:
    _accepted(project, _check_in("in_progress", "a" * 32, monitor_config=CONFIG), kind="check_in")
    digest(now=NOW)
    monitor = Monitor.objects.get()
    assert (monitor.slug, monitor.timezone, monitor.margin_s, monitor.max_runtime_s) == (
        "nightly",
        "Europe/Lisbon",
        300,
        1800,
    )
    assert monitor.next_due == dt.datetime(2026, 11, 29, 2, 15, tzinfo=dt.UTC)
    assert CheckIn.objects.get().status == "in_progress"


@pytest.mark.parametrize(
    "order", [("in_progress", "ok"), ("ok", "in_progress"), ("ok", "ok", "in_progress", "ok")]
)
def test_the_ends_of_a_run_may_come_in_any_order_and_twice(
    project: ErrorProject, order: tuple[str, ...]
) -> None:
    for number, status in enumerate(order):
        _accepted(
            project,
            _check_in(status, "b" * 32),
            kind="check_in",
            number=number,
            at=NOW + dt.timedelta(seconds=number),
        )
    digest(now=NOW)
    assert CheckIn.objects.get().status == "ok"
    assert Monitor.objects.get().status == "ok"


@pytest.mark.django_db(transaction=True)
def test_several_digests_at_once_count_everything_once() -> None:
    project = ErrorProject.objects.create(slug="shop", name="Shop")
    for number in range(200):
        _accepted(project, _event(function=f"f{number % 7}", tags={"n": str(number % 3)}), number=number // 2)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while digest(now=NOW, most=15) or waiting():
                pass
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert sum(issue.stat.count for issue in ErrorIssue.objects.all()) == 100 == ErrorEvent.objects.count()
    assert ErrorIssue.objects.count() == 7
    assert sum(row.count for row in ErrorIssueHour.objects.all()) == 100
