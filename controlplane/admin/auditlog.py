"""The audit log, and a look at its chain."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.auditlog.models import AuditEntry, AuditSegment
from supervision.auditlog.services import verify_chain


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(FactAdmin):
    list_display = ("seq", "at", "actor_name", "action", "target", "outcome", "reason")
    list_filter = ("outcome", "actor_kind", "action")
    search_fields = ("actor_name", "=target", "=tree", "reason")
    actions = ("verify",)

    @admin.action(description="Verify the whole chain")
    def verify(self, request: HttpRequest, rows: QuerySet[AuditEntry]) -> None:
        verdict = verify_chain()
        if verdict.holds:
            messages.success(request, f"The chain holds over {verdict.checked} entries")
        else:
            messages.error(request, f"The chain is broken at entry {verdict.broken_at}: {verdict.why}")


@admin.register(AuditSegment, site=site)
class AuditSegmentAdmin(FactAdmin):
    list_display = ("first_seq", "last_seq", "closing_hash", "dropped_at")
