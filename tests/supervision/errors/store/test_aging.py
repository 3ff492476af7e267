"""Statuses that change by themselves: with time, and with how often events come."""

import datetime as dt

import pytest

from supervision.errors.store import issues
from supervision.errors.store.aging import settle_by_clock
from supervision.errors.store.digesting import digest
from supervision.errors.store.escalating import escalate_by_clock
from supervision.errors.store.models import ErrorActivity, ErrorIssue, ErrorIssueHour, ErrorProject
from supervision.errors.store.occasion_models import ErrorIssueMinute, ErrorOccasion
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
WEEK = 7 * DAY
numbers = iter(range(1, 1_000_000))


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def _came(project: ErrorProject, count: int, at: dt.datetime, function: str = "load") -> str:
    for _ in range(count):
        accepted(project, event(function=function), number=next(numbers), at=at)
    digest(now=at)
    return ErrorIssue.objects.get(culprit=f"shop in {function}").status


def _row(project: ErrorProject, number: int, status: str, at: dt.datetime) -> ErrorIssue:
    return ErrorIssue.objects.create(
        project=project,
        number=number,
        title="x",
        type="x",
        level="error",
        status=status,
        status_at=at,
        first_seen=at,
    )


@pytest.mark.parametrize("status", ["new", "regressed"])
def test_what_is_new_or_came_back_is_ongoing_after_a_week(project: ErrorProject, status: str) -> None:
    issue = _row(project, 1, status, NOW)
    assert settle_by_clock(now=NOW + WEEK - dt.timedelta(seconds=1)) == 0
    assert (settle_by_clock(now=NOW + WEEK), settle_by_clock(now=NOW + WEEK)) == (1, 0)
    issue.refresh_from_db()
    assert (issue.status, issue.status_at) == ("ongoing", NOW + WEEK)
    noted = issue.activity.get()
    assert (noted.kind, noted.text, noted.is_untold) == ("settled", "for 7 days the same", False)


@pytest.mark.parametrize("status", ["ongoing", "resolved", "archived", "muted"])
def test_other_statuses_stay_what_they_are(project: ErrorProject, status: str) -> None:
    issue = _row(project, 1, status, NOW)
    assert settle_by_clock(now=NOW + 10 * WEEK) == 0
    issue.refresh_from_db()
    assert issue.status == status


def test_a_backlog_is_worked_off_in_order_however_many_there_are(project: ErrorProject) -> None:
    """The last one is the oldest."""
    ErrorIssue.objects.bulk_create(
        ErrorIssue(
            project=project,
            number=number,
            title="x",
            type="x",
            level="error",
            status_at=NOW - number * HOUR,
            first_seen=NOW,
        )
        for number in range(501)
    )
    assert settle_by_clock(now=NOW + WEEK) == 500
    left = ErrorIssue.objects.get(status="new")
    assert left.number == 0, "the one that became new last"
    assert [settle_by_clock(now=NOW + WEEK) for _ in range(2)] == [1, 0]
    assert ErrorActivity.objects.filter(kind="settled").count() == 501


def test_an_open_issue_escalates_with_the_event_that_is_far_more_than_it_did(project: ErrorProject) -> None:
    assert _came(project, 6, NOW - 5 * HOUR) == "new"
    assert _came(project, 12, NOW) == "new", "12 are not more than twice 6"
    assert _came(project, 1, NOW) == "escalating"
    issue = ErrorIssue.objects.get()
    noted = issue.activity.get(kind="escalating")
    assert (noted.text, noted.is_untold) == ("13 events in an hour, before at most 6", True)
    assert _came(project, 30, NOW) == "escalating"
    assert issue.activity.filter(kind="escalating").count() == 1
    assert not ErrorOccasion.objects.filter(kind="regressed").exists(), "it was never away"


def test_fewer_than_ten_and_what_began_within_the_hour_escalate_nothing(project: ErrorProject) -> None:
    _came(project, 1, NOW - 5 * HOUR)
    assert _came(project, 9, NOW) == "new"
    assert _came(project, 50, NOW, function="fresh") == "new"
    assert _came(project, 1, NOW) == "escalating"


@pytest.mark.parametrize("status", ["muted", "archived"])
def test_nobody_is_told_that_a_muted_or_archived_issue_comes_more_often(
    project: ErrorProject, status: str
) -> None:
    _came(project, 1, NOW - 5 * HOUR)
    issues.set_status(issue=ErrorIssue.objects.get(), status=status, now=NOW, actor=ACTOR)
    assert _came(project, 50, NOW) == status
    assert escalate_by_clock(now=NOW) == 0


def test_the_clock_finds_what_is_far_more_since_what_was_usual_is_over(project: ErrorProject) -> None:
    _came(project, 20, NOW - WEEK)
    assert _came(project, 30, NOW) == "new"
    assert escalate_by_clock(now=NOW) == 0, "twenty are within the week"
    later = NOW + dt.timedelta(minutes=20)
    assert (escalate_by_clock(now=later), escalate_by_clock(now=later)) == (1, 0)
    assert ErrorIssue.objects.get().status == "escalating"


def test_steady_issues_keep_none_from_being_found(project: ErrorProject) -> None:
    """Many come often, as they always did; what rises has fewer events than each of them."""
    hour = NOW.replace(minute=0, second=0)
    for number in range(1, 8):
        issue = _row(project, number, "ongoing", NOW - DAY)
        usual = 1 if number == 7 else 50
        ErrorIssueHour.objects.create(issue=issue, hour=hour - 3 * HOUR, count=usual)
        count = 20 if number == 7 else 60
        ErrorIssueMinute.objects.create(issue=issue, minute=NOW - dt.timedelta(minutes=5), count=count)
    assert escalate_by_clock(now=NOW, most=3) == 1
    assert ErrorIssue.objects.get(status="escalating").number == 7


def test_a_day_without_such_an_hour_ends_it(project: ErrorProject) -> None:
    _came(project, 6, NOW - 5 * HOUR)
    assert _came(project, 13, NOW) == "escalating"
    _came(project, 30, NOW + 10 * HOUR)
    assert settle_by_clock(now=NOW + 33 * HOUR) == 0, "30 were more than twice 13, a day ago and less"
    assert settle_by_clock(now=NOW + 34 * HOUR) == 1
    issue = ErrorIssue.objects.get()
    assert issue.status == "ongoing"
    assert (issue.activity.latest("pk").kind, issue.activity.latest("pk").text) == (
        "settled",
        "far fewer for a day",
    )


def test_what_goes_on_escalating_keeps_none_from_being_ongoing_again(project: ErrorProject) -> None:
    for number in range(1, 4):
        issue = _row(project, number, "escalating", NOW - number * DAY)
        if number > 1:
            ErrorIssueHour.objects.create(issue=issue, hour=NOW - HOUR, count=100)
    assert settle_by_clock(now=NOW + DAY - 2 * HOUR, most=1) == 1
    assert ErrorIssue.objects.get(status="ongoing").number == 1
