"""Entries of a beat's schedule are monitored jobs, from what workers tell."""

import datetime as dt
from typing import Any

import pytest

from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIntake
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.projects import create_project
from tests.supervision.errors.store.error_rows import ACTOR
from tests.supervision.tasks.told import NOW, event, tell

pytestmark = pytest.mark.django_db
TASK = "6f1c2b7a-9d3e-4f50-8192-a3b4c5d6e7f8"
BEAT = {
    "entry": "mail-digest",
    "schedule": {"type": "crontab", "value": "*/5 * * * *"},
    "timezone": "Europe/Berlin",
}


@pytest.fixture(autouse=True)
def project() -> None:
    create_project(slug="shop", tree="shop", actor=ACTOR)


def _told(kind: str, **fields: Any) -> Any:
    return event(kind, task=TASK, beat=BEAT, **fields)


@pytest.mark.parametrize(("state", "status"), [("done", "ok"), ("failed", "error"), ("revoked", "error")])
def test_a_run_of_an_entry_is_a_check_in_with_both_ends(state: str, status: str) -> None:
    tell(_told("started"))
    digest(now=NOW)
    monitor = Monitor.objects.get()
    assert (monitor.slug, monitor.timezone, monitor.status) == ("mail-digest", "Europe/Berlin", "waiting")
    assert monitor.next_due == NOW + dt.timedelta(minutes=5)
    tell(_told("ended", seconds=2, state=state, run_s=1.5))
    digest(now=NOW + dt.timedelta(seconds=10))
    run = CheckIn.objects.get()
    assert (run.status, run.duration_s, run.check_in_id) == (status, 1.5, TASK.replace("-", ""))
    assert Monitor.objects.get().status == status


def test_a_lost_attempt_leaves_the_run_under_way() -> None:
    tell(_told("started"), _told("lost", seconds=1, reason="signal(9)"))
    tell(
        _told("started", seconds=2, attempt=2, lost=1),
        _told("ended", seconds=3, attempt=2, lost=1, state="done"),
    )
    digest(now=NOW + dt.timedelta(minutes=1))
    assert CheckIn.objects.get().status == "ok"


@pytest.mark.parametrize(
    "fields",
    [{"beat": None}, {"beat": {"entry": ""}}, {"beat": BEAT, "holder": "nobody"}, {"beat": BEAT, "id": "x"}],
)
def test_what_no_beat_sent_or_nobody_of_ours_runs_is_no_monitor(fields: dict[str, Any]) -> None:
    tell(event("started", **fields))
    assert not ErrorIntake.objects.exists()
