"""Trees, their revisions and places, rollouts and commands."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from controlplane.access.actors import actor_of
from controlplane.admin.acting import asked, each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.trees import commands, services
from supervision.trees.models import Command, Placement, Rollout, Tree, TreeRevision

REASON = "from the admin"


@admin.register(Tree, site=site)
class TreeAdmin(FactAdmin):
    list_display = ("name", "version", "head_number", "created_at", "deleted_at")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter),)
    list_select_related = ("head",)
    search_fields = ("name",)
    ordering = ("name",)
    actions = ("delete_trees",)

    @admin.display(description="revision")
    def head_number(self, tree: Tree) -> int | None:
        return tree.head.number if tree.head is not None else None

    @admin.action(description="Delete: stop everywhere and forget")
    def delete_trees(self, request: HttpRequest, rows: QuerySet[Tree]) -> HttpResponse | None:
        question = "Stop these trees everywhere and forget them?"
        page = asked(self, request, rows, action="delete_trees", question=question)
        if page is not None:
            return page
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: services.delete_tree(
                name=row.name, actor=actor, reason=REASON, expected_version=row.version
            ),
            "deleted",
        )
        return None


@admin.register(TreeRevision, site=site)
class TreeRevisionAdmin(FactAdmin):
    list_display = ("tree", "number", "author", "source", "message", "created_at")
    list_filter = ("source", "tree")
    list_select_related = ("tree",)
    search_fields = ("tree__name", "message", "author")
    actions = ("roll_back",)

    @admin.action(description="Roll the tree back to this revision")
    def roll_back(self, request: HttpRequest, rows: QuerySet[TreeRevision]) -> HttpResponse | None:
        question = "Roll the trees back to these revisions? What differs is restarted."
        page = asked(self, request, rows.select_related("tree"), action="roll_back", question=question)
        if page is not None:
            return page
        actor = actor_of(request)
        each(
            request,
            rows.select_related("tree"),
            lambda row: services.rollback_tree(name=row.tree.name, to_number=row.number, actor=actor),
            "rolled back",
        )
        return None


@admin.register(Placement, site=site)
class PlacementAdmin(FactAdmin):
    list_display = ("tree", "replica", "node", "state", "epoch", "revision", "problem")
    list_filter = ("state", "node")
    list_select_related = ("tree", "node", "revision")
    search_fields = ("tree__name", "node__name")


@admin.register(Rollout, site=site)
class RolloutAdmin(FactAdmin):
    list_display = ("tree", "to_revision", "state", "reason", "started_at", "finished_at")
    list_filter = ("state", "tree")
    list_select_related = ("tree", "to_revision")


@admin.register(Command, site=site)
class CommandAdmin(FactAdmin):
    list_display = ("verb", "key", "node", "state", "actor_name", "created_at", "finished_at")
    list_filter = ("state", "verb", "node")
    list_select_related = ("node",)
    search_fields = ("key", "actor_name", "id")
    ordering = ("-created_at",)
    actions = ("cancel",)

    @admin.action(description="Cancel what no node took yet")
    def cancel(self, request: HttpRequest, rows: QuerySet[Command]) -> None:
        actor = actor_of(request)
        each(
            request,
            rows,
            lambda row: commands.cancel_command(command_id=row.id, actor=actor, reason=REASON),
            "cancelled",
        )
