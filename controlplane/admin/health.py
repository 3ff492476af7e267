"""Health checks of running children."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.health.models import HealthCheck


@admin.register(HealthCheck, site=site)
class HealthCheckAdmin(FactAdmin):
    list_display = ("key", "node", "name", "kind", "state", "since", "checked_at", "detail")
    list_filter = ("state", "kind", "node")
    list_select_related = ("node",)
    search_fields = ("=key",)
