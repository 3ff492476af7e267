"""What a worker was asked about a queue, and what it answered."""

from django.http import Http404

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.tasks import selectors
from supervision.tasks.exceptions import NoSuchRequestError


def select(request: PageRequest) -> Context:
    try:
        asked = selectors.get_request(request.params["id"])
    except NoSuchRequestError as error:
        raise Http404(str(error)) from None
    answer = asked.answer or {}
    is_open = asked.state in ("pending", "claimed")
    is_late = is_open and (seconds(asked.deadline_at) or 0.0) < request.now
    return {
        "asked": asked,
        "is_open": is_open and not is_late,
        "created_at": seconds(asked.created_at),
        "messages": answer.get("messages", []),
        "purged": answer.get("purged"),
        "error": answer.get("error", "no worker of this application answered in time" if is_late else ""),
    }


PAGE = Page(
    slug="task-request",
    title="Queue",
    path="workers/queue/<uuid:id>",
    template="dashboard/task_request.html",
    select=select,
    may_open=lambda principal: principal.can(Permission.OPERATE),
)
