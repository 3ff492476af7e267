"""Objectives over rows: seconds and attempts counted by minute, and the burn that is told."""

from datetime import timedelta

import pytest

from supervision.alerts.models import Alert
from supervision.rules import burning, selectors, services
from supervision.rules.counting import count_minutes, drop_old, tally
from supervision.rules.exceptions import InvalidRuleError
from supervision.rules.models import Objective, ObjectiveMinute
from tests.supervision.rules.rows import ACTOR, NOW, ago, attempts, child, life, node, objective

pytestmark = pytest.mark.django_db


def counted(row: Objective) -> list[tuple[float, float]]:
    """The newest last."""
    return [(round(one.good, 3), one.total) for one in row.minutes.order_by("at")]


def test_seconds_that_a_child_should_run_and_did() -> None:
    host = node()
    child(host, "shop/web")
    life(host, "shop/web", 1, ago(600), ago(2) + timedelta(seconds=10))
    life(host, "shop/web", 2, ago(2) + timedelta(seconds=20), ready_at=ago(2) + timedelta(seconds=25))
    watched = objective(tree="shop")
    count_minutes(watched, now=NOW)
    assert counted(watched)[-3:] == [(60, 60), (45, 60), (60, 60)]
    again = counted(watched)
    count_minutes(watched, now=NOW)
    assert counted(watched) == again


def test_what_an_operator_stopped_or_holds_does_not_count() -> None:
    host = node()
    child(host, "shop/web", wanted="down", state="stopped")
    child(host, "shop/held", held=True)
    child(host, "shop/job", restart="temporary")
    watched = objective()
    assert count_minutes(watched, now=NOW) == 0
    assert not ObjectiveMinute.objects.exists()


def test_a_child_counts_from_its_first_start_on() -> None:
    host = node()
    child(host, "shop/new")
    life(host, "shop/new", 1, ago(2) + timedelta(seconds=30))
    watched = objective()
    count_minutes(watched, now=NOW)
    assert counted(watched) == [(30, 30), (60, 60)]


def test_a_child_of_a_lost_node_did_not_run_since_its_lease_ended() -> None:
    host = node(state="down", renewed_at=ago(3))
    child(host, "shop/web")
    life(host, "shop/web", 1, ago(600))
    watched = objective()
    count_minutes(watched, now=NOW)
    assert counted(watched)[-4:] == [(60, 60), (0, 60), (0, 60), (0, 60)]


def test_attempts_of_tasks() -> None:
    attempts("mail.send", ago(1), 0.1, 0.2, 3.0)
    attempts("mail.send", ago(1), 0.1, outcome="failed")
    attempts("mail.send", ago(1), 0.1, outcome="retried")
    attempts("other", ago(1), 0.1)
    success = objective(name="mail", indicator="task_success", pattern="mail.*")
    latency = objective(name="fast mail", indicator="task_latency", pattern="mail.*", latency_s=0.5)
    count_minutes(success, now=NOW)
    count_minutes(latency, now=NOW)
    assert (counted(success), counted(latency)) == ([(3, 4)], [(2, 3)])


def _minutes(row: Objective, share: float, minutes: int) -> None:
    ObjectiveMinute.objects.bulk_create(
        ObjectiveMinute(objective=row, at=ago(index + 1), good=60 * (1 - share), total=60)
        for index in range(minutes)
    )


def test_a_fast_burn_is_told_at_once_a_slow_one_as_a_warning_and_both_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(burning, "database_now", lambda: NOW)
    watched = objective(indicator="task_success")
    _minutes(watched, 0.02, 10)
    assert burning.watch_objectives() == 1
    assert Alert.objects.get().severity == "warning"
    watched.minutes.update(good=60 * 0.8)
    assert burning.watch_objectives() == 1
    assert list(Alert.objects.order_by("id").values_list("severity", "state")) == [
        ("warning", "resolved"),
        ("critical", "open"),
    ]
    assert "20.0 times too fast" in Alert.objects.get(state="open").title
    assert burning.watch_objectives() == 0
    watched.minutes.update(good=60)
    assert burning.watch_objectives() == 1
    assert burning.watch_objectives() == 0
    assert not Alert.objects.exclude(state="resolved").exists()


def test_the_state_says_what_is_left_of_the_budget() -> None:
    watched = objective()
    _minutes(watched, 0.005, 10)
    state = selectors.state_of(selectors.get_objective(watched.pk, trees=None, now=NOW))
    assert state.standing.left == pytest.approx(0.5)
    assert state.rates[3600] == pytest.approx(0.5)


def test_an_objective_that_counts_something_else_begins_anew() -> None:
    watched = objective()
    _minutes(watched, 0.5, 3)
    fields = services.ObjectiveFields(name="shop is up", indicator="availability", target=95.0)
    services.save_objective(objective=watched, fields=fields, actor=ACTOR, now=NOW)
    assert tally(watched, seconds=3600, now=NOW).total == 180
    fields = services.ObjectiveFields(name="shop is up", indicator="availability", target=95.0, tree="shop")
    services.save_objective(objective=watched, fields=fields, actor=ACTOR, now=NOW)
    assert tally(watched, seconds=3600, now=NOW).total == 0


def test_old_minutes_go() -> None:
    watched = objective(days=1)
    _minutes(watched, 0, 3)
    watched.minutes.filter(at=ago(1)).update(at=NOW - timedelta(days=3))
    assert drop_old(now=NOW) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"target": 100.0}, "target"),
        ({"target": float("nan")}, "target"),
        ({"indicator": "luck"}, "indicator"),
        ({"indicator": "task_latency"}, "latency_s"),
        ({"latency_s": 1.0}, "latency_s"),
        ({"days": 0}, "days"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRuleError) as raised:
        objective(**fields)
    assert raised.value.field == field
