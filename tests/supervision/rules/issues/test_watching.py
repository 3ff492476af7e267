"""From reports through the digest to alerts: each thing once, a burst as one, no more than so many an hour."""

import datetime as dt
from typing import Any

import pytest

from controlplane.filters.issues import issue_condition
from supervision.alerts.models import Alert, Channel, Delivery
from supervision.auditlog.models import AuditEntry
from supervision.errors.store import issues as deeds
from supervision.errors.store.aging import settle_by_clock
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIssue, ErrorProject
from supervision.errors.store.occasion_models import ErrorOccasion
from supervision.errors.store.retention import drop_old as drop_old_errors
from supervision.rules.exceptions import InvalidRuleError, NotFoundError
from supervision.rules.issues import selectors, services
from supervision.rules.issues.models import IssueFiring, IssueRule
from supervision.rules.issues.watching import drop_old, watch_issue_rules
from tests.controlplane.dashboard.facts import make_child, make_node
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db
numbers = iter(range(1, 1_000_000))


@pytest.fixture
def shop() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def made(name: str = "new ones", **fields: Any) -> IssueRule:
    asked = services.IssueRuleFields(**{"name": name, "trigger": "new", **fields})
    return services.save_rule(rule=None, fields=asked, accepts=issue_condition, actor=ACTOR, now=NOW)


def at(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def reported(project: ErrorProject, *functions: str, seconds: float = 0, **more: Any) -> None:
    """An event of each function, digested."""
    for function in functions:
        body = event(function=function, **{"environment": "production", **more})
        accepted(project, body, number=next(numbers), at=at(seconds), child="shop/api")
    digest(now=at(seconds))


def watched(seconds: float) -> int:
    return watch_issue_rules(accepts=issue_condition, now=at(seconds))


def test_an_event_of_a_new_issue_is_told_exactly_once(shop: ErrorProject) -> None:
    Channel.objects.create(name="ops", kind="email", target="ops@example.com")
    made(environment="production", gather_s=0)
    reported(shop, "load")
    assert (watched(1), watched(2)) == (1, 0)
    reported(shop, "load", seconds=3)
    assert watched(60) == 0
    alert = Alert.objects.get()
    assert alert.title == "new ones: SHOP-1, new in production: KeyError: 'a'"
    assert alert.body == "SHOP-1 new in production, production: KeyError: 'a' in shop/api"
    assert (alert.kind, alert.tree, alert.count, alert.data["issues"]) == (
        "issue_found",
        "shop",
        1,
        ["SHOP-1"],
    )
    assert Delivery.objects.get().alert == alert
    assert not ErrorOccasion.objects.exists()


def test_an_event_of_another_environment_is_not_told_and_its_first_in_this_one_is(shop: ErrorProject) -> None:
    made(environment="production", gather_s=0)
    reported(shop, "load", environment="staging")
    assert watched(1) == 0
    assert not IssueFiring.objects.exists()
    reported(shop, "load", seconds=10)
    assert watched(11) == 1
    reported(shop, "load", environment="qa", seconds=20)
    assert watched(21) == 0


def test_without_an_environment_an_issue_is_new_once(shop: ErrorProject) -> None:
    made(gather_s=0)
    reported(shop, "load", environment="staging")
    assert watched(1) == 1
    reported(shop, "load", seconds=10)
    assert watched(11) == 0


def test_a_burst_is_one_message(shop: ErrorProject) -> None:
    made(gather_s=30)
    reported(shop, *(f"f{number}" for number in range(12)))
    assert watched(1) == 0
    reported(shop, *(f"g{number}" for number in range(13)), seconds=20)
    assert watched(29) == 0
    assert watched(31) == 1
    alert = Alert.objects.get()
    assert alert.title == "new ones: 25 issues, SHOP-1 first"
    assert alert.data["count"] == 25
    lines = alert.body.splitlines()
    assert (len(lines), lines[-1]) == (21, "and 5 more")
    assert watched(100) == 0


def test_what_is_found_at_night_is_one_message_in_the_morning(shop: ErrorProject) -> None:
    made(gather_s=0, quiet_from="12:00", quiet_until="13:00")
    reported(shop, "load")
    reported(shop, "store", seconds=600)
    assert [watched(seconds) for seconds in (1, 601, 3599)] == [0, 0, 0]
    assert watched(3600) == 1
    alert = Alert.objects.get()
    assert alert.title == "new ones: 2 issues, SHOP-1 first"
    assert alert.body.endswith(
        "2 of them were held back since 12:00 UTC: the rule tells at most 10 times an hour, "
        "and nothing from 12:00 to 13:00 (UTC)."
    )
    reported(shop, "drop", seconds=3700)
    assert watched(3701) == 1


def test_a_clock_that_this_host_does_not_know_keeps_nobody_from_being_told(shop: ErrorProject) -> None:
    rule = made(gather_s=0, quiet_from="12:00", quiet_until="13:00")
    IssueRule.objects.filter(pk=rule.pk).update(quiet_zone="Mars/Olympus")
    reported(shop, "load")
    assert watched(1) == 1
    rule.refresh_from_db()
    assert rule.trouble.startswith("its quiet hours: a time zone")


def test_no_more_than_the_cap_is_told_in_an_hour_and_the_next_message_says_what_was_held_back(
    shop: ErrorProject,
) -> None:
    made(gather_s=0, most_per_hour=2)
    for number in range(5):
        reported(shop, f"f{number}", seconds=10 * number)
        watched(10 * number + 1)
    assert [alert.title.split(",")[0] for alert in Alert.objects.order_by("pk")] == [
        "new ones: SHOP-1",
        "new ones: SHOP-2",
    ]
    assert watched(3600) == 0
    assert watched(3601) == 1
    third = Alert.objects.order_by("pk")[2]
    assert third.title == "new ones: 3 issues, SHOP-3 first"
    assert third.body.endswith(
        "3 of them were held back since 12:00 UTC: the rule tells at most 2 times an hour."
    )


def test_an_issue_that_came_back_is_told_and_its_alert_ends_when_it_is_closed(shop: ErrorProject) -> None:
    made("again", trigger="regressed", environment="production", gather_s=0)
    reported(shop, "load")
    assert watched(1) == 0
    issue = ErrorIssue.objects.get()
    deeds.set_status(issue=issue, status="resolved", now=at(2), actor=ACTOR)
    reported(shop, "load", seconds=3)
    assert (watched(4), watched(5)) == (1, 0)
    assert "came back" in Alert.objects.get().title
    deeds.set_status(issue=issue, status="resolved", now=at(6), actor=ACTOR)
    watched(7)
    assert Alert.objects.get().resolved_at == at(7)
    reported(shop, "load", seconds=8)
    assert watched(9) == 1


def test_many_events_in_a_window_are_told_once_until_they_are_fewer(shop: ErrorProject) -> None:
    made("many", trigger="events", count=3, window_minutes=5, environment="production", gather_s=0)
    reported(shop, "load", "load", seconds=0)
    reported(shop, "load", "load", "load", "load", environment="staging")
    assert watched(1) == 0
    reported(shop, "load", seconds=20)
    assert (watched(21), watched(30)) == (1, 0)
    alert = Alert.objects.get()
    assert "3 events in 5 minutes" in alert.title
    watched(400)
    alert.refresh_from_db()
    assert alert.state == "resolved"
    reported(shop, "load", "load", "load", seconds=500)
    assert watched(501) == 1


def test_affected_users_are_counted_each_once(shop: ErrorProject) -> None:
    made("users", trigger="users", count=3, window_minutes=5, gather_s=0)
    for user in ("ada", "eve", "ada", "eve", "ada"):
        reported(shop, "load", user={"id": user})
    assert watched(1) == 0
    reported(shop, "load", user={"id": "bob"})
    assert watched(2) == 1
    assert "3 users in 5 minutes" in Alert.objects.get().title


def test_an_issue_that_comes_far_more_often_than_it_did_escalates(shop: ErrorProject) -> None:
    made("more", trigger="escalating", gather_s=0)
    hour = 3600
    reported(shop, *["load"] * 6, seconds=-5 * hour)
    reported(shop, *["load"] * 12, seconds=0)
    reported(shop, *["fresh"] * 30, seconds=0)
    assert watched(1) == 0, "12 are not more than twice 6, and what began within the hour is new"
    reported(shop, "load", seconds=2)
    assert (watched(3), watched(4)) == (1, 0)
    assert "13 events in an hour, before at most 6" in Alert.objects.get().title
    reported(shop, *["load"] * 30, seconds=3 * hour)
    assert [watched(seconds) for seconds in (3 * hour + 1, 5 * hour)] == [0, 0], "it escalates on"
    assert Alert.objects.get().state == "open"
    over = at(28 * hour)
    assert (settle_by_clock(now=over), watched(28 * hour)) == (1, 0)
    assert Alert.objects.get().state == "resolved"
    reported(shop, *["load"] * 61, seconds=29 * hour)
    assert watched(29 * hour + 1) == 1


def test_an_archived_issue_that_escalates_is_told_once_by_each_rule(shop: ErrorProject) -> None:
    made("more", trigger="escalating", gather_s=0)
    made("again", trigger="regressed", gather_s=0)
    reported(shop, "load", seconds=-5 * 3600)
    until = deeds.Until(escalates=True)
    deeds.set_status(issue=ErrorIssue.objects.get(), status="archived", until=until, now=at(-1), actor=ACTOR)
    reported(shop, *["load"] * 12)
    assert ErrorIssue.objects.get().status == "escalating"
    reported(shop, *["load"] * 12, seconds=2)
    assert [watched(seconds) for seconds in (3, 13, 23, 3700)] == [2, 0, 0, 0]
    assert sorted(Alert.objects.values_list("data__rule", flat=True)) == ["again", "more"]


def test_fewer_than_ten_in_an_hour_escalate_nothing(shop: ErrorProject) -> None:
    made("more", trigger="escalating", gather_s=0)
    reported(shop, "load", seconds=-5 * 3600)
    reported(shop, *["load"] * 9)
    assert watched(1) == 0
    reported(shop, "load")
    assert watched(1) == 1


def test_the_share_of_a_trees_workers_that_saw_an_issue_is_told(shop: ErrorProject) -> None:
    node = make_node()
    for number in range(1, 5):
        make_child(node, f"shop/mail@{number}", kind="celery_worker")
    make_child(node, "shop/mail@5", kind="celery_worker", wanted="down")
    make_child(node, "shop/mail@6", kind="celery_worker", removed=True)
    make_child(node, "shop/web@1")
    make_child(node, "bank/mail@1", kind="celery_worker")
    made("half of them", trigger="workers", count=50, window_minutes=5, gather_s=0, filter="level:error")

    def seen(child: str, seconds: float = 0, level: str = "error") -> None:
        body = event(level=level, environment="production")
        accepted(shop, body, number=next(numbers), at=at(seconds), child=child)
        digest(now=at(seconds))

    for child in ("shop/mail@1", "shop/mail@1", "shop/web@1", "shop/mail@5", "shop/mail@6", "bank/mail@1"):
        seen(child)
    assert watched(1) == 0, "one of four"
    seen("shop/mail@2", seconds=2)
    assert (watched(3), watched(4)) == (1, 0)
    assert "2 of 4 workers in 5 minutes" in Alert.objects.get().title
    seen("shop/mail@3", seconds=400)
    watched(401)
    assert Alert.objects.get().state == "resolved", "one of four again"


def test_nothing_is_told_of_a_muted_issue(shop: ErrorProject) -> None:
    made("many", trigger="events", count=2, window_minutes=5, gather_s=0)
    reported(shop, "load", "load")
    assert watched(1) == 1
    issue = ErrorIssue.objects.get()
    deeds.set_status(issue=issue, status="muted", now=at(2), actor=ACTOR)
    watched(3)
    assert Alert.objects.get().state == "resolved"
    reported(shop, "load", "load", seconds=4)
    assert watched(5) == 0
    assert ErrorIssue.objects.get().status == "muted", "events change nothing of it"
    deeds.set_status(issue=issue, status="ongoing", now=at(6), actor=ACTOR)
    assert watched(7) == 1


@pytest.mark.parametrize("status", ["archived", "resolved"])
@pytest.mark.parametrize("trigger", ["events", "users", "escalating"])
def test_what_is_closed_is_counted_no_more(shop: ErrorProject, trigger: str, status: str) -> None:
    fields = {} if trigger == "escalating" else {"count": 1, "window_minutes": 60}
    made("many", trigger=trigger, gather_s=0, **fields)
    reported(shop, "load", seconds=-7200, user={"id": "ada"})
    reported(shop, *["load"] * 10, user={"id": "ada"})
    assert watched(1) == 1
    issue = ErrorIssue.objects.get()
    deeds.set_status(issue=issue, status=status, now=at(2), actor=ACTOR)
    assert [watched(seconds) for seconds in (3, 13, 23)] == [0, 0, 0]
    assert (IssueFiring.objects.count(), Alert.objects.get().state) == (1, "resolved")
    deeds.set_status(issue=issue, status="ongoing", now=at(24), actor=ACTOR)
    assert watched(25) == 1


def test_what_was_closed_before_it_was_told_is_not_told(shop: ErrorProject) -> None:
    made("many", trigger="events", count=1, window_minutes=60, gather_s=30)
    reported(shop, "load", "store")
    assert watched(1) == 0
    deeds.set_status(issue=ErrorIssue.objects.get(number=1), status="resolved", now=at(2), actor=ACTOR)
    assert watched(40) == 1
    assert Alert.objects.get().data["issues"] == ["SHOP-2"]
    assert watched(50) == 0


def test_the_filter_is_the_one_of_the_page_and_another_projects_issues_are_not_found(
    shop: ErrorProject,
) -> None:
    bank = ErrorProject.objects.create(slug="bank", name="Bank", tree="bank")
    made("warnings", filter="level:warning", project="shop", gather_s=0)
    reported(shop, "load")
    reported(bank, "load", level="warning")
    assert watched(1) == 0
    reported(shop, "other", level="warning", seconds=2)
    assert watched(3) == 1
    assert Alert.objects.get().data["issues"] == ["SHOP-2"]


def test_a_filter_that_is_not_understood_any_more_is_said_and_holds_nothing_up(shop: ErrorProject) -> None:
    broken = made("broken", gather_s=0)
    IssueRule.objects.filter(pk=broken.pk).update(filter="colour:red")
    made("whole", gather_s=0)
    reported(shop, "load")
    assert watched(1) == 1
    broken.refresh_from_db()
    assert broken.trouble.startswith("its filter: ")


def test_what_a_rule_found_is_over_when_it_is_changed_switched_off_or_removed(shop: ErrorProject) -> None:
    rule = made(gather_s=0)
    reported(shop, "load")
    watched(1)
    services.set_enabled(rule=rule, is_enabled=False, actor=ACTOR, now=at(2))
    assert (Alert.objects.get().resolved_by, rule.firings.count()) == ("the rule was switched off", 0)
    reported(shop, "other", seconds=3)
    assert watched(4) == 0
    services.set_enabled(rule=rule, is_enabled=True, actor=ACTOR, now=at(5))
    reported(shop, "third", seconds=6)
    assert watched(7) == 1
    services.delete_rule(rule=rule, actor=ACTOR, now=at(8))
    assert not Alert.objects.filter(resolved_at=None).exists()
    with pytest.raises(NotFoundError):
        selectors.rule_called("new ones")
    said = list(AuditEntry.objects.filter(action__startswith="issue_rule").values_list("action", flat=True))
    assert sorted(said) == [
        "issue_rule.create", "issue_rule.delete", "issue_rule.disable", "issue_rule.enable"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"trigger": "never"}, "trigger"),
        ({"project": "none"}, "project"),
        ({"count": 5}, "count"),
        ({"trigger": "events", "count": 0}, "count"),
        ({"trigger": "workers", "count": 101}, "count"),
        ({"trigger": "escalating", "count": 2}, "count"),
        ({"trigger": "events", "window_minutes": 1441}, "window_minutes"),
        ({"filter": "colour:red"}, "filter"),
        ({"filter": "first_seen:>99999999999d"}, "filter"),
        ({"gather_s": 3601}, "gather_s"),
        ({"most_per_hour": 0}, "most_per_hour"),
        ({"severity": "loud"}, "severity"),
        ({"runbook_url": "javascript:1"}, "runbook_url"),
        ({"environment": "a\nb"}, "environment"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        made(**fields)
    assert refused.value.field == field


def test_what_is_over_and_what_nobody_looked_at_goes_with_time(shop: ErrorProject) -> None:
    made(gather_s=0)
    reported(shop, "load")
    watched(1)
    reported(shop, "other", seconds=2)
    deeds.set_status(issue=ErrorIssue.objects.get(number=1), status="archived", now=at(3), actor=ACTOR)
    watched(4)
    day = 86400
    assert drop_old(now=at(89 * day)) == 0
    assert drop_old(now=at(91 * day)) == 1
    reported(shop, "third", seconds=5)
    drop_old_errors(now=at(2 * day))
    assert not ErrorOccasion.objects.exists()
