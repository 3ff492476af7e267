"""Lists: keyset cursors, filters that are declared, counts only on request."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import FieldError, ValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api.exceptions import Problem
from controlplane.filters.keyset import Order

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
EXACT_CAP = 10_000
PAGE_PARAMETERS = frozenset({"limit", "cursor", "count", "order", "format"})

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """How one list is ordered and shown. `orders`: the first is the default."""

    orders: Mapping[str, Order]
    render: Callable[[Row], dict[str, Any]]

    def page(self, request: Request, rows: QuerySet[Row]) -> Response:
        """One page: `{"items", "next"}` and, on request, `count`."""
        limit = integer(request, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        name = choice(request, "order", tuple(self.orders)) or next(iter(self.orders))
        order = self.orders[name]
        body: dict[str, Any] = {}
        counted = choice(request, "count", ("estimate", "exact"))
        if counted is not None:
            body.update(_count(rows, counted))
        after = _read_cursor(request, name, order)
        found = rows if after is None else rows.filter(order.after(after))
        try:
            items = list(order.of(found)[: limit + 1])
        except (ValidationError, ValueError, TypeError, FieldError, DataError, OverflowError):
            if after is None:
                raise
            raise _bad_cursor() from None
        following = None
        if len(items) > limit:
            items = items[:limit]
            following = _write_cursor(name, order, items[-1])
        body = {"items": [self.render(row) for row in items], "next": following, **body}
        return Response(body, headers=_link(request, following))


def _count(rows: QuerySet[Any], how: str) -> dict[str, Any]:
    if how == "exact":
        found = rows.order_by()[: EXACT_CAP + 1].count()
        if found > EXACT_CAP:
            return {"count": EXACT_CAP, "count_is": "at_least"}
        return {"count": found, "count_is": "exact"}
    plan = json.loads(rows.order_by().explain(format="json"))
    return {"count": int(plan[0]["Plan"]["Plan Rows"]), "count_is": "estimate"}


def _link(request: Request, following: str | None) -> dict[str, str]:
    if following is None:
        return {}
    query = [
        (name, value) for name, values in request.query_params.lists() for value in values if name != "cursor"
    ]
    url = request.build_absolute_uri(request.path)
    return {"Link": f'<{url}?{urlencode([*query, ("cursor", following)])}>; rel="next"'}


def _write_cursor(name: str, order: Order, row: Model) -> str:
    values = [_value(row, path) for path in order.fields]
    text = json.dumps([name, values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _value(row: Any, path: str) -> Any:
    for part in path.split("__"):
        row = getattr(row, part)
    return row.isoformat() if isinstance(row, datetime) else row


def _read_cursor(request: Request, name: str, order: Order) -> list[Any] | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        said, values = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        if said != name or len(values) != len(order.fields):
            raise _bad_cursor()
        if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
            raise _bad_cursor()
        if any(isinstance(value, str) and "\0" in value for value in values):
            raise _bad_cursor()
        if any(isinstance(value, int) and abs(value) >= 2**63 for value in values):
            raise _bad_cursor()
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _bad_cursor() from None
    return list(values)


def _bad_cursor() -> Problem:
    return Problem.invalid("cursor", "This is no cursor of this list in this order; begin without one.")


# -- parameters ---------------------------------------------------------------------------------------------------------


def only(request: Request, names: Iterable[str]) -> None:
    """400 for a parameter that this endpoint does not know: a filter that is misspelled must not match everything."""
    known = {*names}
    for name, values in request.query_params.lists():
        if name not in known:
            said = ", ".join(sorted(known)) or "none"
            raise Problem.invalid(name[:80], f"There is no such parameter; there are: {said}.")
        if any("\0" in value for value in values):
            raise Problem.invalid(name, "The character U+0000 cannot be searched for.")


def integer(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """A whole number between bounds."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise Problem.invalid(name, f"A number from {least} to {most}.")
    return int(text)


def optional_integer(request: Request, name: str, *, least: int = 0, most: int = 2**63 - 1) -> int | None:
    if request.query_params.get(name) is None:
        return None
    return integer(request, name, default=0, least=least, most=most)


def choice(request: Request, name: str, choices: Sequence[str]) -> str | None:
    """One of `choices`, or None when it is not given."""
    text = request.query_params.get(name)
    if text is not None and text not in choices:
        raise Problem.invalid(name, f"One of {', '.join(choices)}.")
    return text


def choices(request: Request, name: str, known: Sequence[str]) -> list[str]:
    """Several of `known`, separated by commas or given repeatedly."""
    found = [word for text in request.query_params.getlist(name) for word in text.split(",") if word]
    for word in found:
        if word not in known:
            raise Problem.invalid(name, f"One or several of {', '.join(known)}.")
    return found


def moment(request: Request, name: str) -> datetime | None:
    """A moment: RFC 3339 with a time zone."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1970 <= found.year <= 9000:
        raise Problem.invalid(name, "A moment such as 2026-11-28T14:30:00Z.")
    return found


def boolean(request: Request, name: str) -> bool | None:
    text = choice(request, name, ("true", "false"))
    return None if text is None else text == "true"


CountIs = Literal["exact", "estimate", "at_least"]
