"""Tasks, their attempts, workers, queues, and what is asked of workers."""

from collections.abc import Callable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.admin.acting import each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from supervision.tasks import operating, ordering
from supervision.tasks.models import PoolScale, TaskAttempt, TaskQueue, TaskRun, TaskWorker, WorkerRequest

REASON = "from the admin"


@admin.register(TaskRun, site=site)
class TaskRunAdmin(FactAdmin):
    list_display = ("id", "name", "state", "queue", "attempt", "reason", "created_at", "ended_at", "tree")
    list_filter = ("state", "queue")
    search_fields = ("=id", "=name", "=queue")
    ordering = ("-created_at", "-id")
    actions = ("revoke", "replay")

    @admin.action(description="Revoke: not wanted any more; what runs is killed")
    def revoke(self, request: HttpRequest, rows: QuerySet[TaskRun]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: operating.revoke_run(run_id=row.pk, actor=actor, reason=REASON, now=now),
            "revoked",
        )

    @admin.action(description="Replay: run a dead letter again")
    def replay(self, request: HttpRequest, rows: QuerySet[TaskRun]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: operating.replay_run(run_id=row.pk, actor=actor, reason=REASON, now=now),
            "replayed",
        )


@admin.register(TaskAttempt, site=site)
class TaskAttemptAdmin(FactAdmin):
    list_display = ("run_id", "number", "outcome", "reason", "holder", "started_at", "run_s", "epoch")
    list_filter = ("outcome",)
    search_fields = ("=run__id",)


@admin.register(TaskWorker, site=site)
class TaskWorkerAdmin(FactAdmin):
    list_display = ("key", "incarnation", "name", "pool", "concurrency", "running", "consumes", "seen_at")
    list_filter = ("pool", "consumes")
    search_fields = ("key", "name")


@admin.register(TaskQueue, site=site)
class TaskQueueAdmin(FactAdmin):
    list_display = ("name", "app", "length", "oldest_s", "seen_at")
    search_fields = ("name", "app")


@admin.register(WorkerRequest, site=site)
class WorkerRequestAdmin(FactAdmin):
    list_display = ("kind", "queue", "app", "state", "requested_by", "created_at", "finished_at")
    list_filter = ("kind", "state")
    ordering = ("-created_at",)


@admin.register(PoolScale, site=site)
class PoolScaleAdmin(FactAdmin):
    list_display = ("tree", "path", "workers", "by_hand", "drained_at", "roll_before", "reason", "changed_at")
    search_fields = ("tree", "path")
    actions = ("one_more", "one_less", "automatic", "drain", "resume", "restart")

    @admin.action(description="One worker more, by hand")
    def one_more(self, request: HttpRequest, rows: QuerySet[PoolScale]) -> None:
        self._scale(request, rows, 1)

    @admin.action(description="One worker less, by hand")
    def one_less(self, request: HttpRequest, rows: QuerySet[PoolScale]) -> None:
        self._scale(request, rows, -1)

    @admin.action(description="Not by hand any more: by what waits, the schedule and the tree")
    def automatic(self, request: HttpRequest, rows: QuerySet[PoolScale]) -> None:
        self._scale(request, rows, None)

    def _scale(self, request: HttpRequest, rows: QuerySet[PoolScale], by: int | None) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: ordering.set_workers(
                tree=row.tree, path=row.path, actor=actor, reason=REASON, now=now,
                workers=None if by is None else (row.workers if row.by_hand is None else row.by_hand) + by,
            ),
            "scaled",
        )  # fmt: skip

    @admin.action(description="Drain: no worker any more, nothing lost")
    def drain(self, request: HttpRequest, rows: QuerySet[PoolScale]) -> None:
        self._order(request, rows, ordering.drain_pool, "drained")

    @admin.action(description="Resume: work again")
    def resume(self, request: HttpRequest, rows: QuerySet[PoolScale]) -> None:
        self._order(request, rows, ordering.resume_pool, "resumed")

    @admin.action(description="Rolling restart: a fresh worker for each, one at a time")
    def restart(self, request: HttpRequest, rows: QuerySet[PoolScale]) -> None:
        self._order(request, rows, ordering.restart_pool, "being restarted")

    @staticmethod
    def _order(
        request: HttpRequest, rows: QuerySet[PoolScale], order: Callable[..., PoolScale], done: str
    ) -> None:
        actor, now = actor_of(request), timezone.now()
        each(
            request,
            rows,
            lambda row: order(tree=row.tree, path=row.path, actor=actor, reason=REASON, now=now),
            done,
        )
