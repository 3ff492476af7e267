"""Periodic jobs and counters."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from controlplane.operations.models import ActionLatency, PeriodicJob, RestartCount


@admin.register(PeriodicJob, site=site)
class PeriodicJobAdmin(FactAdmin):
    list_display = ("name", "next_at", "published_at", "ended_at", "error")
    ordering = ("name",)


@admin.register(ActionLatency, site=site)
class ActionLatencyAdmin(FactAdmin):
    list_display = ("verb", "bucket", "total", "seconds")
    ordering = ("verb", "bucket")


@admin.register(RestartCount, site=site)
class RestartCountAdmin(FactAdmin):
    list_display = ("supervisor", "reason", "total")
    search_fields = ("supervisor",)
    ordering = ("supervisor", "reason")
