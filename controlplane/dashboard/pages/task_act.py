"""Before a task is revoked or replayed, and before a worker is asked about a queue: what that does, and why it is wanted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.tasks import operating, ordering, selectors
from supervision.tasks.exceptions import NoSuchTaskError, TaskError, TaskStateError
from supervision.tasks.models import TaskQueue, TaskRun
from supervision.tasks.poolviews import Pool, pools

MAX_REASON = 500
PEEKED = 50
GIVEN = ("id", "app", "queue", "name", "tree", "path")


@dataclass(frozen=True, slots=True)
class Deed:
    """label: on the button; `on`: what it is about, a task, a pool, a queue, or dead letters."""

    label: str
    permission: Permission
    on: str
    danger: bool = False


DEEDS = {
    "revoke": Deed("Revoke", Permission.OPERATE, "task", danger=True),
    "replay": Deed("Replay", Permission.OPERATE, "task"),
    "replay-all": Deed("Replay all", Permission.OPERATE, "letters"),
    "scale-pool": Deed("Scale", Permission.OPERATE, "pool"),
    "restart-pool": Deed("Restart one by one", Permission.OPERATE, "pool"),
    "drain-pool": Deed("Drain", Permission.OPERATE, "pool", danger=True),
    "resume-pool": Deed("Resume", Permission.OPERATE, "pool"),
    "peek": Deed("Look", Permission.OPERATE, "queue"),
    "purge": Deed("Purge", Permission.ADMIN, "queue", danger=True),
}


def select(request: PageRequest) -> Context:
    return context(request)


def context(request: PageRequest, error: str = "") -> Context:
    verb = request.params["verb"]
    deed = _deed(request)
    given = {name: _given(request, name) for name in GIVEN}
    return {
        "verb": verb,
        "deed": deed,
        "given": given,
        "error": error,
        "back_url": reverse("workers"),
        **_words(request, verb, given),
    }


def _deed(request: PageRequest) -> Deed:
    """The deed, when it is one and the viewer may."""
    deed = DEEDS.get(request.params["verb"])
    if deed is None:
        raise Http404("There is no such action.")
    tree = _run(request).tree if deed.on == "task" else ""
    if deed.on == "pool":
        tree = _pool(request).tree
    request.require(deed.permission, tree)
    return deed


def _given(request: PageRequest, name: str) -> str:
    return (request.http.POST.get(name) or request.text(name))[:255]


def _run(request: PageRequest) -> TaskRun:
    try:
        return selectors.get_run(_given(request, "id"), trees=request.visible)
    except NoSuchTaskError as error:
        raise Http404(str(error)) from None


def _pool(request: PageRequest) -> Pool:
    tree, path = _given(request, "tree"), _given(request, "path")
    for pool in pools(trees=request.visible, now=timezone.now(), tree=tree) if tree else ():
        if pool.path == path:
            return pool
    raise Http404("There is no such pool of workers.")


def _words(request: PageRequest, verb: str, given: dict[str, str]) -> dict[str, Any]:
    """What the page asks, and what follows."""
    if verb in ("revoke", "replay"):
        run = _run(request)
        what = (
            "What runs is killed, with everything below it." if run.state == "running" else "It never begins."
        )
        again = f"It is put into {run.queue or 'its queue'} again, as attempt {run.attempt + 1} under the same id."
        return {
            "question": f"{DEEDS[verb].label} {run.name}?",
            "effect": what if verb == "revoke" else again,
            "run": run,
        }
    if verb == "replay-all":
        rows = selectors.runs(trees=None, state="dead", name=given["name"], queue=given["queue"])
        number = rows.order_by()[: operating.MOST_AT_ONCE].count()
        return {
            "question": f"Replay the dead letters of {given['name'] or given['queue']}?",
            "effect": f"{number} at most, oldest first; those whose arguments are not kept stay.",
        }
    if DEEDS[verb].on == "pool":
        return _words_of_pool(verb, _pool(request))
    known = TaskQueue.objects.filter(app=given["app"], name=given["queue"]).first()
    if known is None:
        raise Http404("No worker has told of such a queue.")
    if verb == "peek":
        return {
            "question": f"Look into {known.name}?",
            "effect": f"A worker shows the {PEEKED} messages that come next, with their arguments.",
        }
    return {
        "question": f"Throw away what waits in {known.name}?",
        "effect": f"About {known.length} messages. Nothing brings them back; supervised tasks among them become revoked.",
    }


def _words_of_pool(verb: str, pool: Pool) -> dict[str, Any]:
    if verb == "scale-pool":
        bounds = "" if pool.most is None else f", {pool.least} to {pool.most}"
        return {
            "question": f"How many workers has {pool.key}?",
            "effect": f"It has {pool.wanted} now, {pool.decides}{bounds}. A number counts until it is left empty here: "
            "then the tree, the schedule and what waits decide again. Fewer drain; no task is lost.",
            "pool": pool,
        }
    effects = {
        "restart-pool": f"Each of its {pool.workers} workers is replaced by a fresh one, one at a time, each drained only "
        "when another one stands in for it.",
        "drain-pool": "Its workers end: running tasks get the time of the soft shutdown, what was taken goes back into the "
        "queue. Nobody works on its queues until it is resumed.",
        "resume-pool": "It works again, with as many workers as its tree, its schedule or an operator says.",
    }
    asks = {"restart-pool": "Restart", "drain-pool": "Drain", "resume-pool": "Resume"}
    return {"question": f"{asks[verb]} {pool.key}?", "effect": effects[verb], "pool": pool}


def _order_pool(verb: str, request: PageRequest, reason: str, now: datetime) -> None:
    """Raises TaskError."""
    actor = actor_of(request.http)
    which = {"tree": _given(request, "tree"), "path": _given(request, "path")}
    if verb == "scale-pool":
        text = request.http.POST.get("workers", "").strip()
        if text and not (text.isdecimal() and len(text) <= 5):
            raise TaskStateError(f"{text[:20]!r} is no number of workers")
        ordering.set_workers(
            **which, workers=int(text) if text else None, actor=actor, reason=reason, now=now
        )
        return
    orders = {
        "restart-pool": ordering.restart_pool, "drain-pool": ordering.drain_pool,
        "resume-pool": ordering.resume_pool,
    }  # fmt: skip
    orders[verb](**which, actor=actor, reason=reason, now=now)


def act(request: PageRequest) -> HttpResponse:
    _deed(request)
    verb, now, actor = request.params["verb"], timezone.now(), actor_of(request.http)
    reason = request.http.POST.get("reason", "").strip()[:MAX_REASON]
    given = {name: _given(request, name) for name in GIVEN}
    context(request)  # what it is about is there
    target = reverse("workers")
    try:
        if verb == "revoke":
            operating.revoke_run(run_id=given["id"], actor=actor, reason=reason, now=now)
            target = reverse("task", args=[given["id"]])
        elif verb == "replay":
            operating.replay_run(run_id=given["id"], actor=actor, reason=reason, now=now)
            target = reverse("task", args=[given["id"]])
        elif DEEDS[verb].on == "pool":
            _order_pool(verb, request, reason, now)
        elif verb == "replay-all":
            operating.replay_runs(
                name=given["name"], queue=given["queue"], actor=actor, reason=reason, now=now
            )
        elif verb == "peek":
            made = operating.request_peek(
                app=given["app"], queue=given["queue"], limit=PEEKED, actor=actor, now=now
            )
            target = reverse("task-request", args=[made.pk])
        else:
            made = operating.request_purge(
                app=given["app"], queue=given["queue"], actor=actor, reason=reason, now=now
            )
            target = reverse("task-request", args=[made.pk])
    except TaskError as error:
        return show(PAGE, request, context(request, str(error)), status=409)
    return HttpResponseRedirect(target, status=303)


def act_url(verb: str, **given: str) -> str:
    return f"{reverse('task-act', args=[verb])}?{urlencode(given)}"


PAGE = Page(
    slug="task-act",
    title="Confirm",
    path="workers/act/<slug:verb>",
    template="dashboard/task_act.html",
    select=select,
    act=act,
)
