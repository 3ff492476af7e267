"""Alerts, who is told, and what was sent."""

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
from supervision.alerts import services, silences
from supervision.alerts.exceptions import InvalidChannel
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery, Silence

REASON = "from the admin"


@admin.register(Alert, site=site)
class AlertAdmin(FactAdmin):
    list_display = (
        "title",
        "kind",
        "severity",
        "state",
        "count",
        "raised_at",
        "acknowledged_by",
        "resolved_by",
    )
    list_filter = ("state", "kind", "severity")
    search_fields = ("title", "subject", "tree")
    actions = ("acknowledge", "resolve")

    @admin.action(description="Acknowledge: somebody looks after it")
    def acknowledge(self, request: HttpRequest, rows: QuerySet[Alert]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: services.acknowledge_alert(alert_id=row.pk, actor=actor, reason=REASON, now=now),
            "acknowledged",
        )

    @admin.action(description="Resolve: it is over")
    def resolve(self, request: HttpRequest, rows: QuerySet[Alert]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: services.resolve_alert(alert_id=row.pk, actor=actor, reason=REASON, now=now),
            "resolved",
        )


@admin.register(Delivery, site=site)
class DeliveryAdmin(FactAdmin):
    list_display = (
        "alert",
        "channel",
        "address",
        "event",
        "state",
        "attempts",
        "next_at",
        "sent_at",
        "last_error",
    )
    list_filter = ("state", "event", "channel")
    ordering = ("-created_at",)


@admin.register(Silence, site=site)
class SilenceAdmin(FactAdmin):
    list_display = ("kind", "subject", "tree", "until", "reason", "created_by")
    actions = ("end",)

    @admin.action(description="End: tell again from now on")
    def end(self, request: HttpRequest, rows: QuerySet[Silence]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request, rows, lambda row: silences.end_silence(silence_id=row.pk, actor=actor, now=now), "ended"
        )


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # django-stubs' generic exists for checkers only
    """Says what is wrong with a target beside it."""

    class Meta:
        model = Channel
        fields = ("name", "kind", "target", "kinds", "tree", "is_enabled")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            services.check_target(cleaned.get("kind", ""), cleaned.get("target", ""))
        except InvalidChannel as error:
            self.add_error(error.field, str(error))
        return cleaned


@admin.register(Channel, site=site)
class ChannelAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = ChannelForm
    list_display = ("name", "kind", "is_enabled", "tree", "key_number")
    actions = ("send_test", "rotate_key")

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        services.save_channel(
            channel=obj,
            name=obj.name,
            kind=obj.kind,
            target=obj.target,
            kinds=obj.kinds,
            tree=obj.tree,
            is_enabled=obj.is_enabled,
            actor=actor_of(request),
        )

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        services.delete_channel(channel_id=obj.pk, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.action(description="Send a test message")
    def send_test(self, request: HttpRequest, rows: QuerySet[Channel]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: services.test_channel(channel_id=row.pk, actor=actor, now=now),
            "will be sent a test",
        )

    @admin.action(description="Sign with another key from now on")
    def rotate_key(self, request: HttpRequest, rows: QuerySet[Channel]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: services.rotate_channel_key(channel_id=row.pk, actor=actor),
            "sign with another key",
        )


@admin.register(AlertRule, site=site)
class AlertRuleAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = ("kind", "is_enabled", "severity", "repeat_every_s", "runbook_url")

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        services.save_rule(rule=obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        services.delete_rule(rule=obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        for row in queryset:
            self.delete_model(request, row)
