"""Pages of a list that go on behind the row where the last one ended, whatever came before it meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet


@dataclass(frozen=True, slots=True)
class Order:
    """An order by fields that never are null, the last of them unique; all ascending, or all descending."""

    fields: tuple[str, ...]
    descending: bool = False

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by(*(f"-{name}" if self.descending else name for name in self.fields))

    def after(self, values: Sequence[Any]) -> Q:
        """What comes after the row with `values`: (a, b) > (x, y) is a > x, or a = x and b > y."""
        word = "lt" if self.descending else "gt"
        found = Q(pk__in=[])
        equal = Q()
        for name, value in zip(self.fields, values, strict=True):
            found |= equal & Q(**{f"{name}__{word}": value})
            equal &= Q(**{name: value})
        return found
