"""What every list does: filter, sort, cut into pages. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from controlplane.filters.grammar import Fields, FilterError, parse
from controlplane.filters.matching import predicate

Row = dict[str, Any]
PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of rows, and how it came about. q_error: None, or `at` and `message`; then nothing is filtered out."""

    rows: Sequence[Row]
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
    rows: Sequence[Row], q: str, fields: Fields, *, now: float
) -> tuple[list[Row], Mapping[str, Any] | None]:
    """The rows that the filter accepts, and what is wrong with it; a wrong one accepts all."""
    try:
        terms = parse(q, fields)
    except FilterError as error:
        return list(rows), {"at": error.at, "message": error.message}
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
    shown = ordered[(number - 1) * PER_PAGE : number * PER_PAGE]
    return Listing(shown, len(ordered), q, error, name, descending, number, count)


def in_order(rows: Sequence[Row], name: str, *, descending: bool) -> list[Row]:
    """By the column, then by id. What is not known stands last, whichever way it is sorted."""
    known = [row for row in rows if row.get(name) is not None]
    unknown = [row for row in rows if row.get(name) is None]
    known.sort(key=lambda row: row["id"])
    known.sort(key=lambda row: _sortable(row[name]), reverse=descending)
    return known + sorted(unknown, key=lambda row: row["id"])


def _sortable(value: Any) -> Any:  # numbers among numbers, everything else by its text
    return value if isinstance(value, int | float) else str(value)
