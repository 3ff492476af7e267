"""From reports to issues, on a real database."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import OperationalError, connections

from supervision.auditlog.actor import Actor
from supervision.errors.event import ErrorEvent as ErrorEventData
from supervision.errors.grouping.algorithms import ALGORITHMS
from supervision.errors.grouping.g1 import Because, Grouping
from supervision.errors.grouping.rules import Given
from supervision.errors.store import digesting, issues, joining, others
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import (
    ErrorActivity,
    ErrorDiscard,
    ErrorEvent,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHour,
    ErrorIssueStat,
    ErrorIssueUser,
    ErrorProject,
    ErrorRule,
    ErrorTag,
)
from supervision.errors.store.occasion_models import ErrorOccasion
from supervision.errors.store.projects import change_project
from supervision.errors.store.retention import drop_old
from tests.supervision.errors.store.reports import NOW, accepted, an_event

ACTOR = Actor.system("test")
pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop")


def test_what_the_database_refuses_is_marked_and_holds_nothing_up(
    project: ErrorProject, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A title that is longer than its column, as reading and grouping never make one."""
    monkeypatch.setattr(
        digesting, "apply_rules", lambda rules, event, child: Given((), event.raised[-1].value)
    )
    for number in range(5):
        accepted(
            project, an_event(value="x" * 400 if number == 2 else "x", function=f"f{number}"), number=number
        )
    real = digesting._make_issue

    def untrimmed(each: digesting.Arrived) -> ErrorIssue:
        issue = real(each)
        ErrorIssue.objects.filter(pk=issue.pk).update(title=each.given.title)
        return issue

    monkeypatch.setattr(digesting, "_make_issue", untrimmed)
    assert digest(now=NOW) == 5
    assert ErrorIssue.objects.count() == 4
    refused = ErrorIntake.objects.get()
    assert (refused.event_id, refused.failed_at) == (f"{2:032x}", NOW)
    assert "too long" in refused.failure
    assert "one by one" in caplog.text
    assert digest(now=NOW) == 0, "what is marked is left alone"


def test_a_fault_of_our_own_is_marked_and_holds_nothing_up(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        accepted(project, {"attrs": {"release": str(number)}}, kind="sessions", number=number)
    accepted(project, an_event(), number=3)
    real = others.take_others

    def faulty(rows: Any, *, now: Any) -> Any:
        if any(row.event_id == f"{1:032x}" for those in rows.values() for row, _ in those):
            raise KeyError("a fault")
        return real(rows, now=now)

    monkeypatch.setattr(digesting, "take_others", faulty)
    assert digest(now=NOW) == 4
    left = ErrorIntake.objects.get()
    assert (left.event_id, left.failed_at, left.failure) == (f"{1:032x}", NOW, "KeyError: 'a fault'")
    assert ErrorIssue.objects.get().stat.count == 1


def test_a_database_that_is_away_marks_nothing(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(project, an_event())

    def away(*_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(digesting, "_store", away)
    with pytest.raises(OperationalError):
        digest(now=NOW)
    assert ErrorIntake.objects.get().failed_at is None


def test_the_same_error_is_one_issue_with_an_exact_count(project: ErrorProject) -> None:
    for number in range(5):
        accepted(
            project, an_event(value=f"'{number}'", tags={"region": "eu"}), number=number, child="shop/api@1"
        )
    accepted(project, an_event(function="store"), number=9)
    assert digest(now=NOW) == 6
    first, second = ErrorIssue.objects.order_by("number")
    assert (first.short_id, first.stat.count, second.stat.count) == ("SHOP-1", 5, 1)
    assert (first.title, first.culprit, first.child) == ("KeyError: '0'", "shop in load", "shop/api@1")
    assert first.because["rule"] == "calls of the program's own code"
    assert ErrorEvent.objects.filter(issue_id=first.pk).count() == 5
    assert ErrorIssueHour.objects.get(issue=first).count == 5
    assert ErrorTag.objects.get(issue=first, key="region").count == 5
    assert ErrorTag.objects.get(issue=first, key="child").value == "shop/api@1"
    assert not ErrorIntake.objects.filter(failed_at=None).exists()


def test_a_report_that_comes_twice_counts_once(project: ErrorProject) -> None:
    accepted(project, an_event(), number=1)
    accepted(project, an_event(), number=1)
    digest(now=NOW)
    accepted(project, an_event(), number=1)
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 1
    assert ErrorEvent.objects.count() == 1
    assert sum(ErrorDiscard.objects.filter(reason="duplicate").values_list("count", flat=True)) == 2


def test_what_cannot_be_digested_stays_and_holds_nothing_up(project: ErrorProject) -> None:
    ErrorIntake.objects.create(
        project=project, kind="event", event_id="f" * 32, body=b"not compressed", received_at=NOW
    )
    accepted(project, an_event())
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 1
    left = ErrorIntake.objects.get()
    assert left.failed_at == NOW
    assert left.failure
    assert digest(now=NOW) == 0


def test_an_issue_that_was_resolved_comes_back(project: ErrorProject) -> None:
    accepted(project, an_event(), number=1)
    digest(now=NOW)
    ErrorIssue.objects.update(status="resolved", status_at=NOW)
    accepted(project, an_event(), number=2, at=NOW + dt.timedelta(minutes=1))
    digest(now=NOW + dt.timedelta(minutes=1))
    assert ErrorIssue.objects.get().status == "regressed"
    assert "regressed" in ErrorActivity.objects.values_list("kind", flat=True)


def test_an_older_release_does_not_bring_it_back(project: ErrorProject) -> None:
    for number, release in enumerate(("1.0", "1.1", "1.2")):
        accepted(
            project,
            an_event("Other", release=release),
            number=number + 100,
            at=NOW + dt.timedelta(hours=number),
        )
    accepted(project, an_event(release="1.0"), number=1)
    digest(now=NOW)
    ErrorIssue.objects.filter(type="KeyError").update(status="resolved", status_at=NOW, resolved_in="1.1")
    later = NOW + dt.timedelta(days=1)
    accepted(project, an_event(release="1.0"), number=2, at=later)
    digest(now=later)
    assert ErrorIssue.objects.get(type="KeyError").status == "resolved"
    accepted(project, an_event(release="1.2"), number=3, at=later)
    digest(now=later)
    assert ErrorIssue.objects.get(type="KeyError").status == "regressed"


def test_a_rule_groups_and_names(project: ErrorProject) -> None:
    ErrorRule.objects.create(
        project=project, match=[["type", "*Error"]], fingerprint=["all"], title="all of {{ type }}"
    )
    accepted(project, an_event("KeyError"), number=1)
    accepted(project, an_event("OSError", function="other"), number=2)
    digest(now=NOW)
    issue = ErrorIssue.objects.get()
    assert (issue.title, issue.stat.count) == ("all of KeyError", 2)


def test_a_change_of_what_is_own_code_keeps_the_issue(project: ErrorProject) -> None:
    accepted(project, an_event(), number=1)
    digest(now=NOW)
    other = an_event()
    other["exception"]["values"][0]["stacktrace"]["frames"][0]["in_app"] = False
    accepted(project, other, number=2)
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 2


def test_what_a_client_lost_is_counted(project: ErrorProject) -> None:
    accepted(
        project,
        {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 7}, 5]},
        kind="client_report",
    )
    digest(now=NOW)
    row = ErrorDiscard.objects.get()
    assert (row.category, row.reason, row.count) == ("error", "client: queue_overflow", 7)


def test_the_event_is_kept_with_why_it_was_grouped(project: ErrorProject) -> None:
    accepted(project, an_event(extra={"size": 3}))
    digest(now=NOW)
    data = unpacked(ErrorEvent.objects.get().data)
    assert data["extra"] == {"size": 3}
    assert data["grouping"]["frames"] == [[0, 0]]


@pytest.mark.django_db(transaction=True)
def test_several_digests_at_once_count_everything_once() -> None:
    project = ErrorProject.objects.create(slug="shop", name="Shop")
    for number in range(200):
        accepted(
            project, an_event(function=f"f{number % 7}", tags={"n": str(number % 3)}), number=number // 2
        )
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while digest(now=NOW, most=15) or ErrorIntake.objects.filter(failed_at=None).exists():
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


def _status_after(project: ErrorProject, first: int, count: int, at: dt.datetime, **more: Any) -> str:
    for number in range(first, first + count):
        accepted(project, an_event(**more), number=number, at=at)
    digest(now=at)
    return ErrorIssue.objects.get().status


def _decided(**decision: Any) -> None:
    issues.set_status(issue=ErrorIssue.objects.get(), now=NOW, actor=ACTOR, **decision)


def test_an_error_is_there_again_though_nothing_named_the_release_that_was_to_mend_it(
    project: ErrorProject,
) -> None:
    hour = dt.timedelta(hours=1)
    _status_after(project, 1, 1, NOW - hour, release="1.2")
    _decided(status="resolved", release="1.3")
    assert _status_after(project, 2, 1, NOW + hour, release="1.2") == "resolved"
    assert _status_after(project, 3, 1, NOW + hour, release="1.2.9") == "resolved", (
        "an older line, mended later"
    )
    assert _status_after(project, 4, 1, NOW + 2 * hour, release="1.4") == "regressed"


def test_a_release_that_is_no_version_is_later_when_it_came_after_the_decision(project: ErrorProject) -> None:
    hour = dt.timedelta(hours=1)
    _status_after(project, 1, 1, NOW - hour, release="3f2a91c")
    _decided(status="resolved", release="77ab01d")
    assert _status_after(project, 2, 1, NOW + hour, release="3f2a91c") == "resolved"
    assert _status_after(project, 3, 1, NOW + hour) == "resolved"
    assert _status_after(project, 4, 1, NOW + hour, release="c0ffee1") == "regressed"


def test_an_archived_issue_is_open_again_when_what_it_waited_for_has_come(project: ErrorProject) -> None:
    hour = dt.timedelta(hours=1)
    assert _status_after(project, 1, 2, NOW) == "new"
    _decided(status="archived", until=issues.Until(events=3))
    assert _status_after(project, 10, 2, NOW + hour) == "archived"
    assert _status_after(project, 20, 1, NOW + hour) == "ongoing"
    _decided(status="archived", until=issues.Until(at=NOW + 3 * hour))
    assert _status_after(project, 30, 1, NOW + 2 * hour) == "archived"
    assert _status_after(project, 40, 1, NOW + 3 * hour) == "ongoing"
    _decided(status="archived", until=issues.Until(escalates=True))
    assert ErrorIssue.objects.get().until_per_hour == 10
    assert _status_after(project, 50, 9, NOW + 4 * hour) == "archived"
    assert _status_after(project, 60, 1, NOW + 4 * hour) == "escalating"
    _decided(status="archived")
    assert _status_after(project, 100, 50, NOW + 5 * hour) == "archived", "for good"
    kinds = list(ErrorActivity.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds.count("ongoing") == 2
    assert kinds.count("escalating") == 1
    assert ErrorOccasion.objects.filter(kind="regressed").count() == 3, "rules hear that it is there again"


def test_resolved_in_the_next_release_holds_for_those_that_were_there(project: ErrorProject) -> None:
    hour = dt.timedelta(hours=1)
    assert _status_after(project, 1, 1, NOW - hour, release="1.0") == "new"
    _decided(status="resolved", in_next_release=True)
    assert _status_after(project, 2, 1, NOW + hour, release="1.0") == "resolved"
    assert _status_after(project, 3, 1, NOW + hour) == "resolved", "who names no release says nothing of it"
    assert _status_after(project, 4, 1, NOW + hour, release="1.1") == "regressed"


def _by_type(event: ErrorEventData, _fingerprint: object) -> Grouping:
    name = event.raised[-1].type
    return Grouping(f"{name}-app", f"{name}-system", None, Because("type", (name,)))


def test_after_another_algorithm_what_was_known_goes_on_for_a_while(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digesting, "ALGORITHMS", {**ALGORITHMS, "g0": _by_type})
    ErrorProject.objects.update(algorithm="g0")
    project.refresh_from_db()
    accepted(project, an_event(function="load"), number=1)
    digest(now=NOW)
    assert ErrorIssue.objects.get().hashes.filter(algorithm="g0").count() == 2
    change_project(project=project, fields={"algorithm": "g1"}, now=NOW, actor=ACTOR)
    day = dt.timedelta(days=1)
    accepted(project, an_event(function="load"), number=2, at=NOW + day)
    accepted(project, an_event("ValueError"), number=3, at=NOW + day)
    digest(now=NOW + day)
    assert sorted(ErrorIssue.objects.values_list("number", "stat__count")) == [(1, 2), (2, 1)]
    assert ErrorIssue.objects.get(number=1).hashes.filter(algorithm="g1").exists()
    assert not ErrorIssue.objects.get(number=2).hashes.filter(algorithm="g0").exists()
    later = NOW + 31 * day
    accepted(project, an_event(function="load"), number=4, at=later)
    accepted(project, an_event(function="store"), number=5, at=later)
    digest(now=later)
    assert sorted(ErrorIssue.objects.values_list("number", "stat__count")) == [(1, 3), (2, 1), (3, 1)]


def test_an_algorithm_of_a_later_version_is_left_to_it(project: ErrorProject) -> None:
    ErrorProject.objects.update(
        algorithm="g9", former_algorithm="g8", former_until=NOW + dt.timedelta(days=9)
    )
    accepted(project, an_event(), number=1)
    digest(now=NOW)
    assert set(ErrorIssue.objects.get().hashes.values_list("algorithm", flat=True)) == {"g1"}


def test_users_of_an_issue_are_counted_once_each(project: ErrorProject) -> None:
    hour = dt.timedelta(hours=1)
    for number, user in enumerate(("ada", "bob", "ada", "")):
        accepted(project, an_event(user={"id": user}), number=number)
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.users == 2
    _decided(status="archived", until=issues.Until(users=2))
    assert _status_after(project, 10, 5, NOW + hour, user={"id": "eve"}) == "archived"
    assert _status_after(project, 20, 1, NOW + hour, user={"id": "ada"}) == "archived"
    assert _status_after(project, 30, 1, NOW + hour, user={"id": "joe"}) == "ongoing"
    assert ErrorIssue.objects.get().stat.users == 4
    assert not {"ada", "bob", "eve"} & set(ErrorIssueUser.objects.values_list("user", flat=True))


def test_users_of_merged_issues_are_counted_once(project: ErrorProject) -> None:
    for number, (function, user) in enumerate(
        (("load", "ada"), ("load", "bob"), ("save", "bob"), ("save", "eve"))
    ):
        accepted(project, an_event(function=function, user={"id": user}), number=number)
    digest(now=NOW)
    one, other = ErrorIssue.objects.order_by("number")
    joining.merge(into=one, others=[other], now=NOW, actor=ACTOR)
    assert list(ErrorIssueStat.objects.order_by("issue__number").values_list("users", flat=True)) == [3, 0]
    assert one.affected.count() == 3
    drop_old(now=NOW + dt.timedelta(days=200))
    assert not ErrorIssueUser.objects.exists()


def test_what_was_not_seen_for_long_is_resolved_by_itself_and_comes_back(project: ErrorProject) -> None:
    day = dt.timedelta(days=1)
    assert _status_after(project, 1, 1, NOW) == "new"
    assert issues.resolve_quiet(now=NOW + 400 * day) == 0, "unless the project says so"
    change_project(project=project, fields={"resolve_after_days": 14}, now=NOW, actor=ACTOR)
    assert issues.resolve_quiet(now=NOW + 14 * day) == 0
    assert issues.resolve_quiet(now=NOW + 15 * day) == 1
    assert issues.resolve_quiet(now=NOW + 15 * day) == 0
    note = ErrorActivity.objects.get(kind="resolved")
    assert (note.actor, note.text) == ("", "not seen for 14 days")
    assert _status_after(project, 2, 1, NOW + 16 * day) == "regressed"
