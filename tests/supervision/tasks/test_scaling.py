"""How many workers: a table of cases, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.tasks.scaling import Bounds, Seen, decide

BOUNDS = Bounds(least=1, most=5, queue_length=10, oldest_s=30.0, cooldown_s=60.0)


@pytest.mark.parametrize(
    ("seen", "workers"),
    [
        (Seen(2, 100, length=21, oldest_s=1), 3),  # more than 10 for each
        (Seen(2, 100, length=20, oldest_s=1), None),
        (Seen(2, 100, length=3, oldest_s=31), 3),  # few, but one waits long
        (Seen(2, 59, length=500, oldest_s=99), None),  # within the cooldown
        (Seen(5, 100, length=500, oldest_s=99), None),  # as many as there may be
        (Seen(3, 100, length=10, oldest_s=15), 2),  # half of what two may have
        (Seen(3, 100, length=11, oldest_s=1), None),
        (Seen(3, 100, length=0, oldest_s=None), 2),
        (Seen(2, 100, length=1, oldest_s=1), 1),
        (Seen(1, 100, length=0), None),
        (Seen(3, 100), None),  # nothing is known
        (Seen(9, 0, length=500), 5),  # out of its bounds: at once
        (Seen(0, 0), 1),
        (Seen(2, 0, length=0, by_hand=4), 4),
        (Seen(2, 0, length=0, by_hand=99), 5),
        (Seen(4, 0, length=999, by_hand=4), None),
    ],
)
def test_what_waits_decides(seen: Seen, workers: int | None) -> None:
    change = decide(BOUNDS, seen)
    assert (change.workers if change is not None else None) == workers
    assert change is None or change.why


@given(
    least=st.integers(0, 5),
    more=st.integers(0, 10),
    workers=st.integers(0, 30),
    length=st.none() | st.integers(0, 10_000),
    oldest=st.none() | st.floats(0, 1e5),
    since=st.floats(0, 1e5),
    by_hand=st.none() | st.integers(0, 50),
)
def test_it_stays_or_comes_back_within_its_bounds_one_at_a_time(
    least: int,
    more: int,
    workers: int,
    length: int | None,
    oldest: float | None,
    since: float,
    by_hand: int | None,
) -> None:
    bounds = Bounds(least, least + more, queue_length=10, oldest_s=30.0, cooldown_s=60.0)
    change = decide(bounds, Seen(workers, since, length, oldest, by_hand))
    if change is None:
        assert by_hand is not None or bounds.least <= workers <= bounds.most
        return
    assert bounds.least <= change.workers <= bounds.most
    assert change.workers != workers
    if by_hand is None and bounds.least <= workers <= bounds.most:
        assert abs(change.workers - workers) == 1
        assert since >= bounds.cooldown_s


@given(workers=st.integers(1, 5), length=st.integers(0, 200), oldest=st.floats(0, 100))
def test_it_does_not_swing(workers: int, length: int, oldest: float) -> None:
    """With the same queue, one less is never followed by one more, nor one more by one less."""
    first = decide(BOUNDS, Seen(workers, 100, length, oldest))
    if first is None:
        return
    second = decide(BOUNDS, Seen(first.workers, 100, length, oldest))
    assert second is None or (second.workers - first.workers) == (first.workers - workers)
