"""Saved views of everybody, changed by the same services as on the pages."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from controlplane.access.actors import actor_of
from controlplane.admin.site import site
from controlplane.savedviews import services
from controlplane.savedviews.exceptions import InvalidViewError
from controlplane.savedviews.lists import SAVED
from controlplane.savedviews.models import SavedView
from controlplane.savedviews.services import ViewFields


class ViewForm(forms.ModelForm):  # type: ignore[type-arg]  # django-stubs' generic exists for checkers only
    list = forms.ChoiceField(choices=[(one.name, one.title) for one in SAVED.values()])

    class Meta:
        model = SavedView
        fields = ("owner", *ViewFields.__slots__)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                services.check_view(ViewFields(**{name: cleaned[name] for name in ViewFields.__slots__}))
            except InvalidViewError as error:
                self.add_error(error.field, str(error))
        return cleaned


@admin.register(SavedView, site=site)
class SavedViewAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = ViewForm
    list_display = ("name", "list", "owner", "q", "sort", "hidden", "is_shared", "is_default", "problem")
    list_filter = ("list", "is_shared")
    list_select_related = ("owner",)
    search_fields = ("name", "q", "owner__username")

    def save_model(self, request: HttpRequest, obj: SavedView, form: Any, change: bool) -> None:
        fields = ViewFields(**{name: getattr(obj, name) for name in ViewFields.__slots__})
        known = SavedView.objects.get(pk=obj.pk) if change else None
        saved = services.save_view(view=known, owner_id=obj.owner_id, fields=fields, actor=actor_of(request))
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: SavedView) -> None:
        services.delete_view(view=obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SavedView]) -> None:
        for row in queryset:
            self.delete_model(request, row)
