"""When a rule tells: gathered, and no more often in an hour than it may."""

import datetime as dt

import pytest

from supervision.rules.issues.pacing import Pace, pace

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("first", "told", "expected"),
    [
        (29, [], Pace.GATHER),
        (30, [], Pace.TELL),
        (30, [3599], Pace.TELL),
        (30, [3599, 1], Pace.HOLD),
        (30, [3600, 1], Pace.TELL),
        (30, [9000, 8000, 7000], Pace.TELL),
        (29, [3599, 1], Pace.GATHER),
        (9000, [3599, 1], Pace.HOLD),
    ],
)
def test_what_was_found_is_gathered_held_or_told(first: int, told: list[int], expected: Pace) -> None:
    found = pace(first=ago(first), told=[ago(at) for at in told], gather_s=30, most_per_hour=2, now=NOW)
    assert found == expected


@pytest.mark.parametrize(("first", "expected"), [(29, Pace.GATHER), (30, Pace.HOLD), (9000, Pace.HOLD)])
def test_in_quiet_hours_nothing_is_told(first: int, expected: Pace) -> None:
    assert pace(first=ago(first), told=[], gather_s=30, most_per_hour=2, now=NOW, is_quiet=True) == expected
