"""What nodes reported: records, members, lives, strays, cursors."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.journal.models import (
    Incarnation,
    JournalRecord,
    ObservedChild,
    ObservedTree,
    Stray,
    StreamBase,
    StreamCursor,
)


@admin.register(JournalRecord, site=site)
class JournalRecordAdmin(FactAdmin):
    list_display = ("id", "at", "kind", "tree", "key", "node_id", "seq")
    list_filter = ("kind",)
    search_fields = ("=key", "=tree", "=node_id")


@admin.register(ObservedChild, site=site)
class ObservedChildAdmin(FactAdmin):
    list_display = ("key", "state", "node", "pid", "incarnation", "restarts", "last_exit_reason", "removed")
    list_filter = ("state", "is_supervisor", "removed", "node")
    list_select_related = ("node",)
    search_fields = ("key",)
    ordering = ("tree", "node_id", "position")


@admin.register(ObservedTree, site=site)
class ObservedTreeAdmin(FactAdmin):
    list_display = ("name", "node", "revision", "state", "ended", "applied_at")
    list_filter = ("state", "node")
    list_select_related = ("node",)
    search_fields = ("name",)


@admin.register(Incarnation, site=site)
class IncarnationAdmin(FactAdmin):
    list_display = ("key", "number", "node", "pid", "started_at", "ended_at", "reason")
    list_filter = ("node",)
    list_select_related = ("node",)
    search_fields = ("=key", "=tree", "reason")


@admin.register(Stray, site=site)
class StrayAdmin(FactAdmin):
    list_display = ("pid", "node", "state", "owner", "first_seen", "ended_at")
    list_filter = ("state", "node")
    list_select_related = ("node",)


@admin.register(StreamCursor, site=site)
class StreamCursorAdmin(FactAdmin):
    list_display = ("node_id", "stream_epoch", "seq")


@admin.register(StreamBase, site=site)
class StreamBaseAdmin(FactAdmin):
    list_display = ("node_id", "stream_epoch", "seq", "at")
