"""Rules over measures, objectives, and what was counted for them."""

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
from supervision.rules import services
from supervision.rules.exceptions import InvalidRuleError
from supervision.rules.issues import services as issue_services
from supervision.rules.issues.models import IssueFiring, IssueNews, IssueRule
from supervision.rules.models import Crossing, MeasureRule, Objective, ObjectiveMinute, QueueMinute
from supervision.rules.services import ObjectiveFields, RuleFields


def _checked(form: "forms.ModelForm[Any]", cleaned: dict[str, Any], shape: Any, check: Any) -> None:
    """Say beside its field what the room refuses. Any: of rules and objectives alike."""
    if form.errors:
        return
    try:
        check(shape(**{name: cleaned[name] for name in shape.__slots__}))
    except InvalidRuleError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # django-stubs' generic exists for checkers only
    class Meta:
        model = MeasureRule
        fields = RuleFields.__slots__

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        _checked(self, cleaned, RuleFields, services.check_rule)
        return cleaned


class ObjectiveForm(forms.ModelForm):  # type: ignore[type-arg]  # as above
    class Meta:
        model = Objective
        fields = ObjectiveFields.__slots__

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        _checked(self, cleaned, ObjectiveFields, services.check_objective)
        return cleaned


@admin.register(MeasureRule, site=site)
class MeasureRuleAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = RuleForm
    list_display = (
        "name",
        "measure",
        "shape",
        "side",
        "bound",
        "tree",
        "pattern",
        "severity",
        "is_enabled",
        "looked_at",
    )
    list_filter = ("measure", "shape", "is_enabled")
    search_fields = ("name", "tree", "pattern")

    def save_model(self, request: HttpRequest, obj: MeasureRule, form: Any, change: bool) -> None:
        fields = RuleFields(**{name: getattr(obj, name) for name in RuleFields.__slots__})
        known = MeasureRule.objects.get(pk=obj.pk) if change else None
        saved = services.save_rule(rule=known, fields=fields, actor=actor_of(request), now=timezone.now())
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: MeasureRule) -> None:
        services.delete_rule(rule=obj, actor=actor_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MeasureRule]) -> None:
        for row in queryset:
            self.delete_model(request, row)


@admin.register(Objective, site=site)
class ObjectiveAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = ObjectiveForm
    list_display = ("name", "indicator", "target", "days", "tree", "pattern", "is_enabled")
    list_filter = ("indicator", "is_enabled")
    search_fields = ("name", "tree", "pattern")

    def save_model(self, request: HttpRequest, obj: Objective, form: Any, change: bool) -> None:
        fields = ObjectiveFields(**{name: getattr(obj, name) for name in ObjectiveFields.__slots__})
        known = Objective.objects.get(pk=obj.pk) if change else None
        saved = services.save_objective(
            objective=known, fields=fields, actor=actor_of(request), now=timezone.now()
        )
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: Objective) -> None:
        services.delete_objective(objective=obj, actor=actor_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Objective]) -> None:
        for row in queryset:
            self.delete_model(request, row)


@admin.register(IssueRule, site=site)
class IssueRuleAdmin(FactAdmin):
    """Made and changed on the page Rules on errors, which knows the filters."""

    list_display = ("name", "trigger", "project", "environment", "filter", "severity", "is_enabled")
    list_filter = ("trigger", "is_enabled")
    list_select_related = ("project",)
    search_fields = ("name", "filter")
    actions = ("enable", "disable", "remove")

    @admin.action(description="Switch on")
    def enable(self, request: HttpRequest, rows: QuerySet[IssueRule]) -> None:
        self._set(request, rows, is_enabled=True)

    @admin.action(description="Switch off")
    def disable(self, request: HttpRequest, rows: QuerySet[IssueRule]) -> None:
        self._set(request, rows, is_enabled=False)

    @admin.action(description="Remove")
    def remove(self, request: HttpRequest, rows: QuerySet[IssueRule]) -> None:
        now, actor = timezone.now(), actor_of(request)
        each(request, rows, lambda row: issue_services.delete_rule(rule=row, actor=actor, now=now), "removed")

    def _set(self, request: HttpRequest, rows: QuerySet[IssueRule], *, is_enabled: bool) -> None:
        now, actor = timezone.now(), actor_of(request)
        each(
            request,
            rows,
            lambda row: issue_services.set_enabled(rule=row, is_enabled=is_enabled, actor=actor, now=now),
            "switched on" if is_enabled else "switched off",
        )


@admin.register(IssueFiring, site=site)
class IssueFiringAdmin(FactAdmin):
    list_display = ("rule", "issue", "words", "at", "was_held", "told_at", "over_at")
    list_select_related = ("rule", "issue__project")


@admin.register(Crossing, site=site)
class CrossingAdmin(FactAdmin):
    list_display = ("rule", "subject", "words", "since", "measured_at")
    search_fields = ("subject",)


@admin.register(ObjectiveMinute, site=site)
class ObjectiveMinuteAdmin(FactAdmin):
    list_display = ("objective", "at", "good", "total")
    list_filter = ("objective",)


@admin.register(QueueMinute, site=site)
class QueueMinuteAdmin(FactAdmin):
    list_display = ("app", "name", "at", "length", "oldest_s")
    search_fields = ("name",)


@admin.register(IssueNews, site=site)
class IssueNewsAdmin(FactAdmin):
    list_display = ("user", "activity", "at")
    list_select_related = ("user", "activity__issue__project")
