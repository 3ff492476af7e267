"""Of a storm ever fewer events are kept, and of a minute that is none all."""

from supervision.errors.sampling import is_kept, one_of

WHOLE = 120


def test_up_to_the_bound_all_are_kept() -> None:
    assert all(is_kept(number, whole=WHOLE) for number in range(1, WHOLE + 1))


def test_without_a_bound_all_are() -> None:
    assert all(is_kept(number, whole=0) for number in range(1, 10_000))


def test_beyond_it_every_second_fourth_and_so_on() -> None:
    numbers = (WHOLE + 1, 2 * WHOLE, 2 * WHOLE + 1, 4 * WHOLE, 4 * WHOLE + 1)
    assert [one_of(number, whole=WHOLE) for number in numbers] == [2, 2, 4, 4, 8]


def test_each_doubling_keeps_as_much_again_and_no_more() -> None:
    for doubling in range(8):
        numbers = range(WHOLE * 2**doubling + 1, WHOLE * 2 ** (doubling + 1) + 1)
        kept = sum(is_kept(number, whole=WHOLE) for number in numbers)
        assert abs(kept - WHOLE / 2) <= 1, doubling
