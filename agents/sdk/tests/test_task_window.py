"""The window of a stream: what may be said of it whatever order items end in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from overstory.celery.outcome import Exit, Ok, Outcome, of_row
from overstory.celery.window import BUFFER_LEAST, Window


@given(
    bound=st.integers(1, 9),
    items=st.integers(0, 60),
    ordered=st.booleans(),
    picks=st.lists(st.integers(0, 8)),
)
def test_every_item_has_one_outcome_and_the_bound_holds(
    bound: int, items: int, ordered: bool, picks: list[int]
) -> None:
    window, handed, step = Window(bound, ordered), [], 0
    while window.taken < items or not window.is_idle:
        while window.room and window.taken < items:
            window.take()
            assert len(window.in_flight) <= bound
        running = sorted(window.in_flight)
        if running:
            pick = picks[step % len(picks)] if picks else 0
            assert window.end(running[pick % len(running)], Ok(step))
            step += 1
        while (found := window.pop()) is not None:
            handed.append(found[0])
    assert sorted(handed) == list(range(items))
    if ordered:
        assert handed == list(range(items))
    assert window.most_in_flight == min(bound, items)


def test_an_item_ends_once() -> None:
    window = Window(2)
    number = window.take()
    assert window.end(number, Ok(1))
    assert not window.end(number, Exit("timeout"))
    assert window.pop() == (0, Ok(1))


def test_an_item_that_hangs_at_the_head_holds_up_no_more_than_the_buffer() -> None:
    window = Window(2)
    window.take()
    ended = 0
    while window.room:
        window.end(window.take(), Ok())
        ended += 1
    assert ended == BUFFER_LEAST
    assert window.pop() is None
    window.end(0, Exit("timeout"))
    assert window.pop() == (0, Exit("timeout"))


def test_a_window_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Window(0)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({"state": "done", "result": [1]}, Ok([1])),
        (
            {"state": "failed", "reason": "exception(ValueError)", "message": "no"},
            Exit("exception(ValueError)", "no"),
        ),
        ({"state": "parked", "reason": "signal(9)"}, Exit("signal(9)", state="parked")),
        ({"state": "revoked", "reason": ""}, Exit("shutdown", state="revoked")),
    ],
)
def test_a_row_that_ended_is_an_outcome(row: dict[str, object], outcome: Outcome) -> None:
    assert of_row(row) == outcome
