"""What is usual, and how much is too much."""

import datetime as dt

import pytest

from supervision.errors.spikes import FLOOR_PER_MINUTE, limit_per_minute, usual_per_minute

NOW = dt.datetime(2026, 11, 28, 12, 20, tzinfo=dt.UTC)
THIS = NOW.replace(minute=0)


def back(hours: int) -> dt.datetime:
    return THIS - dt.timedelta(hours=hours)


def test_a_steady_rate_is_the_usual_one() -> None:
    hours = {back(hour): 600 for hour in range(1, 200)}
    assert usual_per_minute(hours, since=back(200), now=NOW) == pytest.approx(10)


def test_hours_without_events_count_and_the_present_one_does_not() -> None:
    hours = {back(0): 10**6, **{back(hour): 600 for hour in range(1, 25)}}
    usual = usual_per_minute(hours, since=back(48), now=NOW)
    assert usual == pytest.approx(5)


def test_what_was_a_week_before_does_not_count_any_more() -> None:
    hours = {back(hour): 60_000 for hour in range(169, 300)}
    assert usual_per_minute(hours, since=back(300), now=NOW) == 0


def test_a_rush_at_the_same_time_of_every_day_weighs_more_than_one_at_another() -> None:
    noon = {back(24 * day): 6000 for day in range(1, 7)}
    night = {back(24 * day + 12): 6000 for day in range(1, 7)}
    at_noon = usual_per_minute(noon, since=back(168), now=NOW)
    at_night = usual_per_minute(night, since=back(168), now=NOW)
    assert at_noon is not None
    assert at_night is not None
    assert at_noon == pytest.approx(3 * at_night)


def test_of_less_than_a_day_nobody_knows() -> None:
    assert usual_per_minute({}, since=NOW - dt.timedelta(hours=23, minutes=59), now=NOW) is None
    assert usual_per_minute({}, since=NOW - dt.timedelta(days=1), now=NOW) == 0


@pytest.mark.parametrize(
    ("usual", "factor", "limit"),
    [(None, 5, None), (100.0, 0, None), (0.0, 5, FLOOR_PER_MINUTE), (100.0, 5, 500), (100.1, 5, 501)],
)
def test_the_limit_is_so_many_times_the_usual_and_never_below_the_floor(
    usual: float | None, factor: int, limit: int | None
) -> None:
    assert limit_per_minute(usual, factor=factor) == limit
