"""A new rule on issues."""

from django.http import HttpResponse

from controlplane.access.policy import Permission
from controlplane.dashboard import issueruleforms
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.pages.issue_rule import context, submitted


def select(request: PageRequest) -> Context:
    return context(request, None, dict(issueruleforms.BLANK))


def act(request: PageRequest) -> HttpResponse:
    return submitted(PAGE, request, None)


PAGE = Page(
    slug="issue-rule-new",
    title="New rule on errors",
    path="rules/issues/new",
    template="dashboard/issue_rule.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can_somewhere(Permission.ADMIN),
)
