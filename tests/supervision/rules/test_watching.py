"""Rules over rows: one crossing is one alert, recovery resolves it, and what is not known changes nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from supervision.alerts.models import Alert
from supervision.rules import readings, services
from supervision.rules.exceptions import InvalidRuleError
from supervision.rules.models import Crossing, MeasureRule, QueueMinute
from supervision.rules.readings import note_queues
from supervision.rules.watching import GONE_AFTER, look, watch_rules
from supervision.samples.models import SampleMinute
from supervision.tasks.models import TaskQueue
from tests.supervision.rules.rows import ACTOR, NOW, ago, attempts, child, life, node, rule, sampled

pytestmark = pytest.mark.django_db


def alerts() -> dict[str, str]:
    return dict(Alert.objects.order_by("id").values_list("subject", "state"))


def test_one_crossing_is_one_alert_and_recovery_resolves_it() -> None:
    host, watched = node(), rule(bound=1000, recovery=900)
    sampled(host, "shop/web", 500, 1500)
    sampled(host, "shop/db", 500, 800)
    assert look(watched, NOW) == 1
    assert look(watched, NOW + timedelta(seconds=10)) == 0
    alert = Alert.objects.get()
    assert (alert.title, alert.tree, alert.count) == (
        "memory: shop/web on alpha: 1.46 KiB, above 1000 B for a minute",
        "shop",
        1,
    )
    later = NOW + timedelta(minutes=1)
    sampled(host, "shop/web", 950, until=0)
    assert look(watched, later) == 0  # between bound and recovery
    sampled(host, "shop/web", 850, until=-1)
    assert look(watched, later + timedelta(minutes=1)) == 1
    assert alerts() == {"memory: shop/web on alpha": "resolved"}
    assert not Crossing.objects.exists()


def test_a_child_that_is_not_sampled_any_more_is_over_after_a_while() -> None:
    host, watched = node(), rule()
    sampled(host, "shop/web", 1500)
    look(watched, NOW)
    assert look(watched, NOW + GONE_AFTER - timedelta(minutes=1)) == 0
    assert look(watched, NOW + GONE_AFTER + timedelta(minutes=1)) == 1
    assert alerts() == {"memory: shop/web on alpha": "resolved"}


def test_many_of_a_tree_are_one_alert_where_the_rule_says_so() -> None:
    host, watched = node(), rule(group="tree")
    for name in ("a", "b", "c"):
        sampled(host, f"shop/{name}", 1500)
    sampled(host, "blog/a", 1500)
    look(watched, NOW)
    assert alerts() == {"memory: shop": "open", "memory: blog": "open"}
    assert "3 beyond the bound" in Alert.objects.get(tree="shop").title
    SampleMinute.objects.filter(key__in=["shop/a", "shop/b"]).update(rss_avg=1)
    look(watched, NOW)
    assert Alert.objects.get(tree="shop").state == "open"
    SampleMinute.objects.filter(key="shop/c").update(rss_avg=1)
    look(watched, NOW)
    assert alerts() == {"memory: shop": "resolved", "memory: blog": "open"}


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"tree": "shop"}, {"shop/web@1", "shop/db"}),
        ({"pattern": "*/web*"}, {"shop/web@1", "shopping/web"}),
        ({"tree": "shop", "pattern": "shop/d*"}, {"shop/db"}),
        ({"pattern": "shop/d.*"}, set()),
    ],
)
def test_a_rule_watches_what_its_tree_and_pattern_name(fields: dict[str, str], keys: set[str]) -> None:
    host = node()
    for key in ("shop/web@1", "shop/db", "shopping/web"):
        sampled(host, key, 1500)
    look(rule(**fields), NOW)
    assert set(Crossing.objects.values_list("key", flat=True)) == keys


def test_a_programs_own_gauge() -> None:
    host = node()
    sampled(host, "shop/web", {"queue": {"avg": 30.0, "max": 90, "last": 7}}, column="gauges")
    sampled(host, "shop/db", {"other": {"avg": 90.0, "max": 90, "last": 90}}, column="gauges")
    look(rule(measure="gauge:queue", bound=20), NOW)
    assert list(Crossing.objects.values_list("key", "value")) == [("shop/web", 30.0)]


def test_restarts_are_counted_from_the_journal_and_a_minute_without_is_zero() -> None:
    host, watched = node(), rule(measure="restarts", bound=2)
    child(host, "shop/web")
    child(host, "shop/calm")
    for number in range(1, 6):
        life(host, "shop/web", number, ago(1) + timedelta(seconds=number * 8))
    assert look(watched, NOW) == 1
    assert Crossing.objects.get().key == "shop/web"
    assert look(watched, NOW + timedelta(minutes=1)) == 1
    assert alerts() == {"memory: shop/web on alpha": "resolved"}


def test_queues_have_a_series_of_what_was_told() -> None:
    TaskQueue.objects.create(app="shop", name="mail", length=700, oldest_s=61.0, seen_at=NOW)
    TaskQueue.objects.create(app="shop", name="forgotten", length=9000, seen_at=NOW - timedelta(hours=1))
    assert note_queues(now=NOW) == 1
    TaskQueue.objects.filter(name="mail").update(length=800)
    note_queues(now=NOW + timedelta(seconds=10))
    assert list(QueueMinute.objects.values_list("name", "length")) == [("mail", 800)]
    look(rule(measure="queue_age", bound=60), NOW)
    assert Crossing.objects.get().subject == "mail of shop"


def test_twice_the_run_time_alerts_once_and_resolves_once() -> None:
    watched = rule(measure="task_p95", shape="ratio", bound=1.8, hold_minutes=2, window_minutes=20)
    for minute in range(1, 25):
        attempts("mail.send", ago(minute), *[0.2 if minute <= 2 else 0.1] * 3)
    assert look(watched, NOW) == 1
    for minute in range(30):
        attempts("mail.send", ago(-minute), *[0.2] * 3)
    assert look(watched, NOW + timedelta(minutes=30)) == 0
    for minute in (30, 31):
        attempts("mail.send", ago(-minute), *[0.1] * 3)
    assert look(watched, NOW + timedelta(minutes=32)) == 1
    assert list(Alert.objects.values_list("state", "count")) == [("resolved", 1)]


def test_failed_attempts_in_percent() -> None:
    attempts("mail.send", ago(1), 1, 1, 1)
    attempts("mail.send", ago(1), 1, outcome="failed")
    look(rule(measure="task_failures", bound=20), NOW)
    assert Crossing.objects.get().value == 25.0


def test_a_changed_rule_begins_anew_and_one_that_is_off_says_nothing() -> None:
    host, watched = node(), rule()
    sampled(host, "shop/web", 1500)
    look(watched, NOW)
    fields = services.RuleFields(
        name="memory", measure="rss", shape="threshold", bound=1000, is_enabled=False
    )
    services.save_rule(rule=watched, fields=fields, actor=ACTOR, now=NOW)
    assert alerts() == {"memory: shop/web on alpha": "resolved"}
    assert watch_rules() == 0


def test_watching_looks_at_every_rule_at_the_databases_moment() -> None:
    host, now = node(), timezone.now()
    rule(severity="critical", runbook_url="https://ops.example/memory")
    SampleMinute.objects.create(node=host, key="shop/web", at=now - timedelta(seconds=70), n=60, rss_avg=2000)
    assert watch_rules() == 1
    alert = Alert.objects.get()
    assert (alert.severity, alert.runbook_url) == ("critical", "https://ops.example/memory")
    assert MeasureRule.objects.get().looked_at is not None


def test_a_rule_over_too_much_says_so_instead_of_reading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MOST_POINTS", 3)
    sampled(node(), "shop/web", *[1500] * 10)
    watched = rule()
    assert look(watched, NOW) == 0
    watched.refresh_from_db()
    assert "narrow its tree" in watched.trouble


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"measure": "rzz"}, "measure"),
        ({"measure": "gauge:"}, "measure"),
        ({"shape": "round"}, "shape"),
        ({"bound": float("nan")}, "bound"),
        ({"bound": float("inf")}, "bound"),
        ({"recovery": 2000.0}, "recovery"),
        ({"side": "below", "recovery": 10.0}, "recovery"),
        ({"hold_minutes": 0}, "hold_minutes"),
        ({"window_minutes": 100_000}, "window_minutes"),
        ({"shape": "trend"}, "within_s"),
        ({"within_s": 60.0}, "within_s"),
        ({"shape": "ratio", "bound": 0}, "bound"),
        ({"pattern": "a\x00"}, "pattern"),
        ({"group": "all"}, "group"),
        ({"severity": "loud"}, "severity"),
        ({"runbook_url": "javascript:alert(1)"}, "runbook_url"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRuleError) as raised:
        rule(**fields)
    assert raised.value.field == field
    assert not MeasureRule.objects.exists()


def test_a_name_is_there_once() -> None:
    rule()
    with pytest.raises(InvalidRuleError, match="already"):
        rule()
