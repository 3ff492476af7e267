"""Rates and times to a limit, by arithmetic."""

import pytest

from supervision.leaks.evidence import Rate, rate_of, seconds_to
from supervision.leaks.growth import Rise


def test_a_straight_line_has_its_slope_and_no_band() -> None:
    rate = rate_of([Rise(3600.0 * hour, 10.0, 0) for hour in range(5)])
    assert [rate.per_hour, rate.low, rate.high] == pytest.approx([10.0, 10.0, 10.0])


def test_a_crooked_one_has_a_band_that_never_goes_below_nothing() -> None:
    rate = rate_of([Rise(0.0, 1.0, 0), Rise(3600.0, 50.0, 0), Rise(7200.0, 9.0, 0), Rise(9000.0, 2.0, 0)])
    assert 0.0 <= rate.low < rate.per_hour < rate.high


@pytest.mark.parametrize(
    ("limit", "value", "per_hour", "seconds"),
    [
        (100.0, 40.0, 30.0, 7200.0),
        (100.0, 100.0, 30.0, 0.0),
        (100.0, 120.0, 30.0, 0.0),
        (100.0, 40.0, 0.0, None),
    ],
)
def test_time_to_a_limit(limit: float, value: float, per_hour: float, seconds: float | None) -> None:
    assert seconds_to(limit, value, Rate(per_hour, 0.0, per_hour)) == seconds
