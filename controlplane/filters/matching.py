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
    return lambda row, now: all(test(row, now) for test in tests)


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

    def test(row: Row, now: float) -> bool:
        found = any(accepts(value, now) for column in columns for value in _each(row.get(column)))
        return found is not term.negated

    return test


def _each(value: Any) -> Sequence[Any]:  # a column holds whatever its topic says
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _accepts(term: Term, kind: Kind) -> Callable[[Any, float], bool]:
    if term.op == "~":
        parts = [str(value).lower() for value in term.values]
        return lambda value, _now: any(part in str(value).lower() for part in parts)
    wanted: tuple[Value, ...] = term.values
    if kind in (Kind.WORD, Kind.TEXT, Kind.FLAG):
        return lambda value, _now: value in wanted
    compare = _COMPARE[term.op]
    numbers = [float(value) for value in wanted]
    if kind == Kind.AGE:
        return lambda value, now: any(compare(now - value, number) for number in numbers)
    return lambda value, _now: any(compare(value, number) for number in numbers)
