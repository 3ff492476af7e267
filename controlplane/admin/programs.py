"""How far what programs said was taken in."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.programs.models import ProgramCursor


@admin.register(ProgramCursor, site=site)
class ProgramCursorAdmin(FactAdmin):
    list_display = ("node_id", "spool_epoch", "seq", "events", "unhandled", "failed", "lost", "updated_at")
