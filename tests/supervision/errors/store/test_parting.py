"""What is taken out of an issue: its name, its events, and all that is counted of them."""

import datetime as dt
from typing import Any

import pytest

from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store import joining, parting, projects
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorProject, ErrorRule
from supervision.errors.store.occasion_models import ErrorIssueMinute
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)
numbers = iter(range(1, 1_000_000))


@pytest.fixture
def project() -> ErrorProject:
    return projects.create_project(slug="shop", tree="shop", actor=ACTOR)


def _issues(project: ErrorProject, *functions: str) -> list[ErrorIssue]:
    for number, function in enumerate(functions, start=1):
        accepted(project, event(function=function, tags={"f": "x"}), number=1000 + number)
    digest(now=NOW)
    return list(ErrorIssue.objects.select_related("project").order_by("number"))


def _came(project: ErrorProject, function: str, at: dt.datetime, **more: Any) -> None:
    accepted(project, event(function=function, **more), number=2000 + next(numbers), at=at, child="shop/web")
    digest(now=at)


def _joined(project: ErrorProject) -> tuple[ErrorIssue, set[str]]:
    """An issue that another one of three events was merged into, and the hashes of that."""
    ada, eve = {"id": "ada"}, {"id": "eve"}
    _came(project, "load", NOW - 2 * HOUR, user=ada, tags={"region": "eu"})
    _came(project, "load", NOW, user=eve, tags={"region": "eu"}, level="warning")
    _came(project, "store", NOW - HOUR, user=ada, tags={"region": "us"}, release="1.0", value="first")
    _came(project, "store", NOW - HOUR, user=ada, tags={"region": "eu"}, environment="qa")
    _came(project, "store", NOW + HOUR, user={"id": "bob"}, kind="ValueError", value="last", release="1.1")
    first, second, third = ErrorIssue.objects.select_related("project").order_by("number")
    moved = set(second.hashes.values_list("hash", flat=True)) | set(
        third.hashes.values_list("hash", flat=True)
    )
    joining.merge(into=first, others=[second, third], now=NOW + HOUR, actor=ACTOR)
    return first, moved


def _counted(issue: ErrorIssue) -> dict[str, Any]:
    issue.stat.refresh_from_db()
    minutes = ErrorIssueMinute.objects.filter(issue=issue).order_by("minute", "environment")
    return {
        "count": issue.stat.count,
        "users": (issue.stat.users, issue.affected.count()),
        "last": (issue.stat.last_seen, issue.stat.last_release),
        "hours": list(issue.hours.order_by("hour").values_list("hour", "count")),
        "minutes": list(minutes.values_list("minute", "environment", "count")),
        "tags": sorted(issue.tags.filter(key__in=("region", "level")).values_list("key", "value", "count")),
        "events": ErrorEvent.objects.filter(issue_id=issue.pk).count(),
    }


def test_what_was_parted_stays_parted(project: ErrorProject) -> None:
    first, second = _issues(project, "load", "store")
    moved = set(second.hashes.values_list("hash", flat=True))
    joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    new = parting.part(issue=first, hashes=moved, now=NOW, actor=ACTOR).issue
    accepted(project, event(function="store"), number=8)
    digest(now=NOW)
    new.stat.refresh_from_db()
    assert new.stat.count == 2
    assert all(new.hashes.values_list("pinned", flat=True))
    with pytest.raises(InvalidFieldError, match="none would be left"):
        parting.part(issue=new, hashes=moved, now=NOW, actor=ACTOR)
    with pytest.raises(InvalidFieldError, match="not all"):
        parting.part(issue=new, hashes=["f" * 32], now=NOW, actor=ACTOR)


def test_a_part_takes_its_events_and_all_that_is_counted_of_them(project: ErrorProject) -> None:
    issue, hashes = _joined(project)
    parted = parting.part(issue=issue, hashes=hashes, now=NOW + 2 * HOUR, actor=ACTOR)
    assert parted.moved == 3
    assert _counted(parted.issue) == {
        "count": 3,
        "users": (2, 2),
        "last": (NOW + HOUR, "1.1"),
        "hours": [(NOW - HOUR, 2), (NOW + HOUR, 1)],
        "minutes": [(NOW - HOUR, "", 1), (NOW - HOUR, "qa", 1), (NOW + HOUR, "", 1)],
        "tags": [("level", "error", 3), ("region", "eu", 1), ("region", "us", 1)],
        "events": 3,
    }
    assert _counted(issue) == {
        "count": 2,
        "users": (2, 2),
        "last": (NOW, ""),
        "hours": [(NOW - 2 * HOUR, 1), (NOW, 1)],
        "minutes": [(NOW - 2 * HOUR, "", 1), (NOW, "", 1)],
        "tags": [("level", "error", 1), ("level", "warning", 1), ("region", "eu", 2)],
        "events": 2,
    }


def test_a_part_is_called_as_its_newest_event_says(project: ErrorProject) -> None:
    issue, hashes = _joined(project)
    new = parting.part(issue=issue, hashes=hashes, now=NOW + 2 * HOUR, actor=ACTOR).issue
    new.refresh_from_db()
    assert (new.title, new.type, new.value, new.culprit, new.level) == (
        "ValueError: last",
        "ValueError",
        "last",
        "shop in store",
        "error",
    )
    assert "store" in new.because["parts"][0]
    assert (new.first_seen, new.first_release, new.child) == (NOW - HOUR, "1.0", "shop/web")
    assert new.callee not in ("", issue.callee), "others that end in its call are suggested for it"


def test_what_came_and_is_not_stored_stays_counted_where_it_was(project: ErrorProject) -> None:
    issue, hashes = _joined(project)
    ErrorEvent.objects.filter(pk=ErrorEvent.objects.order_by("pk").values_list("pk", flat=True)[0]).delete()
    before = _counted(issue)
    parted = parting.part(issue=issue, hashes=hashes, now=NOW + 2 * HOUR, actor=ACTOR)
    assert (parted.moved, _counted(issue)) == (None, before)
    parted.issue.refresh_from_db()
    assert (parted.issue.title, parted.issue.stat.count) == ("ValueError: last", 0)
    assert parted.issue.first_seen == NOW + 2 * HOUR


def test_more_than_are_looked_at_stay_where_they_are(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parting, "MOST_LOOKED_AT", 4)
    issue, hashes = _joined(project)
    parted = parting.part(issue=issue, hashes=hashes, now=NOW + 2 * HOUR, actor=ACTOR)
    assert (parted.moved, _counted(issue)["count"]) == (None, 5)


def test_an_event_that_a_later_rule_would_group_elsewhere_is_found(project: ErrorProject) -> None:
    issue, hashes = _joined(project)
    ErrorRule.objects.create(project=project, match=[["function", "store"]], fingerprint=["elsewhere"])
    parted = parting.part(issue=issue, hashes=hashes, now=NOW + 2 * HOUR, actor=ACTOR)
    assert parted.moved == 3


def test_an_event_that_leads_nowhere_is_not_guessed_about(project: ErrorProject) -> None:
    """Grouped by an algorithm that is not known any more."""
    issue, hashes = _joined(project)
    issue.hashes.exclude(hash__in=hashes).update(hash="f" * 32)
    parted = parting.part(issue=issue, hashes=hashes, now=NOW + 2 * HOUR, actor=ACTOR)
    assert (parted.moved, _counted(issue)["count"]) == (None, 5)
