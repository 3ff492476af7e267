"""Samples as rows: each minute once, hours that know what their minutes know."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supervision.fleet.models import Node
from supervision.samples import selectors, services
from supervision.samples.models import SampleHour, SampleMinute

NODE = "a" * 32
HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _node() -> None:
    Node.objects.create(id=NODE, name="one", joined_at=HOUR)


def minute(at: datetime, *rows: tuple[str, list[Any]]) -> dict[str, Any]:
    return {"at": int(at.timestamp()), "keys": [key for key, _ in rows], "rows": [row for _, row in rows]}


def record(*minutes: dict[str, Any]) -> int:
    stored, refused = services.record_minutes(node_id=NODE, fields=FIELDS, minutes=minutes)
    assert refused == []
    return stored


FIELDS = ("n", "cpu_avg", "cpu_max", "rss_avg", "rss_max", "pss", "fds_max", "threads_max", "children_max")
FULL = [60, 0.5, 0.9, 1000, 2000, 900, 7, 2, 1]
BLANK = [30, None, None, None, None, None, None, None, None]


def test_a_minute_is_stored_once_however_often_it_comes() -> None:
    assert record(minute(HOUR, ("t/a", FULL), ("t/b", BLANK))) == 2
    record(minute(HOUR, ("t/a", [1, *FULL[1:]])))
    assert SampleMinute.objects.count() == 2
    row = SampleMinute.objects.get(key="t/a")
    assert (row.n, row.cpu_max, row.rss_max, row.at) == (60, 0.9, 2000, HOUR)
    assert SampleMinute.objects.get(key="t/b").rss_avg is None
    assert selectors.last_minute(NODE) == HOUR
    assert selectors.last_minute("b" * 32) is None


def test_an_hour_weighs_its_minutes_and_leaves_out_what_is_not_known() -> None:
    record(
        minute(HOUR, ("t/a", FULL), ("t/b", BLANK)),
        minute(HOUR + timedelta(minutes=1), ("t/a", [30, 0.2, 1.5, 400, 5000, None, 9, 2, 0])),
        minute(HOUR + timedelta(minutes=2), ("t/a", BLANK)),
        minute(HOUR + timedelta(hours=1), ("t/a", FULL)),
    )
    assert services.roll_up_hours(HOUR + timedelta(minutes=90)) == 2
    row = selectors.hours(node_id=NODE, key="t/a", since=HOUR, until=HOUR + timedelta(days=1)).get()
    assert (row.n, row.cpu_max, row.rss_avg, row.rss_max, row.pss, row.fds_max) == (
        120,
        1.5,
        800,
        5000,
        900,
        9,
    )
    assert row.cpu_avg == pytest.approx((0.5 * 60 + 0.2 * 30) / 90)
    assert SampleHour.objects.get(key="t/b").cpu_avg is None
    record(minute(HOUR + timedelta(minutes=59), ("t/a", [60, 2.0, 2.0, 1, 1, 1, 1, 1, 1])))
    services.roll_up_hours(HOUR + timedelta(minutes=90))  # a minute that came late is taken in
    row.refresh_from_db()
    assert (row.n, row.cpu_max) == (180, 2.0)


def test_hours_that_were_missed_are_made_as_long_as_there_are_minutes_of_them() -> None:
    record(*(minute(HOUR + timedelta(hours=number), ("t/a", FULL)) for number in range(12)))
    services.roll_up_hours(HOUR + timedelta(hours=1))
    services.roll_up_hours(HOUR + timedelta(hours=12))
    made = SampleHour.objects.order_by("at").values_list("at", flat=True)
    assert list(made) == [HOUR + timedelta(hours=number) for number in range(12)]


def test_what_is_too_old_goes_and_nothing_else() -> None:
    record(minute(HOUR, ("t/a", FULL)), minute(HOUR + timedelta(days=1), ("t/a", FULL)))
    services.roll_up_hours(HOUR + timedelta(hours=1))
    assert services.drop_old(HOUR + services.MINUTES_KEPT + timedelta(seconds=1)) == 1
    assert selectors.minutes(node_id=NODE, key="t/a", since=HOUR, until=HOUR + timedelta(days=9)).count() == 1
    assert services.drop_old(HOUR + services.HOURS_KEPT + timedelta(seconds=1)) == 2
    assert not SampleHour.objects.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("rss_avg", -1), ("cpu_avg", math.nan), ("written_avg", math.inf)]
)
def test_what_is_no_number_of_zero_or_more_is_refused_by_name_and_stops_no_other(
    name: str, value: float
) -> None:
    good, bad = [5, 1], [5, value]
    minutes = [{"at": 1_800_000_000, "keys": ["t/good", "t/bad"], "rows": [good, bad]}]
    stored, [error] = services.record_minutes(node_id=NODE, fields=["n", name], minutes=minutes)
    assert stored == 1
    assert error.name == name
    assert "t/bad" in str(error)
    assert str(value) in str(error)
    assert [row.key for row in SampleMinute.objects.all()] == ["t/good"]


def test_a_gauge_may_be_negative_but_not_nan() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    services.check("t/a", at, {"gauges": {"balance": {"avg": -3.0, "max": -1.0, "min": -4.0, "last": -3.0}}})
    with pytest.raises(services.BadSampleError, match="gauge balance of t/a"):
        services.check("t/a", at, {"gauges": {"balance": {"last": math.nan}}})
