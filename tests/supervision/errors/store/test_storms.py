"""Of a storm of one issue ever fewer events are stored where a project asks for that, and all are counted."""

import datetime as dt
from typing import Any

import pytest

from supervision.auditlog.actor import Actor
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIssueHour, ErrorIssueStat, ErrorProject
from supervision.errors.store.projects import change_project
from tests.supervision.errors.store.reports import NOW, accepted, an_event

ACTOR = Actor.system("test")
pytestmark = pytest.mark.django_db
WHOLE = 20


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop")


def _numbered(project: ErrorProject, first: int, count: int, at: dt.datetime, **row: Any) -> None:
    for number in range(first, first + count):
        moment = at + dt.timedelta(milliseconds=number)
        accepted(project, an_event(), number=number, at=moment, **row)
    while digest(now=at):
        pass


def test_of_a_storm_ever_fewer_events_are_stored_and_all_are_counted(project: ErrorProject) -> None:
    change_project(project=project, fields={"store_whole": WHOLE}, now=NOW, actor=ACTOR)
    _numbered(project, 1, WHOLE, NOW)
    assert ErrorEvent.objects.count() == WHOLE, "up to so many a minute all are stored"
    stat = ErrorIssueStat.objects.get()
    assert (stat.count, stat.not_kept, stat.kept_one_of) == (WHOLE, 0, 1)
    _numbered(project, WHOLE + 1, 4 * WHOLE, NOW)
    stat.refresh_from_db()
    stored = ErrorEvent.objects.count()
    assert (stat.count, stat.kept_one_of) == (5 * WHOLE, 8)
    assert stored == 5 * WHOLE - stat.not_kept
    assert 2 * WHOLE < stored < 3 * WHOLE
    assert sum(row.count for row in ErrorIssueHour.objects.all()) == 5 * WHOLE
    kept = set(ErrorEvent.objects.values_list("event_id", flat=True))
    assert {f"{1:032x}", stat.last_event_id} <= kept, "the first and the last of all"
    before = ErrorEvent.objects.count()
    _numbered(project, 9000, 10, NOW + dt.timedelta(minutes=1))
    stat.refresh_from_db()
    assert (ErrorEvent.objects.count() - before, stat.kept_one_of) == (10, 1), "the next minute begins anew"


def test_the_first_event_of_each_child_is_stored_in_any_storm(project: ErrorProject) -> None:
    change_project(project=project, fields={"store_whole": WHOLE}, now=NOW, actor=ACTOR)
    _numbered(project, 1, 3 * WHOLE, NOW)
    for number in range(7):
        accepted(project, an_event(), number=5000 + number, at=NOW, child=f"shop/w@{number}")
    digest(now=NOW)
    assert ErrorEvent.objects.exclude(child="").values("child").distinct().count() == 7


def test_without_a_bound_every_event_is_stored(project: ErrorProject) -> None:
    _numbered(project, 1, 350, NOW)
    assert ErrorEvent.objects.count() == 350
    assert ErrorIssueStat.objects.get().not_kept == 0
