"""A condition over a series: when it is crossed, when it is over, and when it cannot be said."""

import pytest

from supervision.rules.conditions import Condition, Point, Shape, Side, Verdict, judge, slope

NOW = 1_000_020.0
"""Twenty seconds into a minute."""
LAST = 999_960


def minutes(*values: float | None, last: int = LAST) -> list[Point]:
    """The newest last; None: not measured."""
    begin = last - (len(values) - 1) * 60
    return [Point(begin + index * 60, value) for index, value in enumerate(values) if value is not None]


def look(
    condition: Condition, *values: float | None, was: bool = False, usual: float | None = None
) -> Verdict:
    return judge(condition, minutes(*values), now=NOW, was=was, usual=usual)


ABOVE_10 = Condition(Shape.THRESHOLD, 10, hold=3, recovery=8)


@pytest.mark.parametrize(
    ("values", "was", "crossed"),
    [
        ((11, 12, 13), False, True),
        ((11, 9, 13), False, False),
        ((11, 12, 10), False, False),
        (
            (9, 9.5, 9.9),
            True,
            True,
        ),  # within the bound, not within the recovery bound: still the same crossing
        ((8, 7, 12), True, True),
        ((8, 7, 8), True, False),
        ((11, None, 13), False, None),
        ((), True, None),
    ],
)
def test_a_threshold_crosses_when_it_held_and_is_over_when_the_recovery_bound_held(
    values: tuple[float | None, ...], was: bool, crossed: bool | None
) -> None:
    assert look(ABOVE_10, *values, was=was).crossed is crossed


def test_what_lies_below_a_bound() -> None:
    condition = Condition(Shape.THRESHOLD, 2, side=Side.BELOW)
    assert look(condition, 1).crossed is True
    assert look(condition, 2).crossed is False
    assert look(condition, 2, was=True).crossed is False


def test_a_series_that_ended_says_nothing() -> None:
    old = minutes(50, 50, 50, last=LAST - 600)
    assert judge(ABOVE_10, old, now=NOW, was=False).crossed is None


def test_a_rate_is_in_units_a_minute() -> None:
    condition = Condition(Shape.RATE, 5, window=10)
    rising = look(condition, *(6 * minute for minute in range(10)))
    assert (rising.crossed, rising.value) == (True, 6.0)
    assert look(condition, *(4 * minute for minute in range(10))).crossed is False


def test_one_outlier_does_not_make_a_rate() -> None:
    values = [100.0] * 10
    values[4] = 10_000
    assert look(Condition(Shape.RATE, 5, window=10), *values).value == 0.0


def test_twice_the_usual_is_one_crossing_even_when_it_lasts_longer_than_the_window() -> None:
    condition = Condition(Shape.RATIO, 1.8, hold=2, window=20)
    calm = [0.1] * 20
    crossed = look(condition, *calm, 0.2, 0.2)
    assert crossed.crossed is True
    assert crossed.usual == pytest.approx(0.1)
    long_after = [0.2] * 22
    assert look(condition, *long_after, was=True, usual=crossed.usual).crossed is True
    assert look(condition, *long_after, 0.1, 0.1, was=True, usual=crossed.usual).crossed is False


def test_what_is_usual_needs_a_while() -> None:
    condition = Condition(Shape.RATIO, 1.8, window=20)
    assert look(condition, *[0.1] * 4, 0.9).crossed is None
    assert look(condition, *[0.0] * 20, 0.9).crossed is None


def test_a_trend_tells_when_the_bound_is_reached() -> None:
    condition = Condition(Shape.TREND, 1000, window=30, within_s=3600)
    verdict = look(condition, *(500 + 10 * minute for minute in range(30)))
    assert verdict.crossed is True  # 210 left, 10 a minute
    assert "21 min" in verdict.words
    assert look(condition, *(500 + minute for minute in range(30))).crossed is False
    assert look(condition, *(900 - minute for minute in range(30)), was=True).crossed is False
    assert look(condition, *[500.0] * 4).crossed is None


def test_a_trend_is_over_only_well_away_from_its_limit() -> None:
    condition = Condition(Shape.TREND, 1000, window=30, within_s=60 * 60)
    values = [500 + 5 * minute for minute in range(30)]  # 71 min left
    assert look(condition, *values).crossed is False
    assert look(condition, *values, was=True).crossed is True


def test_a_slope_of_points_at_one_moment_is_flat() -> None:
    assert slope([Point(60, 1), Point(60, 9)]) == 0.0


def test_words_say_the_value_with_its_unit() -> None:
    condition = Condition(Shape.THRESHOLD, 512 * 2**20, unit="bytes")
    assert look(condition, 600 * 2**20).words == "600 MiB, above 512 MiB for a minute"
