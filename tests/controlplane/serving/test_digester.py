"""What the digester makes of the clock: monitors are looked at while it is busy, and not blamed for its own absence."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.serving import digester as serving
from controlplane.serving.digester import Digester
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.monitor_models import Monitor
from tests.supervision.errors.store.reports import NOW, accepted, an_event

pytestmark = pytest.mark.django_db
CONFIG = {"schedule": {"type": "crontab", "value": "*/10 * * * *"}, "checkin_margin": 1}


class Clock:
    """Both clocks at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def boot(self) -> float:
        return self.now

    def wall(self) -> float:
        return NOW.timestamp() + self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(clock: Clock) -> Iterator[Any]:
    some = []

    def make() -> Digester:
        some.append(Digester())
        some[-1]._clock = clock  # type: ignore[assignment]
        return some[-1]

    yield make
    for each in some:
        each._wakeups.close()


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop")


def turned(digester: Digester, clock: Clock, *, until: float) -> None:
    while clock.now < until:
        clock.now = min(until, clock.now + 10)
        digester._turn()


def checked_in(project: ErrorProject, clock: Clock) -> None:
    body = {"monitor_slug": "nightly", "status": "ok", "check_in_id": "a" * 32, "monitor_config": CONFIG}
    accepted(project, body, kind="check_in", at=dt.datetime.fromtimestamp(clock.wall(), tz=dt.UTC))


def test_monitors_are_looked_at_while_events_wait(
    project: ErrorProject, clock: Clock, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    digester = made()
    checked_in(project, clock)
    digester._turn()
    monkeypatch.setattr("supervision.errors.store.digesting.digest", lambda **_: 0)
    accepted(project, an_event(), number=2)
    turned(digester, clock, until=700)
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.failing_since) == ("missed", NOW + dt.timedelta(seconds=660))


def test_a_digester_that_starts_again_blames_no_job_for_the_time_between(
    project: ErrorProject, clock: Clock, made: Any
) -> None:
    checked_in(project, clock)
    turned(made(), clock, until=300)
    clock.now = 5000.0
    accepted(project, an_event(), number=2, at=dt.datetime.fromtimestamp(clock.wall(), tz=dt.UTC))
    again = made()
    turned(again, clock, until=5300)
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.failing_since) == ("ok", None)
    assert not monitor.check_ins.filter(status="missed").exists()
    turned(again, clock, until=5500)
    assert Monitor.objects.get().status == "missed", "it did not come after the return either"


def test_a_restart_of_a_moment_hides_no_missed_job(project: ErrorProject, clock: Clock, made: Any) -> None:
    checked_in(project, clock)
    turned(made(), clock, until=630)
    accepted(project, an_event(), number=2, at=dt.datetime.fromtimestamp(clock.wall(), tz=dt.UTC))
    turned(made(), clock, until=640 + serving.AWAY_S)
    assert Monitor.objects.get().status == "missed"
