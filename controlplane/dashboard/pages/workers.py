"""Workers and tasks: who runs what, what waits and for how long, what failed. From rows, never from Celery's events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.healthrows import SICK
from controlplane.dashboard.taskrows import SILENT_S, newest_lives, pool_row, queue_row, task_row, worker_row
from controlplane.filters.fields import TASKS
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.querying import condition
from supervision.journal.models import ObservedChild
from supervision.tasks import selectors
from supervision.tasks.models import TaskWorker
from supervision.tasks.poolviews import pools
from supervision.tasks.states import RunState

PER_PAGE = 50
WORKERS, QUEUES, NAMES = 200, 100, 20
MEASURED = timedelta(hours=1)
VIEWS = (
    ("running", "Running"), ("queued", "Queued"), ("retrying", "Retrying"), ("dead", "Dead letters"),
    ("done", "Done"), ("revoked", "Revoked"), ("", "All"),
)  # fmt: skip
STATES = {name for name, _ in VIEWS}


def select(request: PageRequest) -> Context:
    trees, principal, now = request.visible, request.principal, request.now
    at = datetime.fromtimestamp(now, UTC)
    lives = _of_children(newest_lives(list(selectors.workers(trees=trees)[:WORKERS]), now), now)
    failing = {
        (row["node"], row["key"]): row["detail"]
        for row in request.reading.health(trees)
        if row["kind"] == "consumes" and row["state"] in SICK and not row["stale"]
    }
    workers = [
        {
            **worker_row(worker, principal, now, failing=failing.get((worker.node_id, worker.key), "")),
            "spark": request.reading.spark(worker.node_id, worker.key),
        }
        for worker in lives
    ]
    known = pools(trees=trees, now=at)
    recycled = {(one["node"], one["key"]): one["why"] for pool in known if (one := pool.recycling)}
    for worker in workers:
        worker["recycling"] = recycled.get((worker["node"], worker["key"]), "")
    queues = []
    if principal.can(Permission.VIEW):
        queues = [queue_row(queue, workers, principal, now) for queue in selectors.queues()[:QUEUES]]
    q = request.text("q")
    usual = "" if "q" in request.http.GET else "running"
    state = request.text("state") if "state" in request.http.GET else usual
    state = state if state in STATES else usual
    name, queue = request.text("name")[:255], request.text("queue")[:128]
    page = request.text("page")
    number = max(1, int(page)) if page.isdecimal() and len(page) < 5 else 1
    runs, error = selectors.runs(trees=trees, state=state, name=name, queue=queue), None
    try:
        runs = runs.filter(condition(parse(q, TASKS), TASKS, now=at))
    except FilterError as wrong:
        error = {"at": wrong.at, "message": wrong.message}
    found = list(runs[(number - 1) * PER_PAGE : number * PER_PAGE + 1])
    states = selectors.count_states(trees=trees, since=at - MEASURED)
    asked = {"state": state, "name": name, "queue": queue} | ({"q": q} if q else {})
    return {
        "workers": workers,
        "pools": [pool_row(pool, principal, now) for pool in known],
        "queues": queues,
        "latencies": selectors.latencies(trees=trees, since=at - MEASURED, limit=NAMES),
        "tasks": [task_row(run, principal, now) for run in found[:PER_PAGE]],
        "states": states,
        "dead": states[RunState.FAILED] + states[RunState.PARKED],
        "q": q,
        "q_error": error,
        "views": [_view(word, title, state, states, q) for word, title in VIEWS],
        "name": name,
        "queue": queue,
        "view": state,
        "next_url": f"?{urlencode({**asked, 'page': number + 1})}" if len(found) > PER_PAGE else "",
        "previous_url": f"?{urlencode({**asked, 'page': number - 1})}" if number > 1 else "",
        "replay_url": _replay_url(request, name, queue) if state == "dead" and found else "",
    }


def _of_children(lives: list[TaskWorker], now: float) -> list[TaskWorker]:
    """Without those that are silent because their child is not there any more: scaled down, drained, recycled."""
    silent = [one for one in lives if now - one.seen_at.timestamp() >= SILENT_S]
    if not silent:
        return lives
    there = set(
        ObservedChild.objects.filter(key__in=[one.key for one in silent], removed=False).values_list(
            "node_id", "key"
        )
    )
    gone = {one.holder for one in silent if (one.node_id, one.key) not in there}
    return [one for one in lives if one.holder not in gone]


def _view(word: str, title: str, current: str, states: dict[str, int], q: str) -> dict[str, Any]:
    numbers = {"dead": states[RunState.FAILED] + states[RunState.PARKED], "": sum(states.values())}
    return {
        "title": title,
        "url": f"?{urlencode({'state': word} | ({'q': q} if q else {}))}",
        "is_current": word == current,
        "number": numbers.get(word, states.get(word, 0)),
    }


def _replay_url(request: PageRequest, name: str, queue: str) -> str:
    if not (name or queue) or not request.principal.can(Permission.OPERATE):
        return ""
    return f"{reverse('task-act', args=['replay-all'])}?{urlencode({'name': name, 'queue': queue})}"


PAGE = Page(
    slug="workers",
    title="Workers and tasks",
    path="workers",
    template="dashboard/workers.html",
    select=select,
    g_key="w",
    order=42,
)
