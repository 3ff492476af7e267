"""Error budgets: what is left, how fast it burns, which burn is told."""

import pytest

from supervision.rules.budget import BURNS, Tally, burn_rate, burning, standing

SHORT = {burn.short_s for burn in BURNS}


def test_at_the_target_the_budget_is_used_up_exactly() -> None:
    assert standing(Tally(999, 1000), 99.9).left == pytest.approx(0)
    assert standing(Tally(1000, 1000), 99.9) == standing(Tally(1, 1), 99.9)
    assert standing(Tally(998, 1000), 99.9).left == pytest.approx(-1)


def test_where_nothing_counted_nothing_is_known() -> None:
    assert standing(Tally(0, 0), 99.9).attained is None
    assert burn_rate(Tally(0, 0), 99.9) is None
    assert burning(99.9, lambda _seconds: Tally(0, 0)) is None


def test_a_burn_is_told_only_while_it_goes_on() -> None:
    bad, good = Tally(90, 100), Tally(100, 100)
    assert burning(99, lambda seconds: good if seconds in SHORT else bad) is None


@pytest.mark.parametrize(("share", "told"), [(0.15, 0), (0.07, 1), (0.02, 2), (0.005, None)])
def test_the_faster_it_burns_the_more_urgent_it_is(share: float, told: int | None) -> None:
    found = burning(99, lambda _seconds: Tally(1 - share, 1))
    assert (None if found is None else BURNS.index(found[0])) == told
    assert found is None or found[1] == pytest.approx(share * 100)
