"""What people do with issues, and what stays of it."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from supervision.auditlog.models import AuditEntry
from supervision.errors.exceptions import InvalidFieldError, TooManyToMergeError, UnknownIssueError
from supervision.errors.store import issues, joining, projects, retention
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import (
    ErrorEvent,
    ErrorEventKey,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHour,
    ErrorKey,
    ErrorProject,
    ErrorTag,
)
from supervision.errors.store.occasion_models import ErrorIssueMinute, ErrorOccasion
from supervision.errors.store.tagging import OTHER
from supervision.errors.store.waking import wake_by_clock
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return projects.create_project(slug="shop", tree="shop", actor=ACTOR)


def _issues(project: ErrorProject, *functions: str) -> list[ErrorIssue]:
    for number, function in enumerate(functions, start=1):
        accepted(project, event(function=function, tags={"f": "x"}), number=1000 + number)
    digest(now=NOW)
    return list(ErrorIssue.objects.select_related("project").order_by("number"))


def test_a_project_has_a_key_and_a_name_of_its_own(project: ErrorProject) -> None:
    key = ErrorKey.objects.get()
    assert len(key.public_key) == 32
    with pytest.raises(InvalidFieldError, match="already") as refused:
        projects.create_project(slug="shop", actor=ACTOR)
    assert refused.value.field == "slug"
    with pytest.raises(InvalidFieldError) as refused:
        projects.create_project(slug="A B", actor=ACTOR)
    assert refused.value.field == "slug"
    projects.revoke_key(key=key, now=NOW, actor=ACTOR)
    projects.revoke_key(key=key, now=NOW, actor=ACTOR)
    assert AuditEntry.objects.filter(action="error_key.revoke").count() == 1


def test_a_tree_has_one_project(project: ErrorProject) -> None:
    assert projects.project_of_tree("shop", actor=ACTOR) == project
    assert projects.project_of_tree("Shop.2", actor=ACTOR).slug == "shop-2"
    assert projects.project_of_tree("shop-2", actor=ACTOR).slug == "shop-2-2"


def test_status_and_what_is_noted(project: ErrorProject) -> None:
    (issue,) = _issues(project, "load")
    issues.set_status(issue=issue, status="resolved", release="1.1", now=NOW, actor=ACTOR)
    issues.set_status(issue=issue, status="resolved", release="1.1", now=NOW, actor=ACTOR)
    issue.refresh_from_db()
    assert (issue.status, issue.resolved_in) == ("resolved", "1.1")
    assert issue.activity.filter(kind="resolved").count() == 1
    assert AuditEntry.objects.filter(action="error_issue.resolved", target="error issue SHOP-1").count() == 1
    for status, release in (("new", ""), ("archived", "1.1"), ("perhaps", "")):
        with pytest.raises(InvalidFieldError):
            issues.set_status(issue=issue, status=status, release=release, now=NOW, actor=ACTOR)


def test_assigning_and_comments(project: ErrorProject) -> None:
    (issue,) = _issues(project, "load")
    ada = User.objects.create(username="ada")
    for user in (ada, ada, None, None):
        issues.assign(issue=issue, user=user, now=NOW, actor=ACTOR)
    issues.comment(issue=issue, text="seen it", now=NOW, actor=ACTOR)
    assert list(issue.activity.order_by("id").values_list("kind", "text")) == [
        ("first_seen", ""),
        ("assigned", "ada"),
        ("assigned", "nobody"),
        ("comment", "seen it"),
    ]
    with pytest.raises(InvalidFieldError):
        issues.comment(issue=issue, text="  ", now=NOW, actor=ACTOR)


def test_merging_brings_events_counts_and_what_comes_later(project: ErrorProject) -> None:
    first, second, third = _issues(project, "load", "store", "store_all")
    assert joining.merge(into=first, others=[second, third, first], now=NOW, actor=ACTOR).events == 2
    first.stat.refresh_from_db()
    assert first.stat.count == ErrorEvent.objects.filter(issue_id=first.pk).count() == 3
    assert ErrorIssueHour.objects.get().count == ErrorTag.objects.get(key="f").count == 3
    accepted(project, event(function="store"), number=7)
    digest(now=NOW)
    first.stat.refresh_from_db()
    assert first.stat.count == 4
    second.refresh_from_db()
    assert (second.merged_into, second.status) == (first, "archived")


def test_what_a_merge_would_do_is_said_and_nothing_done(project: ErrorProject) -> None:
    first, second, third, fourth = _issues(project, "load", "store", "drop", "send")
    accepted(project, event(function="drop"), number=7)
    digest(now=NOW)
    joining.merge(into=first, others=[fourth], now=NOW, actor=ACTOR)
    plan = joining.plan_merge(into=fourth, others=[second, third, fourth])
    assert (plan.into, plan.issues, plan.events) == (first, (second, third), 3)
    assert ErrorIssue.objects.filter(merged_into=None).count() == 3
    done = joining.merge(into=fourth, others=[second, third, fourth], now=NOW, actor=ACTOR)
    assert done == plan


def test_what_is_merged_was_first_seen_when_the_first_of_them_was(project: ErrorProject) -> None:
    accepted(project, event(function="load", release="1.0"), number=1, at=NOW - dt.timedelta(days=1))
    accepted(project, event(function="store", release="1.1"), number=2)
    digest(now=NOW)
    early, late = ErrorIssue.objects.select_related("project").order_by("number")
    joining.merge(into=late, others=[early], now=NOW, actor=ACTOR)
    late.refresh_from_db()
    assert (late.first_seen, late.first_release) == (early.first_seen, "1.0")


def test_merging_into_what_was_merged_leads_to_where_that_is_now(project: ErrorProject) -> None:
    first, second, third, fourth = _issues(project, "load", "store", "drop", "send")
    joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    joining.merge(into=third, others=[first], now=NOW, actor=ACTOR)
    assert joining.merge(into=second, others=[fourth], now=NOW, actor=ACTOR).events == 1
    fourth.refresh_from_db()
    assert (fourth.merged_into, joining.issue_now(second)) == (third, third)
    assert third.activity.filter(kind="merged", text=fourth.short_id).exists()
    assert ErrorEvent.objects.filter(issue_id=third.pk).count() == 4
    accepted(project, event(function="send"), number=7)
    digest(now=NOW)
    third.stat.refresh_from_db()
    assert third.stat.count == 5


def test_an_issue_is_never_merged_into_itself_nor_taken_out_of_another(project: ErrorProject) -> None:
    first, second, third = _issues(project, "load", "store", "drop")
    joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    again = joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    assert (again.issues, again.events) == ((), 0), "it is there already"
    with pytest.raises(InvalidFieldError, match="SHOP-1 cannot be merged into itself") as refused:
        joining.merge(into=second, others=[first], now=NOW, actor=ACTOR)
    assert refused.value.field == "others"
    with pytest.raises(InvalidFieldError, match="SHOP-2 was merged into SHOP-1 already"):
        joining.merge(into=third, others=[second], now=NOW, actor=ACTOR)
    assert list(ErrorIssue.objects.filter(merged_into=None).order_by("pk")) == [first, third]
    assert AuditEntry.objects.filter(action="error_issue.merge").count() == 1


def test_what_came_in_the_last_minutes_is_counted_with_the_merged(project: ErrorProject) -> None:
    first, second = _issues(project, "load", "store")
    joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    assert [(row.issue, row.count) for row in ErrorIssueMinute.objects.all()] == [(first, 2)]


@pytest.mark.django_db(transaction=True)
def test_no_report_is_counted_while_its_project_is_merged(project: ErrorProject) -> None:
    """What the digest holds, a merge waits for: else reports go to an issue that is hidden by then."""
    first, second = _issues(project, "load", "store")

    def merge() -> int:
        try:
            return joining.merge(into=first, others=[second], now=NOW, actor=ACTOR).events
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            list(ErrorProject.objects.select_for_update(no_key=True))
            merging = pool.submit(merge)
            assert not wait([merging], timeout=1).done
        assert merging.result(30) == 1


def test_bounds_of_merging(project: ErrorProject) -> None:
    (first,) = _issues(project, "load")
    with pytest.raises(TooManyToMergeError):
        joining.merge(
            into=first,
            others=[ErrorIssue(pk=number) for number in range(10**6, 10**6 + 201)],
            now=NOW,
            actor=ACTOR,
        )
    with pytest.raises(InvalidFieldError, match="another project"):
        joining.merge(
            into=first, others=[ErrorIssue(pk=10**6, project_id=first.project_id + 1)], now=NOW, actor=ACTOR
        )


def test_short_ids(project: ErrorProject) -> None:
    (issue,) = _issues(project, "load")
    assert issues.find_issue("shop-1") == issues.find_issue("SHOP-1") == issue
    for wrong in ("", "SHOP", "SHOP-2", "SHOP-x", "-1", "SHOP-\u0661"):
        with pytest.raises(UnknownIssueError):
            issues.find_issue(wrong)


def test_old_events_go_and_issues_stay(project: ErrorProject) -> None:
    old = NOW - dt.timedelta(days=100)
    accepted(project, event(), number=1, at=old)
    accepted(project, event(), number=2)
    ErrorIntake.objects.create(project=project, kind="event", body=b"x", received_at=old, failed_at=old)
    digest(now=NOW)
    retention.drop_old(now=NOW)
    assert ErrorEvent.objects.count() == 1
    assert ErrorIssue.objects.get().stat.count == 2
    assert not ErrorIntake.objects.exists()


def test_partitions_are_made_ahead_and_dropped_whole(project: ErrorProject) -> None:
    then = NOW + dt.timedelta(days=20 * 365)  # no database of a test has partitions there
    made = retention.make_partitions(now=then)
    assert len(made) == retention.AHEAD_DAYS + 1
    assert retention.make_partitions(now=then) == []
    accepted(project, event(), number=1, at=then)
    digest(now=then)
    assert ErrorEvent.objects.count() == 1
    retention.drop_old(now=then + dt.timedelta(days=200))
    assert retention.days_in_use() == []
    assert ErrorEvent.objects.count() == 0


def test_what_is_old_goes_whole_however_much_it_is_and_within_its_time(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    old = NOW - dt.timedelta(days=100)
    for number in range(45):
        accepted(project, event(), number=number, at=old)
    accepted(project, event(), number=99)
    digest(now=NOW)
    times = iter([0.0, 10.0, 20.0])
    assert retention.drop_old(now=NOW, within_s=15, clock=lambda: next(times)) >= 40
    assert (ErrorEventKey.objects.count(), ErrorEvent.objects.count()) == (26, 26), "two rounds of ten"
    retention.drop_old(now=NOW)
    assert (ErrorEventKey.objects.count(), ErrorEvent.objects.count()) == (1, 1)


def test_rare_values_of_a_tag_go(project: ErrorProject) -> None:
    for number in range(retention.VALUES_KEPT + 5):
        accepted(project, event(tags={"order": str(number)}), number=number)
    accepted(project, event(tags={"order": "0"}), number=9999)
    digest(now=NOW)
    retention.drop_old(now=NOW)
    kept = ErrorTag.objects.filter(key="order")
    assert kept.exclude(value=OTHER).count() == retention.VALUES_KEPT
    assert kept.filter(value="0", count=2).exists()
    assert kept.get(value=OTHER).count == 5, "what went is counted together"
    retention.drop_old(now=NOW)
    assert kept.count() == retention.VALUES_KEPT + 1


def test_an_issue_archived_until_a_moment_is_opened_by_the_clock(project: ErrorProject) -> None:
    hour = dt.timedelta(hours=1)
    timed, counted, good = _issues(project, "load", "store", "drop")
    untils = ((timed, issues.Until(at=NOW + hour)), (counted, issues.Until(events=5)), (good, issues.FOREVER))
    for issue, until in untils:
        issues.set_status(issue=issue, status="archived", until=until, now=NOW, actor=ACTOR)
    assert wake_by_clock(now=NOW + hour / 2) == 0
    assert (wake_by_clock(now=NOW + hour), wake_by_clock(now=NOW + 2 * hour)) == (1, 0)
    timed.refresh_from_db()
    assert (timed.status, timed.status_at, timed.until_at) == ("ongoing", NOW + hour, None)
    assert timed.activity.latest("pk").text == "archived until 2026-11-28 13:00 UTC"
    assert not ErrorOccasion.objects.filter(kind="regressed").exists(), "nothing came of it"
    assert set(ErrorIssue.objects.filter(status="archived")) == {counted, good}
