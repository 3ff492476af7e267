"""Workers, pools, queues and tasks on the command line: of the control plane on this host, through its own services, or over
REST. Answers have the shapes of the API (docs/api.md)."""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body
from supervision.runtime.clock import Clock

ORDERS = ("drain", "resume", "restart")
"""Of a pool, beside `scale`."""
ANSWER_S, ASK_AGAIN_S = 20.0, 0.3
"""A request to a worker is answered or failed after 15 s."""


class Celery(Protocol):
    """Where they are kept."""

    def workers(self) -> list[Body]: ...

    def pools(self) -> list[Body]: ...

    def scaled(self, tree: str, path: str, workers: int | None, reason: str) -> Body: ...

    def ordered(self, order: str, tree: str, path: str, reason: str) -> Body: ...

    def queues(self) -> list[Body]: ...

    def asked(self, kind: str, app: str, queue: str, more: Mapping[str, Any]) -> str:
        """Ask a worker, `peek` or `purge`; the request's id."""

    def request(self, request_id: str) -> Body: ...

    def tasks(self, filters: Mapping[str, str], limit: int) -> list[Body]: ...

    def task(self, task_id: str) -> Body: ...

    def changed(self, deed: str, task_id: str, reason: str) -> Body:
        """`replay` or `revoke`."""

    def replayed(self, name: str, queue: str, reason: str) -> int: ...


def celery_of(remote: Address | None) -> Celery:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


def answer_of(celery: Celery, request_id: str, clock: Clock) -> Body:
    """What a worker answered. Raises CliError where none did, or it could not."""
    until = clock.boot() + ANSWER_S
    while True:
        found = celery.request(request_id)
        if found["state"] == "done":
            return dict(found["answer"] or {})
        if found["state"] == "failed":
            raise CliError(str((found["answer"] or {}).get("error", "it failed")))
        if clock.boot() > until:
            raise CliError("no worker answered in time", exit_code=ExitCode.TIMEOUT)
        time.sleep(ASK_AGAIN_S)


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def _post(self, path: str, body: Body) -> Any:
        return self._api.post(path, dict(body)).body

    def workers(self) -> list[Body]:
        return list(self._api.pages("task-workers"))

    def pools(self) -> list[Body]:
        return list(self._api.get("task-pools").body["items"])

    def scaled(self, tree: str, path: str, workers: int | None, reason: str) -> Body:
        body = {"tree": tree, "path": path, "workers": workers, "reason": reason}
        found: Body = self._post("task-pools/scale", body)
        return found

    def ordered(self, order: str, tree: str, path: str, reason: str) -> Body:
        found: Body = self._post(f"task-pools/{order}", {"tree": tree, "path": path, "reason": reason})
        return found

    def queues(self) -> list[Body]:
        return list(self._api.pages("task-queues"))

    def asked(self, kind: str, app: str, queue: str, more: Mapping[str, Any]) -> str:
        return str(self._post(f"task-queues/{kind}", {"app": app, "queue": queue, **more})["id"])

    def request(self, request_id: str) -> Body:
        found: Body = self._api.get(f"task-requests/{request_id}").body
        return found

    def tasks(self, filters: Mapping[str, str], limit: int) -> list[Body]:
        asked = {name: value or None for name, value in filters.items()}
        return list(itertools.islice(self._api.pages("tasks", **asked), limit))

    def task(self, task_id: str) -> Body:
        found: Body = self._api.get(f"tasks/{task_id}").body
        return found

    def changed(self, deed: str, task_id: str, reason: str) -> Body:
        found: Body = self._post(f"tasks/{task_id}/{deed}", {"reason": reason})
        return found

    def replayed(self, name: str, queue: str, reason: str) -> int:
        return int(self._post("tasks/replay", {"name": name, "queue": queue, "reason": reason})["replayed"])


class Local:
    """Through the services, as whoever runs the command on the control plane's host. Imports wait until Django is there."""

    def workers(self) -> list[Body]:
        from controlplane.api.tasks import render_worker
        from supervision.tasks import selectors

        return [render_worker(worker) for worker in selectors.workers(trees=None)]

    def pools(self) -> list[Body]:
        from django.utils import timezone

        from controlplane.api.taskpools import render_pool
        from supervision.tasks.poolviews import pools

        return [render_pool(pool) for pool in pools(trees=None, now=timezone.now())]

    def scaled(self, tree: str, path: str, workers: int | None, reason: str) -> Body:
        from supervision.tasks.ordering import set_workers

        return self._order(set_workers, tree, path, reason, workers=workers)

    def ordered(self, order: str, tree: str, path: str, reason: str) -> Body:
        from supervision.tasks import ordering

        orders = {
            "drain": ordering.drain_pool, "resume": ordering.resume_pool, "restart": ordering.restart_pool,
        }  # fmt: skip
        return self._order(orders[order], tree, path, reason)

    def _order(self, order: Callable[..., Any], tree: str, path: str, reason: str, **more: Any) -> Body:
        _said(lambda: order(tree=tree, path=path, reason=reason, **more, **_who_and_when()))
        return next(pool for pool in self.pools() if pool["key"] == f"{tree}/{path}")

    def queues(self) -> list[Body]:
        from controlplane.api.tasks import render_queue
        from supervision.tasks import selectors

        return [render_queue(queue) for queue in selectors.queues()]

    def asked(self, kind: str, app: str, queue: str, more: Mapping[str, Any]) -> str:
        from supervision.tasks import operating

        ask: Callable[..., Any] = operating.request_peek if kind == "peek" else operating.request_purge
        return str(ask(app=app, queue=queue, **more, **_who_and_when()).pk)

    def request(self, request_id: str) -> Body:
        from controlplane.api.taskshapes import WorkerRequestShape
        from supervision.tasks import selectors

        return dict(WorkerRequestShape(selectors.get_request(request_id)).data)

    def tasks(self, filters: Mapping[str, str], limit: int) -> list[Body]:
        from controlplane.api.tasks import render_task
        from supervision.tasks import selectors

        return [render_task(run) for run in selectors.runs(trees=None, **filters)[:limit]]

    def task(self, task_id: str) -> Body:
        from controlplane.api.tasks import render_task_detail
        from supervision.tasks import selectors

        return render_task_detail(_said(lambda: selectors.get_run(task_id, trees=None)))

    def changed(self, deed: str, task_id: str, reason: str) -> Body:
        from controlplane.api.tasks import render_task
        from supervision.tasks import operating

        change = operating.replay_run if deed == "replay" else operating.revoke_run
        return render_task(_said(lambda: change(run_id=task_id, reason=reason, **_who_and_when())))

    def replayed(self, name: str, queue: str, reason: str) -> int:
        from supervision.tasks import operating

        return operating.replay_runs(name=name, queue=queue, reason=reason, **_who_and_when())


def _who_and_when() -> dict[str, Any]:
    from django.utils import timezone

    from controlplane.access.actors import local_actor

    return {"actor": local_actor(), "now": timezone.now()}


def _said(act: Callable[[], Any]) -> Any:
    """What the room refuses, as the command line says it. Any: what `act` returns."""
    from supervision.tasks.exceptions import NoSuchPoolError, NoSuchTaskError

    try:
        return act()
    except (NoSuchPoolError, NoSuchTaskError) as error:
        raise CliError(str(error), exit_code=ExitCode.NOT_FOUND, code="not_found") from None
