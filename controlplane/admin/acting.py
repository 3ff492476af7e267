"""Actions of the admin: call a service for each row, say what it refused."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest

from controlplane.access.exceptions import AccessError
from supervision.exceptions import SupervisionError

Row = TypeVar("Row", bound=Model)


def each(request: HttpRequest, rows: Iterable[Row], act: Callable[[Row], object], done: str) -> None:
    """`act` on each row; `done` is said with the number of rows that went well."""
    count = 0
    for row in rows:
        try:
            act(row)
        except (SupervisionError, AccessError) as error:
            messages.error(request, f"{row}: {error}")
        else:
            count += 1
    if count:
        messages.success(request, f"{count} {done}")
