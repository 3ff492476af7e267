"""Plans of remediation, looked at: they are changed on their page, over REST and by the command."""

from django.contrib import admin

from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.remediation.models import (
    RemediationCriterion,
    RemediationPhase,
    RemediationPlan,
    RemediationStep,
)


@admin.register(RemediationPlan, site=site)
class RemediationPlanAdmin(FactAdmin):
    list_display = ("title", "project", "owner", "risk", "state", "checked_at")
    list_filter = ("state", "risk")
    list_select_related = ("project",)


@admin.register(RemediationPhase, site=site)
class RemediationPhaseAdmin(FactAdmin):
    list_display = ("title", "plan", "position", "owner", "estimate_days", "risk", "state")
    list_filter = ("state", "risk")
    list_select_related = ("plan",)


@admin.register(RemediationCriterion, site=site)
class RemediationCriterionAdmin(FactAdmin):
    list_display = ("kind", "phase", "params", "is_met", "value", "checked_at")
    list_filter = ("kind", "is_met")
    list_select_related = ("phase",)


@admin.register(RemediationStep, site=site)
class RemediationStepAdmin(FactAdmin):
    list_display = ("phase", "kind", "at", "by", "text")
    list_filter = ("kind",)
    list_select_related = ("phase",)
