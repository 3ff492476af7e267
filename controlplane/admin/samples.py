"""What children used, by minute and hour."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.samples.models import SampleHour, SampleMinute

COLUMNS = (
    "key",
    "node",
    "at",
    "n",
    "cpu_avg",
    "cpu_max",
    "rss_avg",
    "rss_max",
    "pss",
    "fds_max",
    "threads_max",
    "sockets_max",
    "zombies_max",
    "disk",
)


@admin.register(SampleMinute, site=site)
class SampleMinuteAdmin(FactAdmin):
    list_display = COLUMNS
    list_filter = ("node",)
    list_select_related = ("node",)
    search_fields = ("=key",)


@admin.register(SampleHour, site=site)
class SampleHourAdmin(FactAdmin):
    list_display = COLUMNS
    list_filter = ("node",)
    list_select_related = ("node",)
    search_fields = ("=key",)
