"""One task: where it is, every attempt with its holder and its end, and what can be done."""

from django.http import Http404

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.taskrows import task_row
from supervision.errors.store.seen import TASK_TAG
from supervision.errors.store.selectors import issues_tagged
from supervision.tasks import selectors
from supervision.tasks.exceptions import NoSuchTaskError
from supervision.tasks.holders import read_holder
from supervision.tasks.models import TaskAttempt

ATTEMPTS = 100


def select(request: PageRequest) -> Context:
    try:
        run = selectors.get_run(str(request.params["id"])[:255], trees=request.visible)
    except NoSuchTaskError as error:
        raise Http404(str(error)) from None
    attempts = list(selectors.attempts_of(run).reverse()[:ATTEMPTS])
    return {
        "task": task_row(run, request.principal, request.now),
        "run": run,
        "created_at": seconds(run.created_at),
        "published_at": seconds(run.published_at),
        "started_at": seconds(run.started_at),
        "ended_at": seconds(run.ended_at),
        "due_at": seconds(run.due_at),
        "issues": [issue.short_id for issue in issues_tagged(TASK_TAG, run.pk, tree=run.tree)]
        if run.tree
        else [],
        "attempts": [_attempt(each) for each in attempts],
    }


def _attempt(attempt: TaskAttempt) -> dict[str, object]:
    holder = read_holder(attempt.holder)
    return {
        "number": attempt.number,
        "epoch": attempt.epoch,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "message": attempt.message,
        "traceback": attempt.traceback,
        "started_at": seconds(attempt.started_at),
        "run_s": attempt.run_s,
        "key": holder.key if holder is not None else "",
        "node": holder.node_id if holder is not None else "",
        "pid": attempt.pid,
    }


PAGE = Page(
    slug="task", title="Task", path="workers/task/<str:id>", template="dashboard/task.html", select=select
)
