"""Nodes and leaders."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from controlplane.access.actors import actor_of
from controlplane.admin.acting import each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.fleet import services
from supervision.fleet.models import Leadership, Node

REASON = "from the admin"


@admin.register(Node, site=site)
class NodeAdmin(FactAdmin):
    list_display = ("name", "state", "draining", "epoch", "lease_until", "version", "journal_seq")
    list_filter = ("state", "draining")
    search_fields = ("name", "id")
    ordering = ("name", "id")
    actions = ("drain", "undrain", "forget")

    @admin.action(description="Drain: take no new work, hand over what runs")
    def drain(self, request: HttpRequest, rows: QuerySet[Node]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: services.drain_node(node_id=row.id, actor=actor, reason=REASON),
            "draining",
        )

    @admin.action(description="Undrain: take work again")
    def undrain(self, request: HttpRequest, rows: QuerySet[Node]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: services.undrain_node(node_id=row.id, actor=actor, reason=REASON),
            "undrained",
        )

    @admin.action(description="Forget: the host will not come back")
    def forget(self, request: HttpRequest, rows: QuerySet[Node]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: services.forget_node(node_id=row.id, actor=actor, reason=REASON),
            "forgotten",
        )


@admin.register(Leadership, site=site)
class LeadershipAdmin(FactAdmin):
    list_display = ("name", "holder", "term", "until")
    ordering = ("name",)
