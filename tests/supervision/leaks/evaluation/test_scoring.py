"""Counting, by cases small enough to count by hand."""

import pytest

from supervision.leaks.evaluation.scoring import Outcome, outcome, score
from supervision.leaks.evaluation.traces import Alarm, Trace, Truth


def _trace(*, leaks: bool, onset: int | None = None, accept: tuple[str, ...] = ("rss",)) -> Trace:
    samples = tuple({"t": index * 3600.0} for index in range(25))
    return Trace("one", samples, Truth("program", leaks, frozenset(accept), onset))


def _outcome(trace: Trace, *found: tuple[str, int]) -> Outcome:
    return outcome(trace, [Alarm(*each) for each in found])


@pytest.mark.parametrize(
    ("found", "delay_h", "false_alarms"),
    [
        ([("rss", 12)], 2, 0),
        ([("rss", 10)], 0, 0),
        ([("rss", 9)], None, 1),
        ([("fds", 12)], None, 1),
        ([("fds", 12), ("rss", 14)], 4, 1),
        ([], None, 0),
    ],
)
def test_a_leak_is_found_on_an_accepted_resource_at_its_onset_or_later(
    found: list[tuple[str, int]], delay_h: int | None, false_alarms: int
) -> None:
    result = _outcome(_trace(leaks=True, onset=10), *found)
    assert result.delay_s == (None if delay_h is None else delay_h * 3600)
    assert result.false_alarms == false_alarms
    assert result.clean_s == 10 * 3600


def test_every_alarm_where_nothing_leaks_is_a_false_one() -> None:
    result = _outcome(_trace(leaks=False), ("rss", 3), ("fds", 20))
    assert (result.false_alarms, result.delay_s, result.clean_s) == (2, None, 24 * 3600)


def test_the_figures() -> None:
    found = _outcome(_trace(leaks=True, onset=0), ("rss", 2))
    late = _outcome(_trace(leaks=True, onset=0), ("rss", 4))
    missed = _outcome(_trace(leaks=True, onset=24))
    false = _outcome(_trace(leaks=False), ("rss", 3), ("fds", 20))
    result = score([found, late, missed, false])
    assert (result.traces, result.leaks, result.found, result.false_traces, result.false_alarms) == (
        4,
        3,
        2,
        1,
        2,
    )
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == pytest.approx(2 / 3)
    assert result.f1 == pytest.approx(2 / 3)
    assert result.false_alarms_per_24h == pytest.approx(1.0)
    assert result.median_delay_min == 180


def test_nothing_found_is_no_division_by_nothing() -> None:
    result = score([_outcome(_trace(leaks=True, onset=0))])
    assert (result.precision, result.recall, result.f1, result.median_delay_min) == (0, 0, 0, None)


def test_a_trace_without_a_label_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="no label"):
        outcome(Trace("one", ({"t": 0.0},), None), [])
