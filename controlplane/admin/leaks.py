"""Findings of leaks in living processes."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.leakwatch.models import LeakFinding, SharedLeak


@admin.register(LeakFinding, site=site)
class LeakFindingAdmin(FactAdmin):
    list_display = (
        "key",
        "node",
        "resource",
        "course",
        "action",
        "since",
        "limit_at",
        "ended_at",
        "outcome",
        "deed_state",
    )
    list_filter = ("resource", "course", "action", "node")
    list_select_related = ("node",)
    search_fields = ("=key",)


@admin.register(SharedLeak, site=site)
class SharedLeakAdmin(FactAdmin):
    list_display = ("kind", "subject", "value", "seen_at", "since", "found_at", "ended_at")
    list_filter = ("kind",)
    search_fields = ("subject",)
