"""Audits of code: projects can be changed, what runs found is looked at."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from controlplane.access.actors import actor_of
from controlplane.admin.acting import each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.auditruns import projects
from supervision.auditruns.exceptions import InvalidFieldError
from supervision.auditruns.models import (
    AuditEpisode,
    AuditFinding,
    AuditMeasure,
    AuditProject,
    AuditRun,
    AuditTest,
)


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]  # django-stubs' generic exists for checkers only
    """Says what is wrong beside the field."""

    class Meta:
        model = AuditProject
        fields = ("name", *projects.FIELDS)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            projects.check_fields(name=cleaned.get("name", ""), fields=self._given(cleaned))
        except InvalidFieldError as error:
            self.add_error(error.field, str(error))
        return cleaned

    @staticmethod
    def _given(cleaned: dict[str, Any]) -> dict[str, Any]:
        return {field: cleaned[field] for field in projects.FIELDS if field in cleaned}


@admin.register(AuditProject, site=site)
class AuditProjectAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = ProjectForm
    list_display = ("name", "tree", "path", "every_s", "next_at", "last_number", "last_error")
    actions = ("scan",)

    def get_readonly_fields(self, request: HttpRequest, obj: AuditProject | None = None) -> tuple[str, ...]:
        return () if obj is None else ("name",)

    def save_model(self, request: HttpRequest, obj: AuditProject, form: Any, change: bool) -> None:
        fields = {field: getattr(obj, field) for field in projects.FIELDS}
        act = projects.change_project if change else projects.create_project
        made = act(name=obj.name, fields=fields, actor=actor_of(request), now=timezone.now())
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: AuditProject) -> None:
        projects.delete_project(name=obj.name, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AuditProject]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.action(description="Scan the path with the next job")
    def scan(self, request: HttpRequest, rows: QuerySet[AuditProject]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: projects.ask_for_scan(name=row.name, actor=actor, now=now),
            "will be scanned",
        )


@admin.register(AuditRun, site=site)
class AuditRunAdmin(FactAdmin):
    list_display = ("project", "number", "tool", "source", "received_at", "total", "new", "gone", "verdict")
    list_filter = ("verdict", "source", "tool")
    list_select_related = ("project",)


@admin.register(AuditFinding, site=site)
class AuditFindingAdmin(FactAdmin):
    list_display = ("rule", "name", "severity", "path", "line", "state", "owner", "first_at", "closed_by")
    list_filter = ("state", "severity", "tool")
    search_fields = ("rule", "name", "path", "symbol", "owner")


@admin.register(AuditEpisode, site=site)
class AuditEpisodeAdmin(FactAdmin):
    list_display = ("finding", "from_run", "to_run")
    list_select_related = ("finding",)


@admin.register(AuditTest, site=site)
class AuditTestAdmin(FactAdmin):
    list_display = ("name", "project", "outcome", "at", "revision")
    list_filter = ("outcome",)
    list_select_related = ("project",)


@admin.register(AuditMeasure, site=site)
class AuditMeasureAdmin(FactAdmin):
    list_display = ("name", "project", "value", "at", "revision")
    list_select_related = ("project",)
