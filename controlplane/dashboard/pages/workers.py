"""Workers and tasks: who runs what, what waits and for how long, what failed. From rows, never from Celery's events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.taskrows import newest_lives, queue_row, task_row, worker_row
from supervision.tasks import selectors
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
    lives = newest_lives(list(selectors.workers(trees=trees)[:WORKERS]), now)
    workers = [worker_row(worker, principal, now) for worker in lives]
    queues = []
    if principal.can(Permission.VIEW):
        queues = [queue_row(queue, workers, principal, now) for queue in selectors.queues()[:QUEUES]]
    state = request.text("state") if "state" in request.http.GET else "running"
    state = state if state in STATES else "running"
    name, queue = request.text("name")[:255], request.text("queue")[:128]
    page = request.text("page")
    number = max(1, int(page)) if page.isdecimal() and len(page) < 5 else 1
    found = list(
        selectors.runs(trees=trees, state=state, name=name, queue=queue)[
            (number - 1) * PER_PAGE : number * PER_PAGE + 1
        ]
    )
    states = selectors.count_states(trees=trees, since=at - MEASURED)
    asked = {"state": state, "name": name, "queue": queue}
    return {
        "workers": workers,
        "queues": queues,
        "latencies": selectors.latencies(trees=trees, since=at - MEASURED, limit=NAMES),
        "tasks": [task_row(run, principal, now) for run in found[:PER_PAGE]],
        "states": states,
        "dead": states[RunState.FAILED] + states[RunState.PARKED],
        "views": [_view(word, title, state, states) for word, title in VIEWS],
        "name": name,
        "queue": queue,
        "view": state,
        "next_url": f"?{urlencode({**asked, 'page': number + 1})}" if len(found) > PER_PAGE else "",
        "previous_url": f"?{urlencode({**asked, 'page': number - 1})}" if number > 1 else "",
        "replay_url": _replay_url(request, name, queue) if state == "dead" and found else "",
    }


def _view(word: str, title: str, current: str, states: dict[str, int]) -> dict[str, Any]:
    numbers = {"dead": states[RunState.FAILED] + states[RunState.PARKED], "": sum(states.values())}
    return {
        "title": title,
        "url": f"?{urlencode({'state': word})}",
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
