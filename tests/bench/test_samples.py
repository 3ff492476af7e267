"""The arithmetic behind every figure."""

import pytest

from bench.samples import Series, p50, p99, quantile, ratio, turns


def series(name: str, *runs: list[float]) -> Series:
    return Series(name, [list(run) for run in runs])


@pytest.mark.parametrize(
    ("samples", "share", "expected"),
    [
        ([3.0], 0.5, 3.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([2.0, 1.0, 3.0], 0.5, 2.0),
        ([5.0, 1.0, 4.0, 2.0, 3.0], 0.0, 1.0),
        ([5.0, 1.0, 4.0, 2.0, 3.0], 1.0, 5.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 201)], 0.99, 198.0),
        ([float(n) for n in range(1, 51)], 0.99, 50.0),
    ],
)
def test_a_quantile_is_a_value_that_was_seen(samples: list[float], share: float, expected: float) -> None:
    assert quantile(samples, share) == expected


@pytest.mark.parametrize(("samples", "share"), [([], 0.5), ([1.0], -0.1), ([1.0], 1.1)])
def test_no_quantile_of_nothing(samples: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        quantile(samples, share)


def test_a_ratio_is_taken_inside_each_run_and_the_median_run_decides() -> None:
    floor = series("bare", [1.0] * 3, [10.0] * 3, [2.0] * 3)
    ours = series("ours", [1.2] * 3, [11.0] * 3, [8.0] * 3)

    assert ratio(ours, floor, p50) == pytest.approx(1.2)


def test_one_disturbed_run_does_not_move_a_ratio() -> None:
    floor = series("bare", *([[1.0, 1.0]] * 5))
    ours = series("ours", [1.1, 1.1], [1.1, 1.1], [90.0, 90.0], [1.1, 1.1], [1.1, 1.1])

    assert ratio(ours, floor, p99) == pytest.approx(1.1)


def test_runs_in_which_one_side_took_no_sample_are_left_out() -> None:
    floor = series("bare", [1.0], [1.0], [])
    ours = series("ours", [], [3.0], [5.0])

    assert ratio(ours, floor, p50) == pytest.approx(3.0)
    assert ratio(ours, series("bare", [], []), p50) is None


def test_a_median_over_runs_ignores_empty_runs_and_is_nothing_without_any() -> None:
    assert series("ours", [1.0], [], [3.0], [2.0]).over_runs(p50) == 2.0
    assert series("ours", []).over_runs(p50) is None


def test_samples_of_all_runs_stand_together() -> None:
    one = Series("ours")
    for value in (1.0, 2.0):
        one.begin_run()
        one.add(value)
    one.add(3.0)

    assert one.runs == [[1.0], [2.0, 3.0]]
    assert one.samples == [1.0, 2.0, 3.0]


def test_each_contender_gets_its_kills_evenly_spread_over_the_rounds() -> None:
    plan = turns([6, 3, 1, 0])

    assert len(plan) == 6
    assert [sum(at in taking for taking in plan) for at in range(4)] == [6, 3, 1, 0]
    assert [number for number, taking in enumerate(plan) if 1 in taking] == [1, 3, 5]


def test_nobody_always_follows_the_same_neighbour() -> None:
    assert {taking[0] for taking in turns([10, 10, 10])} == {0, 1, 2}


def test_there_is_no_round_without_kills() -> None:
    assert turns([]) == []
    assert turns([0, 0]) == []
