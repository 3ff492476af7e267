"""The floor of a resource: what was given back does not count, and nothing is kept for ever."""

from hypothesis import given
from hypothesis import strategies as st

from supervision.leaks.growth import MOST_RISES, Growth, Rise


def _growth(**changes: float) -> Growth:
    return Growth(**{"floor_s": 100.0, "merge_s": 0.0, "resolution": 1.0, **changes})


def _feed(growth: Growth, values: list[float], every: float = 10.0) -> list[Rise]:
    for index, value in enumerate(values):
        growth.feed(index * every, value, index)
    return growth.rises


def test_nothing_rises_before_the_window_has_filled() -> None:
    assert _feed(_growth(), [float(value) for value in range(11)]) == []


def test_what_is_given_back_within_the_window_is_no_rise() -> None:
    assert _feed(_growth(), [5.0, 50.0, 5.0, 90.0, 5.0, 70.0] * 20) == []


def test_a_rise_comes_when_the_lower_value_has_left_the_window() -> None:
    values = [5.0] * 20 + [7.0] * 20
    (rise,) = _feed(_growth(), values)
    assert rise == Rise(at=300.0, amount=2.0, work=30)


def test_a_fall_and_a_return_to_the_same_height_is_no_rise() -> None:
    assert len(_feed(_growth(), [1.0] * 20 + [9.0] * 20 + [2.0] * 20 + [9.0] * 40)) == 1


def test_less_than_the_resolution_is_kept_for_later() -> None:
    rises = _feed(_growth(resolution=3.0), [0.0] * 12 + [2.0] * 12 + [4.0] * 12)
    assert [rise.amount for rise in rises] == [4.0]


def test_the_relative_resolution_is_of_the_first_floor() -> None:
    assert _feed(_growth(relative=0.5), [100.0] * 12 + [140.0] * 12) == []
    assert len(_feed(_growth(relative=0.5), [100.0] * 12 + [150.0] * 12)) == 1


def test_near_rises_are_one() -> None:
    rises = _feed(_growth(merge_s=60.0), [0.0] * 12 + [1.0, 2.0, 3.0] + [3.0] * 12)
    assert [rise.amount for rise in rises] == [3.0]


def test_a_long_life_keeps_only_a_sum_of_the_oldest() -> None:
    growth = _growth()
    _feed(growth, [float(value) for value in range(3 * MOST_RISES)])
    assert len(growth.rises) == MOST_RISES
    assert growth.base is not None
    assert growth.total == growth.highest - growth.base
    assert growth.forgotten > 0


@given(st.lists(st.integers(0, 50).map(float), min_size=1, max_size=120))
def test_the_floor_is_the_minimum_of_the_window_and_the_total_what_it_gained(values: list[float]) -> None:
    growth = _growth()
    floors = []
    for index, value in enumerate(values):
        growth.feed(index * 10.0, value, 0)
        if index >= 10:
            floors.append(min(values[index - 10 : index + 1]))
    if floors:
        assert growth.base == floors[0]
        assert growth.highest == max(floors)
        assert growth.total == max(floors) - floors[0]
