"""What every list does: filter, sort, cut into pages. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar
from urllib.parse import urlencode

from controlplane.filters.grammar import Fields, FilterError, parse
from controlplane.filters.matching import predicate

Row = Mapping[str, Any]
R = TypeVar("R", bound=Mapping[str, Any])
PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of rows, and how it came about. q_error: None, or `at` and `message`; then nothing is filtered out."""

    rows: Sequence[dict[str, Any]]
    total: int
    q: str
    q_error: Mapping[str, Any] | None
    sort: str
    descending: bool
    page_number: int
    page_count: int

    def context(self) -> dict[str, Any]:
        sign = "-" if self.descending else ""
        asked = {"q": self.q, "sort": f"{sign}{self.sort}" if self.sort else ""}
        return {
            "q": self.q,
            "q_error": self.q_error,
            "sort": self.sort,
            "descending": self.descending,
            "rows": self.rows,
            "total": self.total,
            "page_number": self.page_number,
            "page_count": self.page_count,
            "query": urlencode({name: value for name, value in asked.items() if value}),
        }


def matching(
    rows: Sequence[R], q: str, fields: Fields, *, now: float
) -> tuple[list[R], Mapping[str, Any] | None]:
    """The rows that the filter accepts, and what is wrong with it; a wrong one accepts all."""
    try:
        terms = parse(q, fields)
    except FilterError as error:
        return list(rows), {"at": error.at, "message": error.message}
    if not terms:
        return list(rows), None
    accepts = predicate(terms, fields)
    return [row for row in rows if accepts(row, now)], None


def listing(
    rows: Sequence[Row],
    *,
    fields: Fields,
    q: str,
    sort: str,
    page: str,
    now: float,
    columns: Sequence[str],
    default: str,
) -> Listing:
    """`sort`: a column, with `-` before it for descending; anything else is `default`. `page`: from 1."""
    found, error = matching(rows, q, fields, now=now)
    wanted = sort if sort.removeprefix("-") in columns else default
    name, descending = wanted.removeprefix("-"), wanted.startswith("-")
    ordered = in_order(found, name, descending=descending)
    count = max(1, -(-len(ordered) // PER_PAGE))
    number = min(count, max(1, int(page) if page.isdecimal() and len(page) < 7 else 1))
    shown = [dict(row) for row in ordered[(number - 1) * PER_PAGE : number * PER_PAGE]]
    return Listing(shown, len(ordered), q, error, name, descending, number, count)


def in_order(rows: Sequence[Row], name: str, *, descending: bool) -> list[Row]:
    """By the column, then by id. What is not known stands last, whichever way it is sorted."""
    known: list[tuple[Any, str, Row]] = []
    unknown: list[tuple[str, Row]] = []
    for row in rows:
        value = row.get(name)
        if value is None:
            unknown.append((row["id"], row))
        else:
            known.append((_sortable(value), row["id"], row))
    known.sort(key=itemgetter(1))
    known.sort(key=itemgetter(0), reverse=descending)
    unknown.sort(key=itemgetter(0))
    return [row for _value, _id, row in known] + [row for _id, row in unknown]


def _sortable(value: Any) -> Any:  # numbers among numbers, everything else by its text
    return value if isinstance(value, int | float) else str(value)
