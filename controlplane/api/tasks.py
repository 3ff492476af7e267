"""Tasks of users' Celery applications, the workers that run them, and their queues."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import schema, taskshapes
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choice
from controlplane.api.shapes import read
from controlplane.filters.keyset import Order
from supervision.tasks import operating, selectors
from supervision.tasks.exceptions import NoSuchRequestError, NoSuchTaskError, TaskError
from supervision.tasks.models import TaskQueue, TaskRun, TaskWorker

TAG = ["tasks"]
STATES = (*taskshapes.STATES, "open", "dead")
ATTEMPTS_SHOWN = 100
MEASURED = timedelta(hours=1)


def render_task(run: TaskRun) -> dict[str, Any]:
    return dict(taskshapes.TaskShape(run).data)


def render_task_detail(run: TaskRun) -> dict[str, Any]:
    attempts = list(selectors.attempts_of(run).reverse()[:ATTEMPTS_SHOWN])
    return {
        **render_task(run),
        "traceback": run.traceback,
        "result": run.result,
        "attempts": [dict(taskshapes.TaskAttemptShape(each).data) for each in reversed(attempts)],
    }


def render_worker(worker: TaskWorker) -> dict[str, Any]:
    return dict(taskshapes.TaskWorkerShape(worker).data)


def render_queue(queue: TaskQueue) -> dict[str, Any]:
    return dict(taskshapes.TaskQueueShape(queue).data)


TASKS = Listing(
    {"newest": Order(("created_at", "id"), descending=True), "oldest": Order(("created_at", "id"))},
    render_task,
)
WORKERS = Listing({"key": Order(("key", "holder"))}, render_worker)
QUEUES = Listing({"name": Order(("name", "id"))}, render_queue)


def carried_out(act: Callable[[], Any]) -> Any:
    """What the room refuses, as the API says it. Any: what `act` returns."""
    try:
        return act()
    except (NoSuchTaskError, NoSuchRequestError) as error:
        raise Problem("not-found", str(error)) from None
    except TaskError as error:
        raise Problem("conflict", str(error)) from None


class Tasks(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"state", "name", "queue", "supervisor"})
    is_list = True

    @schema.says(
        "List tasks",
        operation="list_tasks",
        description="Those of trees that may be seen. `open`: not ended; `dead`: dead letters, failed or parked.",
        answers={200: schema.page_of(taskshapes.TaskShape)},
        parameters=[
            *schema.page_parameters(list(TASKS.orders)),
            schema.query("state", enum=STATES),
            schema.query("name"),
            schema.query("queue"),
            schema.query("supervisor"),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        rows = selectors.runs(
            trees=visible_trees(self.principal),
            state=choice(request, "state", STATES) or "",
            name=asked.get("name", ""),
            queue=asked.get("queue", ""),
            supervisor=asked.get("supervisor", ""),
        )
        return TASKS.page(request, rows)


class TaskDetail(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "One task, with its attempts",
        operation="get_task",
        answers={200: taskshapes.TaskDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002 the URL's name
        return Response(render_task_detail(_run(self, id)))


class _TaskAction(Endpoint):
    needs = {"POST": None}
    change: Callable[..., TaskRun]

    def post(self, request: Request, id: str) -> Response:  # noqa: A002 the URL's name
        def act() -> Response:
            run = _run(self, id)
            require(self.principal, Permission.OPERATE, run.tree or EVERY_TREE)
            reason = read(taskshapes.TaskAction, request)["reason"]
            changed = carried_out(
                lambda: type(self).change(run_id=id, actor=self.actor, reason=reason, now=timezone.now())
            )
            return Response(render_task(changed), status=202)

        return self.once(request, act)


class TaskRevoke(_TaskAction):
    change = staticmethod(operating.revoke_run)

    @schema.says(
        "Revoke a task: what waits never begins, what runs is killed",
        operation="revoke_task",
        body=taskshapes.TaskAction,
        answers={202: taskshapes.TaskShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002 the URL's name
        return super().post(request, id)


class TaskReplay(_TaskAction):
    change = staticmethod(operating.replay_run)

    @schema.says(
        "Run a dead letter again, under the same id",
        operation="replay_task",
        body=taskshapes.TaskAction,
        answers={202: taskshapes.TaskShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002 the URL's name
        return super().post(request, id)


class TasksReplay(Endpoint):
    needs = {"POST": Permission.OPERATE}

    @schema.says(
        "Run the dead letters of a name or a queue again",
        operation="replay_tasks",
        body=taskshapes.ReplayBody,
        answers={202: taskshapes.ReplayedShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(taskshapes.ReplayBody, request)
            if not body["name"] and not body["queue"]:
                raise Problem.invalid("/name", "A name, a queue, or both.")
            count = operating.replay_runs(
                name=body["name"],
                queue=body["queue"],
                actor=self.actor,
                reason=body["reason"],
                now=timezone.now(),
            )
            return Response({"replayed": count}, status=202)

        return self.once(request, act)


class TaskWorkers(Endpoint):
    needs = {"GET": None}
    is_list = True

    @schema.says(
        "List workers as they last told of themselves",
        operation="list_task_workers",
        answers={200: schema.page_of(taskshapes.TaskWorkerShape)},
        parameters=schema.page_parameters(list(WORKERS.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return WORKERS.page(request, selectors.workers(trees=visible_trees(self.principal)))


class TaskQueues(Endpoint):
    needs = {"GET": Permission.VIEW}
    is_list = True

    @schema.says(
        "List queues as workers last saw them",
        operation="list_task_queues",
        description="A queue belongs to no tree: who sees every tree sees them.",
        answers={200: schema.page_of(taskshapes.TaskQueueShape)},
        parameters=schema.page_parameters(list(QUEUES.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return QUEUES.page(request, selectors.queues())


class TaskLatencies(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "How long tasks waited and ran, by name, over the last hour",
        operation="get_task_latencies",
        answers={200: taskshapes.LatenciesShape},
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        trees, since = visible_trees(self.principal), timezone.now() - MEASURED
        rows = selectors.latencies(trees=trees, since=since)
        items = [dict(taskshapes.LatencyShape(row).data) for row in rows]
        return Response({"items": items, "states": selectors.count_states(trees=trees, since=since)})


class QueuePeek(Endpoint):
    needs = {"POST": Permission.OPERATE}

    @schema.says(
        "Ask a worker what waits in a queue",
        operation="peek_task_queue",
        description="Answered in `GET /task-requests/{id}`: the broker's credentials are the worker's own.",
        body=taskshapes.PeekBody,
        answers={202: taskshapes.WorkerRequestShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(taskshapes.PeekBody, request)
            made = operating.request_peek(
                app=body["app"],
                queue=body["queue"],
                limit=body["limit"],
                actor=self.actor,
                now=timezone.now(),
            )
            return Response(dict(taskshapes.WorkerRequestShape(made).data), status=202)

        return self.once(request, act)


class QueuePurge(Endpoint):
    needs = {"POST": Permission.ADMIN}

    @schema.says(
        "Ask a worker to throw away everything that waits in a queue",
        operation="purge_task_queue",
        body=taskshapes.PurgeBody,
        answers={202: taskshapes.WorkerRequestShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(taskshapes.PurgeBody, request)
            made = operating.request_purge(
                app=body["app"],
                queue=body["queue"],
                actor=self.actor,
                reason=body["reason"],
                now=timezone.now(),
            )
            return Response(dict(taskshapes.WorkerRequestShape(made).data), status=202)

        return self.once(request, act)


class WorkerRequestDetail(Endpoint):
    needs = {"GET": Permission.OPERATE}

    @schema.says(
        "What was asked of a worker, and its answer",
        operation="get_task_request",
        answers={200: taskshapes.WorkerRequestShape},
        tags=TAG,
    )
    def get(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 the URL's name
        found = carried_out(lambda: selectors.get_request(id))
        return Response(dict(taskshapes.WorkerRequestShape(found).data))


def _run(endpoint: Endpoint, run_id: str) -> TaskRun:
    found: TaskRun = carried_out(lambda: selectors.get_run(run_id, trees=visible_trees(endpoint.principal)))
    return found
