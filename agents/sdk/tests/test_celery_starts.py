"""What is told of the beginnings of tasks: of those that last, in order, and never after their end."""

from typing import Any

import pytest
from overstory.celery.starts import AFTER_S, Starts


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("overstory.celery.starts.time", made)
    return made


def body(task_id: str, attempt: int = 1) -> dict[str, Any]:
    return {"id": task_id, "attempt": attempt}


def test_a_task_that_ends_soon_is_told_of_once(clock: Clock) -> None:
    told: list[Any] = []
    starts = Starts(told.append)
    starts.begun(body("a"))
    starts.ended(body("a"))
    clock.now += 10
    starts.tell_older()
    assert told == []


def test_what_lasts_is_told_in_the_order_in_which_it_began(clock: Clock) -> None:
    told: list[Any] = []
    starts = Starts(told.append)
    starts.begun(body("a"))
    starts.begun(body("a", 2))
    clock.now += 2 * AFTER_S
    starts.begun(body("b"))
    assert told == [body("a"), body("a", 2)]
    starts.tell_older()
    assert len(told) == 2
    starts.tell_older(0.0)
    assert told[2:] == [body("b")]
    starts.ended(body("b"))
