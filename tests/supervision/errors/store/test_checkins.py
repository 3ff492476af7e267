"""From check-ins to monitors, on a real database: order, lateness, our own outages."""

import datetime as dt
from typing import Any

import pytest

from supervision.alerts.models import Alert
from supervision.alerts.watching import watch_rows
from supervision.errors.store.checkins import HEARD_WITHIN, Away, look_at_clock
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.monitor_models import CheckIn, Monitor
from tests.supervision.errors.store.reports import NOW, accepted, an_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop")


def _check_in(status: str, identity: str, **more: Any) -> dict[str, Any]:
    return {"monitor_slug": "nightly", "status": status, "check_in_id": identity, **more}


CONFIG = {
    "schedule": {"type": "crontab", "value": "15 2 * * *"},
    "timezone": "Europe/Lisbon",
    "checkin_margin": 5,
    "max_runtime": 30,
}


def test_a_check_in_makes_its_monitor(project: ErrorProject) -> None:
    accepted(project, _check_in("in_progress", "a" * 32, monitor_config=CONFIG), kind="check_in")
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
        accepted(
            project,
            _check_in(status, "b" * 32),
            kind="check_in",
            number=number,
            at=NOW + dt.timedelta(seconds=number),
        )
    digest(now=NOW)
    assert CheckIn.objects.get().status == "ok"
    assert Monitor.objects.get().status == "ok"


def test_what_comes_twice_or_late_says_nothing_of_how_the_job_is_now(project: ErrorProject) -> None:
    every = {**CONFIG, "schedule": {"type": "crontab", "value": "0 * * * *"}}

    def told(number: int, run: str, status: str, minutes: int) -> Monitor:
        at = NOW + dt.timedelta(minutes=minutes)
        body = _check_in(status, run * 32, monitor_config=every)
        accepted(project, body, kind="check_in", number=number, at=at)
        digest(now=at)
        return Monitor.objects.get()

    told(1, "a", "in_progress", 0)
    told(2, "b", "in_progress", 60)
    failed = told(3, "b", "error", 61)
    assert (failed.status, failed.failures) == ("error", 1)
    late = told(4, "a", "ok", 62)
    assert (late.status, late.failures) == ("error", 1), "the run before has ended, and it is not the last"
    assert CheckIn.objects.get(check_in_id="a" * 32).status == "ok"
    due = late.next_due
    twice = told(5, "b", "error", 125)
    assert (twice.status, twice.failures, twice.next_due) == ("error", 1, due), "and the run of 14:00 is late"


def test_somebody_is_told_after_as_many_failures_as_the_job_says(project: ErrorProject) -> None:
    config = {**CONFIG, "failure_issue_threshold": 2, "recovery_threshold": 2}

    def run(number: int, status: str) -> Monitor:
        body = _check_in(status, f"{number:032x}", monitor_config=config)
        accepted(project, body, kind="check_in", number=number, at=NOW + dt.timedelta(minutes=number))
        digest(now=NOW + dt.timedelta(minutes=number))
        return Monitor.objects.get()

    def alerts() -> list[str]:
        watch_rows()
        return list(Alert.objects.filter(resolved_at=None).values_list("title", flat=True))

    assert run(1, "error").failing_since is None
    assert alerts() == []
    assert run(2, "error").failing_since == NOW + dt.timedelta(minutes=2)
    assert alerts() == ["nightly (production) failed"]
    assert alerts() == ["nightly (production) failed"]
    assert Alert.objects.get().count == 1, "looking again raises nothing"
    run(3, "ok")
    assert alerts() == ["nightly (production) failed"]
    run(4, "ok")
    assert alerts() == []
    run(5, "error")
    assert alerts() == []


def test_a_job_that_was_missed_or_hangs_fails_and_one_of_our_own_outage_does_not(
    project: ErrorProject,
) -> None:
    every = {
        **CONFIG,
        "schedule": {"type": "crontab", "value": "* * * * *"},
        "max_runtime": 1,
        "checkin_margin": 1,
    }
    accepted(project, _check_in("in_progress", "a" * 32, monitor_config=every), kind="check_in")
    digest(now=NOW)
    soon = NOW + dt.timedelta(minutes=30)
    away = Away(NOW + dt.timedelta(seconds=30), soon)
    assert look_at_clock(now=soon, away=away) == 0
    monitor = Monitor.objects.get()
    assert not monitor.check_ins.filter(status="missed").exists()
    assert (monitor.status, monitor.failing_since) == ("waiting", None), (
        "nobody had time to say that it ended"
    )
    assert monitor.next_due == soon + dt.timedelta(minutes=1)
    look_at_clock(now=soon + HEARD_WITHIN, away=away)
    assert CheckIn.objects.get(check_in_id="a" * 32).status == "timeout"
    assert Monitor.objects.get().check_ins.filter(status="missed").count() == 1, (
        "it did not come after our return"
    )


def test_a_job_that_was_due_just_before_our_outage_may_have_come_in_it(project: ErrorProject) -> None:
    hourly = {**CONFIG, "schedule": {"type": "crontab", "value": "0 * * * *"}}
    accepted(project, _check_in("ok", "a" * 32, monitor_config=hourly), kind="check_in")
    digest(now=NOW)
    due = Monitor.objects.get().next_due
    assert due == NOW + dt.timedelta(hours=1)
    away = Away(due + dt.timedelta(minutes=1), due + dt.timedelta(minutes=30))
    look_at_clock(now=away.until, away=away)
    assert (Monitor.objects.get().status, Monitor.objects.get().next_due) == (
        "ok",
        due + dt.timedelta(hours=1),
    )
    look_at_clock(now=due + dt.timedelta(minutes=66), away=away)
    assert Monitor.objects.get().status == "missed", "that of the next hour is not our doing"


def test_only_what_a_waiting_check_in_may_say_is_not_looked_at_yet(project: ErrorProject) -> None:
    hourly = {**CONFIG, "schedule": {"type": "crontab", "value": "0 * * * *"}}
    accepted(project, _check_in("ok", "a" * 32, monitor_config=hourly), kind="check_in")
    digest(now=NOW)
    due = NOW + dt.timedelta(hours=1)
    accepted(project, _check_in("ok", "b" * 32), kind="check_in", number=2, at=due + dt.timedelta(minutes=1))
    look_at_clock(now=due + dt.timedelta(minutes=10))
    assert Monitor.objects.get().status == "late", "it came in time, and is not digested yet"
    digest(now=due + dt.timedelta(minutes=10))
    assert Monitor.objects.get().status == "ok"
    accepted(project, an_event(), number=3, at=due)
    look_at_clock(now=due + dt.timedelta(minutes=70))
    assert Monitor.objects.get().status == "missed", "an event that waits says nothing of it"


def test_a_backlog_of_jobs_is_worked_off_in_order_and_those_that_wait_hold_nothing_up(
    project: ErrorProject,
) -> None:
    def monitors(count: int, **fields: Any) -> None:
        schedule = {"type": "crontab", "value": "0 * * * *"}
        already = Monitor.objects.count()
        Monitor.objects.bulk_create(
            Monitor(
                project=project, slug=f"job-{already + number}", schedule=schedule, status_at=NOW, **fields
            )
            for number in range(count)
        )

    hour = dt.timedelta(hours=1)
    monitors(500, status="late", next_due=NOW - hour, margin_s=7200)
    monitors(1, next_due=NOW - hour, margin_s=60)
    assert look_at_clock(now=NOW) == 1, "500 that are late wait for their margin"
    assert CheckIn.objects.get(status="missed").monitor.slug == "job-500"
    monitors(501, next_due=NOW + hour, margin_s=60)
    Monitor.objects.filter(slug="job-501").update(next_due=NOW + hour + dt.timedelta(seconds=1))
    then = NOW + hour + dt.timedelta(minutes=3)
    Monitor.objects.filter(margin_s=7200).delete()
    Monitor.objects.filter(slug="job-500").delete()
    assert look_at_clock(now=then) == 500
    assert not CheckIn.objects.filter(monitor__slug="job-501").exists(), "it was due last"
    assert [look_at_clock(now=then) for _ in range(2)] == [1, 0]
    assert CheckIn.objects.filter(status="missed").count() == 501


def test_runs_that_may_go_on_for_long_hold_none_up_whose_time_is_over(project: ErrorProject) -> None:
    jobs = [
        Monitor.objects.create(project=project, slug=slug, status_at=NOW, max_runtime_s=most)
        for slug, most in (("long", 86_400), ("short", 60))
    ]
    CheckIn.objects.bulk_create(
        CheckIn(monitor=job, check_in_id=f"{number:032x}", status="in_progress", started_at=NOW)
        for number, job in enumerate([jobs[0]] * 500 + [jobs[1]])
    )
    assert look_at_clock(now=NOW + dt.timedelta(minutes=2)) == 1
    assert CheckIn.objects.get(status="timeout").monitor.slug == "short"
