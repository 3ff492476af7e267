"""How many workers: a table of cases, and properties."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.tasks.scaling import Bounds, Seen, decide, decide_fixed, last_due, who_decides
from tests.supervision.tasks.told import NOW

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
    change = decide(BOUNDS, seen, NOW)
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
    change = decide(bounds, Seen(workers, since, length, oldest, by_hand), NOW)
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
    first = decide(BOUNDS, Seen(workers, 100, length, oldest), NOW)
    if first is None:
        return
    second = decide(BOUNDS, Seen(first.workers, 100, length, oldest), NOW)
    assert second is None or (second.workers - first.workers) == (first.workers - workers)


DAY = ("0 8 * * MON-FRI", 4, "UTC")
NIGHT = ("0 20 * * *", 0, "UTC")
BY_DAY = Bounds(1, 5, queue_length=10, cooldown_s=60.0, schedule=(DAY, NIGHT))
CLOCK_ALONE = Bounds(1, 5, schedule=(DAY, NIGHT))
FRIDAY_9, FRIDAY_21 = datetime(2026, 11, 27, 9, tzinfo=UTC), datetime(2026, 11, 27, 21, tzinfo=UTC)
SATURDAY_9 = datetime(2026, 11, 28, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bounds", "now", "seen", "workers"),
    [
        (BY_DAY, FRIDAY_9, Seen(1, 0, length=0), 4),  # fewest from eight o'clock on, at once
        (BY_DAY, FRIDAY_9, Seen(4, 100, length=0), None),  # no fewer, though nothing waits
        (BY_DAY, FRIDAY_9, Seen(4, 100, length=99), 5),  # more, where much waits
        (BY_DAY, FRIDAY_21, Seen(4, 100, length=0), 3),  # by what waits again, one at a time
        (BY_DAY, FRIDAY_21, Seen(1, 100, length=0), 0),  # none at night
        (BY_DAY, SATURDAY_9, Seen(0, 100, length=0), None),  # the night goes on
        (CLOCK_ALONE, FRIDAY_9, Seen(1, 0), 4),
        (CLOCK_ALONE, FRIDAY_21, Seen(4, 0), 0),
        (BY_DAY, FRIDAY_9, Seen(4, 0, by_hand=2), 2),  # what an operator said counts more
        (BY_DAY, FRIDAY_9, Seen(4, 0, by_hand=2, drained=True), 0),
    ],
)
def test_the_clock_decides_between_what_an_operator_says_and_what_waits(
    bounds: Bounds, now: datetime, seen: Seen, workers: int | None
) -> None:
    change = decide(bounds, seen, now)
    assert (change.workers if change is not None else None) == workers


def test_a_line_is_due_in_its_own_time_zone() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert last_due("0 8 * * *", "Europe/Berlin", summer) == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert last_due("0 8 * * *", "Europe/Berlin", datetime(2026, 1, 5, 7, 0, tzinfo=UTC)) == datetime(
        2026, 1, 5, 7, tzinfo=UTC
    )
    assert last_due("no line", "UTC", summer) is None
    assert last_due("0 8 * * *", "Nowhere/At_All", summer) is None


@pytest.mark.parametrize(
    ("seen", "workers"),
    [
        (Seen(2, 0), None),
        (Seen(3, 0), 2),
        (Seen(2, 0, by_hand=7), 7),
        (Seen(2, 0, by_hand=2), None),
        (Seen(2, 0, by_hand=7, drained=True), 0),
    ],
)
def test_a_pool_without_scale_has_the_instances_of_its_tree_or_what_an_operator_says(
    seen: Seen, workers: int | None
) -> None:
    change = decide_fixed(2, seen)
    assert (change.workers if change is not None else None) == workers


@pytest.mark.parametrize(
    ("bounds", "said", "words"),
    [
        (BOUNDS, {}, "by what waits"),
        (BY_DAY, {}, "by its schedule"),
        (None, {}, "as its tree says"),
        (BOUNDS, {"by_hand": 3}, "by hand"),
        (BOUNDS, {"by_hand": 3, "drained": True}, "drained"),
    ],
)
def test_who_decides_is_said(bounds: Bounds | None, said: dict[str, Any], words: str) -> None:
    assert who_decides(bounds, **{"by_hand": None, "drained": False, "now": FRIDAY_9, **said}) == words
