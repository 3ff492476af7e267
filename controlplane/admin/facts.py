"""Rows that are facts: looked at, filtered, never changed here."""

from typing import Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class FactAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A list and a page of each row. Counting a million rows on every list is left out."""

    list_per_page = 50
    show_full_result_count = False
    ordering: ClassVar[Any] = ("-pk",)
    list_filter_submit = True
    compressed_fields = True
    warn_unsaved_form = False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Every column, also those that no form would hold."""
        left_out = self.exclude or ()
        return [field.name for field in self.model._meta.concrete_fields if field.name not in left_out]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
