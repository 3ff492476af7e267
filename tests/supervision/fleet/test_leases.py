import pytest

from supervision.fleet.leases import (
    SELF_FENCE_MARGIN_S,
    TAKE_OVER_AFTER_S,
    TTL_S,
    Standing,
    may_take_over,
    standing,
)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (99.9, Standing.UP),
        (100.0, Standing.SUSPECT),
        (101.9, Standing.SUSPECT),
        (102.0, Standing.DOWN),
    ],
)
def test_stands_by_its_lease(now: float, expected: Standing) -> None:
    assert standing(100.0, now) is expected
    assert may_take_over(100.0, now) is (expected is Standing.DOWN)


def test_a_node_without_a_lease_is_down() -> None:
    assert standing(None, 0.0) is Standing.DOWN


def test_the_holder_is_through_before_anybody_takes_over() -> None:
    """It fences at TTL - 2 s from what it sent; the others wait for TTL + 2 s from what was written later."""
    assert TTL_S - SELF_FENCE_MARGIN_S < TTL_S + TAKE_OVER_AFTER_S
    assert (TTL_S, TAKE_OVER_AFTER_S) == (6.0, 2.0)
