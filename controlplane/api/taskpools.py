"""Pools of Celery workers: what is wanted and what is, and an operator's word about it."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, require, visible_trees
from controlplane.api import schema, taskshapes
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.shapes import read
from supervision.tasks import ordering
from supervision.tasks.exceptions import NoSuchPoolError, TaskError
from supervision.tasks.models import PoolScale
from supervision.tasks.poolviews import Pool, pools

TAG = ["tasks"]
View = TypeVar("View", bound=Callable[..., Response])


def render_pool(pool: Pool) -> dict[str, Any]:
    return dict(taskshapes.TaskPoolShape(pool).data)


class TaskPools(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"tree"})

    @schema.says(
        "List pools of Celery workers",
        operation="list_task_pools",
        description="Those of trees that may be seen, at most 1,000.",
        answers={200: taskshapes.TaskPoolsShape},
        parameters=[schema.query("tree")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        found = pools(
            trees=visible_trees(self.principal), now=timezone.now(), tree=request.query_params.get("tree", "")
        )
        return Response({"items": [render_pool(pool) for pool in found]})


class _PoolOrder(Endpoint):
    """One order about one pool; the controller carries it out."""

    needs = {"POST": None}
    change: Callable[..., PoolScale]
    body: type[taskshapes.PoolBody] = taskshapes.PoolBody

    def post(self, request: Request) -> Response:
        def act() -> Response:
            given = dict(read(self.body, request))
            require(self.principal, Permission.OPERATE, given["tree"])
            now = timezone.now()
            try:
                type(self).change(**given, actor=self.actor, now=now)
            except NoSuchPoolError as error:
                raise Problem("not-found", str(error)) from None
            except TaskError as error:
                raise Problem("conflict", str(error)) from None
            mine = [
                one for one in pools(trees=None, now=now, tree=given["tree"]) if one.path == given["path"]
            ]
            return Response(render_pool(mine[0]), status=202)

        return self.once(request, act)


def _says(
    title: str, operation: str, body: type[taskshapes.PoolBody] = taskshapes.PoolBody
) -> Callable[[View], View]:
    return schema.says(
        title, operation=operation, body=body, answers={202: taskshapes.TaskPoolShape}, parameters=[schema.KEY],
        errors=(409, 413, 415, 422), tags=TAG,
    )  # fmt: skip


class PoolScaled(_PoolOrder):
    change = staticmethod(ordering.set_workers)
    body = taskshapes.PoolScaleBody

    @_says(
        "Say how many workers a pool has, or let it be decided again",
        "scale_task_pool",
        taskshapes.PoolScaleBody,
    )
    def post(self, request: Request) -> Response:
        return super().post(request)


class PoolDrained(_PoolOrder):
    change = staticmethod(ordering.drain_pool)

    @_says("Drain a pool: no worker any more, nothing lost", "drain_task_pool")
    def post(self, request: Request) -> Response:
        return super().post(request)


class PoolResumed(_PoolOrder):
    change = staticmethod(ordering.resume_pool)

    @_says("Let a drained pool work again", "resume_task_pool")
    def post(self, request: Request) -> Response:
        return super().post(request)


class PoolRestarted(_PoolOrder):
    change = staticmethod(ordering.restart_pool)

    @_says("Replace every worker of a pool by a fresh one, one at a time", "restart_task_pool")
    def post(self, request: Request) -> Response:
        return super().post(request)
