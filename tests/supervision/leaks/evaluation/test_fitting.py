"""The choice of parameters: the best within the bounds, and never by what it is to judge."""

from dataclasses import replace

from supervision.leaks.evaluation.fitting import choose, combinations, leave_one_program_out
from supervision.leaks.evaluation.scoring import Outcome
from supervision.leaks.evaluation.traces import Alarm
from supervision.leaks.parameters import Parameters

FIRST, SECOND = Parameters(), replace(Parameters(), floor_s=1.0)


def _outcome(program: str, *, found: bool = False, false_alarms: int = 0) -> Outcome:
    delay = 60.0 if found else None
    return Outcome(program, program, True, (Alarm("rss", 1),) * false_alarms, delay, false_alarms, 86_400.0)


def test_the_defaults_are_among_the_combinations_and_none_comes_twice() -> None:
    every = combinations()
    assert Parameters() in every
    assert len(set(every)) == len(every)


def test_what_finds_more_is_chosen() -> None:
    assert choose([(FIRST, [_outcome("a")]), (SECOND, [_outcome("a", found=True)])]) is SECOND


def test_what_is_beyond_the_bound_of_false_alarms_is_not() -> None:
    table = [
        (FIRST, [_outcome("a", found=True), _outcome("b")]),
        (SECOND, [_outcome("a", found=True), _outcome("b", found=True, false_alarms=2)]),
    ]
    assert choose(table) is FIRST


def test_of_two_equals_the_first_is_chosen() -> None:
    assert choose([(FIRST, [_outcome("a")]), (SECOND, [_outcome("a")])]) is FIRST


def test_a_program_is_judged_by_what_the_others_chose() -> None:
    """SECOND is best on `a` alone, FIRST on the others: so `a` is judged by FIRST, which misses it."""
    table = [
        (FIRST, [_outcome("a"), _outcome("b", found=True), _outcome("c", found=True)]),
        (SECOND, [_outcome("a", found=True), _outcome("b"), _outcome("c")]),
    ]
    judged = leave_one_program_out(table)
    assert [each.trace for each in judged] == ["a", "b", "c"]
    assert [each.delay_s for each in judged] == [None, 60.0, 60.0]
