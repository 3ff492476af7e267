"""A new objective."""

from django.http import HttpResponse

from controlplane.access.policy import Permission
from controlplane.dashboard import ruleforms
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.pages.objective import context, submitted


def select(request: PageRequest) -> Context:
    return context(request, None, dict(ruleforms.OBJECTIVE_BLANK))


def act(request: PageRequest) -> HttpResponse:
    return submitted(PAGE, request, None)


PAGE = Page(
    slug="objective-new",
    title="New objective",
    path="objectives/new",
    template="dashboard/objective.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can_somewhere(Permission.ADMIN),
)
