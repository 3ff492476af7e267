"""Whether a row of a live table matches a filter. Pure; the twin of static/js/lib/filter.js."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controlplane.filters.grammar import Fields, Kind, Term, Value

Row = Mapping[str, Any]
Predicate = Callable[[Row, float], bool]
"""Asked with a row and now, Unix seconds."""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def predicate(terms: Sequence[Term], fields: Fields) -> Predicate:
    """True for the rows that all `terms` accept."""
    tests = [_test(term, fields) for term in terms]
    if len(tests) == 1:
        return tests[0]

    def accepts(row: Row, now: float) -> bool:
        for test in tests:  # noqa: SIM110 - a generator would cost more than the tests, for each of ten thousand rows
            if not test(row, now):
                return False
        return True

    return accepts


def columns_of(terms: Sequence[Term], fields: Fields) -> frozenset[str]:
    """The columns that the answer depends on."""
    return frozenset(
        column
        for term in terms
        for column in (fields.by_name[term.field].columns if term.field else fields.text)
    )


def depends_on_time(terms: Sequence[Term], fields: Fields) -> bool:
    """Whether a row may begin or cease to match without changing."""
    return any(term.field and fields.by_name[term.field].kind == Kind.AGE for term in terms)


def _test(term: Term, fields: Fields) -> Predicate:
    columns = fields.by_name[term.field].columns if term.field else fields.text
    kind = fields.by_name[term.field].kind if term.field else Kind.TEXT
    accepts = _accepts(term, kind)

    negated = term.negated

    def test(row: Row, now: float) -> bool:
        for column in columns:
            value = row.get(column)
            if value is None:
                continue
            if isinstance(value, list | tuple):
                if any(accepts(item, now) for item in value):
                    return not negated
            elif accepts(value, now):
                return not negated
        return negated

    return test


def _accepts(term: Term, kind: Kind) -> Callable[[Any, float], bool]:
    if term.op == "~":
        parts = [str(value).lower() for value in term.values]
        if len(parts) == 1:
            return lambda value, _now: parts[0] in str(value).lower()
        return lambda value, _now: any(part in str(value).lower() for part in parts)
    wanted: tuple[Value, ...] = term.values
    if kind in (Kind.WORD, Kind.TEXT, Kind.FLAG):
        return lambda value, _now: value in wanted
    compare = _COMPARE[term.op]
    numbers = [float(value) for value in wanted]
    if kind == Kind.AGE:
        return lambda value, now: any(compare(now - value, number) for number in numbers)
    if len(numbers) == 1:
        return lambda value, _now: compare(value, numbers[0])
    return lambda value, _now: any(compare(value, number) for number in numbers)
