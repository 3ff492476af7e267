"""A filter as a condition for the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Q

from controlplane.filters.grammar import Field, Fields, FilterError, Kind, Term, Value

LOOKUP = {"=": "", ">": "__gt", ">=": "__gte", "<": "__lt", "<=": "__lte", "~": "__icontains"}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}
"""Older than an hour is: at an earlier time than an hour ago."""


def condition(terms: Sequence[Term], fields: Fields, *, now: datetime) -> Q:
    """Accepts the rows that all `terms` accept. Raises FilterError for a field that only the live table knows."""
    whole = Q()
    for term in terms:
        one = _one(term, fields, now)
        whole &= ~one if term.negated else one
    return whole


def _one(term: Term, fields: Fields, now: datetime) -> Q:
    if not term.field:
        return _any([Q(**{f"{path}__icontains": term.values[0]}) for path in fields.text_lookups])
    field = fields.by_name[term.field]
    if not field.lookups:
        raise FilterError(term.at, f"{field.name} is known for what is live, and cannot be looked up here")
    return _any([_compare(field, path, term, value, now) for path in field.lookups for value in term.values])


def _compare(field: Field, path: str, term: Term, value: Value, now: datetime) -> Q:
    if field.kind == Kind.AGE:
        moment = now - timedelta(seconds=float(value))
        return Q(**{f"{path}{LOOKUP[_TURNED[term.op]]}": moment})
    return Q(**{f"{path}{LOOKUP[term.op]}": value})


def _any(conditions: Sequence[Q]) -> Q:
    return reduce(or_, conditions)
