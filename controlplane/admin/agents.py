"""Agent configs, kinds, the registry, checkpoints."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.checkpoints.models import Checkpoint, CheckpointFault
from agents.configs import kinds
from agents.configs import services as configs
from agents.configs.models import AgentConfig, AgentConfigRevision, AgentKind
from agents.measures.models import AgentCounter, AgentGauge
from agents.registry import declaring
from agents.registry import services as registry
from agents.registry.models import Registration, Service
from controlplane.access.actors import actor_of
from controlplane.admin.acting import each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site

REASON = "from the admin"


@admin.register(AgentConfig, site=site)
class AgentConfigAdmin(FactAdmin):
    list_display = ("namespace", "name", "kind", "head_number", "version", "created_at")
    list_filter = ("namespace",)
    list_select_related = ("head",)
    search_fields = ("namespace", "name")
    ordering = ("namespace", "name")
    actions = ("delete_configs",)

    @admin.display(description="revision")
    def head_number(self, config: AgentConfig) -> int | None:
        return config.head.number if config.head is not None else None

    @admin.display
    def kind(self, config: AgentConfig) -> str:
        return config.head.kind if config.head is not None else ""

    @admin.action(description="Delete: with its revisions, where no tree names it")
    def delete_configs(self, request: HttpRequest, rows: QuerySet[AgentConfig]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: configs.delete_config(
                namespace=row.namespace, name=row.name, actor=actor, reason=REASON, expected=row.tag
            ),
            "deleted",
        )


@admin.register(AgentConfigRevision, site=site)
class AgentConfigRevisionAdmin(FactAdmin):
    list_display = ("config", "number", "kind", "author", "source", "message", "created_at")
    list_filter = ("source", "kind")
    list_select_related = ("config",)
    search_fields = ("config__namespace", "config__name", "message", "author")
    actions = ("roll_back",)

    @admin.action(description="Roll the config back to this revision")
    def roll_back(self, request: HttpRequest, rows: QuerySet[AgentConfigRevision]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows.select_related("config"),
            lambda row: configs.rollback_config(
                namespace=row.config.namespace, name=row.config.name, to_number=row.number, actor=actor
            ),
            "rolled back",
        )


@admin.register(AgentKind, site=site)
class AgentKindAdmin(FactAdmin):
    list_display = ("name", "description", "version", "changed_at")
    search_fields = ("name",)
    ordering = ("name",)
    actions = ("delete_kinds",)

    @admin.action(description="Delete, where no config is of it")
    def delete_kinds(self, request: HttpRequest, rows: QuerySet[AgentKind]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: kinds.delete_kind(name=row.name, actor=actor, expected=row.version),
            "deleted",
        )


@admin.register(Registration, site=site)
class RegistrationAdmin(FactAdmin):
    list_display = ("namespace", "key", "epoch", "child", "incarnation", "holder", "node", "service", "ready")
    list_filter = ("namespace", "node", "ready")
    list_select_related = ("node",)
    search_fields = ("namespace", "key", "child", "holder")
    ordering = ("namespace", "key")
    actions = ("take_away",)

    @admin.action(description="Take the key away from its holder")
    def take_away(self, request: HttpRequest, rows: QuerySet[Registration]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: registry.remove(namespace=row.namespace, key=row.key, actor=actor, reason=REASON),
            "taken away",
        )


@admin.register(Service, site=site)
class ServiceAdmin(FactAdmin):
    list_display = ("namespace", "name", "min_ready", "depends_on", "version", "changed_at")
    list_filter = ("namespace",)
    search_fields = ("namespace", "name")
    ordering = ("namespace", "name")
    actions = ("delete_services",)

    @admin.action(description="Delete, where no other one depends on it")
    def delete_services(self, request: HttpRequest, rows: QuerySet[Service]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: declaring.delete_service(
                namespace=row.namespace, name=row.name, actor=actor, expected=row.version
            ),
            "deleted",
        )


@admin.register(Checkpoint, site=site)
class CheckpointAdmin(FactAdmin):
    list_display = ("key", "version", "epoch", "incarnation", "schema", "content", "bytes", "at")
    list_filter = ("tree", "content")
    search_fields = ("key",)
    exclude = ("data",)


@admin.register(CheckpointFault, site=site)
class CheckpointFaultAdmin(FactAdmin):
    list_display = ("key", "version", "fallback", "why", "at")
    list_filter = ("tree",)
    search_fields = ("key",)


@admin.register(AgentCounter, site=site)
class AgentCounterAdmin(FactAdmin):
    list_display = ("kind", "name", "total", "changed_at")
    list_filter = ("kind",)
    search_fields = ("name",)


@admin.register(AgentGauge, site=site)
class AgentGaugeAdmin(FactAdmin):
    list_display = ("node", "kind", "name", "agents", "total", "least", "most", "at")
    list_filter = ("kind", "node")
    list_select_related = ("node",)
    search_fields = ("name",)
