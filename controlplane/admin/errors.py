"""The error store: projects, keys and rules are changed through services; everything else is a fact."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.admin.acting import each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.errors.store import issues, owning, projects
from supervision.errors.store.models import (
    ErrorActivity,
    ErrorAddress,
    ErrorDiscard,
    ErrorEvent,
    ErrorEventKey,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueStat,
    ErrorIssueUser,
    ErrorKey,
    ErrorProject,
    ErrorRelease,
    ErrorRule,
    ErrorTag,
)
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.occasion_models import ErrorIssueMinute, ErrorOccasion
from supervision.errors.store.owner_models import ErrorOwner, ErrorTeam, ErrorWatcher
from supervision.errors.store.release_models import ErrorAttachment, ErrorReleaseHour, ErrorReleaseUser
from supervision.errors.store.search_models import ErrorIssueSearch
from supervision.errors.store.sighting_models import ErrorSighting
from supervision.errors.store.spike_models import ErrorProjectHour, ErrorSpike
from supervision.errors.store.transaction_models import ErrorTransactionHour


@admin.register(ErrorProject, site=site)
class ErrorProjectAdmin(FactAdmin):
    list_display = (
        "slug",
        "name",
        "tree",
        "events_per_minute",
        "spike_limit",
        "retention_days",
        "most_events",
        "algorithm",
        "scrub_emails",
        "scrub_addresses",
    )
    search_fields = ("slug", "name", "tree")
    actions = ("add_key",)

    @admin.action(description="Add a key")
    def add_key(self, request: HttpRequest, rows: QuerySet[ErrorProject]) -> None:
        actor = actor_of(request)
        each(request, rows, lambda row: projects.add_key(project=row, actor=actor), "given a key")


@admin.register(ErrorKey, site=site)
class ErrorKeyAdmin(FactAdmin):
    list_display = ("public_key", "project", "label", "created_at", "revoked_at")
    list_select_related = ("project",)
    actions = ("revoke",)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, rows: QuerySet[ErrorKey]) -> None:
        now, actor = timezone.now(), actor_of(request)
        found = rows.select_related("project")
        each(request, found, lambda row: projects.revoke_key(key=row, now=now, actor=actor), "revoked")


@admin.register(ErrorIssue, site=site)
class ErrorIssueAdmin(FactAdmin):
    list_display = ("short_id", "title", "culprit", "level", "status", "assignee", "team", "first_seen")
    list_filter = ("status", "level", "team")
    list_select_related = ("project", "assignee", "team")
    search_fields = ("title", "culprit")
    actions = ("resolve", "archive", "mute")

    @admin.action(description="Resolve")
    def resolve(self, request: HttpRequest, rows: QuerySet[ErrorIssue]) -> None:
        self._set(request, rows, ErrorIssue.Status.RESOLVED)

    @admin.action(description="Archive")
    def archive(self, request: HttpRequest, rows: QuerySet[ErrorIssue]) -> None:
        self._set(request, rows, ErrorIssue.Status.ARCHIVED)

    @admin.action(description="Mute")
    def mute(self, request: HttpRequest, rows: QuerySet[ErrorIssue]) -> None:
        self._set(request, rows, ErrorIssue.Status.MUTED)

    def _set(self, request: HttpRequest, rows: QuerySet[ErrorIssue], status: str) -> None:
        now, actor = timezone.now(), actor_of(request)
        each(
            request,
            rows,
            lambda row: issues.set_status(issue=row, status=status, now=now, actor=actor),
            status,
        )


class BodyAdmin(FactAdmin):
    """Compressed bodies are looked at on pages, not here."""

    exclude = ("data", "body")


@admin.register(ErrorEvent, site=site)
class ErrorEventAdmin(BodyAdmin):
    list_display = ("event_id", "issue_id", "level", "environment", "release", "child", "received_at")


@admin.register(ErrorIntake, site=site)
class ErrorIntakeAdmin(BodyAdmin):
    list_display = ("id", "kind", "event_id", "received_at", "failed_at", "failure")


@admin.register(ErrorAttachment, site=site)
class ErrorAttachmentAdmin(BodyAdmin):
    list_display = ("name", "project", "event_id", "content_type", "size", "received_at")
    list_select_related = ("project",)


@admin.register(ErrorTeam, site=site)
class ErrorTeamAdmin(FactAdmin):
    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")
    actions = ("remove",)

    @admin.action(description="Remove")
    def remove(self, request: HttpRequest, rows: QuerySet[ErrorTeam]) -> None:
        actor = actor_of(request)
        each(request, rows, lambda row: owning.delete_team(team=row, actor=actor), "removed")


@admin.register(ErrorOwner, site=site)
class ErrorOwnerAdmin(FactAdmin):
    list_display = ("project", "position", "match", "user", "team")
    list_select_related = ("project", "user", "team")


@admin.register(Monitor, site=site)
class MonitorAdmin(FactAdmin):
    list_display = ("slug", "project", "environment", "status", "next_due", "last_seen")
    list_select_related = ("project",)
    list_filter = ("status",)


@admin.register(CheckIn, site=site)
class CheckInAdmin(FactAdmin):
    list_display = ("check_in_id", "monitor", "status", "started_at", "duration_s")
    list_select_related = ("monitor",)


@admin.register(
    ErrorIssueStat,
    ErrorIssueUser,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueMinute,
    ErrorIssueSearch,
    ErrorOccasion,
    ErrorSighting,
    ErrorTag,
    ErrorActivity,
    ErrorWatcher,
    site=site,
)
class OfIssueAdmin(FactAdmin):
    list_display = ("__str__", "issue")
    list_select_related = ("issue__project",)


@admin.register(ErrorAddress, site=site)
class AddressAdmin(FactAdmin):
    list_display = ("host", "local_url", "public_url", "said_at")


@admin.register(
    ErrorRelease,
    ErrorDiscard,
    ErrorRule,
    ErrorEventKey,
    ErrorProjectHour,
    ErrorReleaseHour,
    ErrorReleaseUser,
    ErrorTransactionHour,
    ErrorSpike,
    site=site,
)
class OfProjectAdmin(FactAdmin):
    list_display: Any = ("__str__", "project")
    list_select_related = ("project",)
