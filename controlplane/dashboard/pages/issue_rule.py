"""One rule on issues: make it, change it, remove it; which issues of today it would have is shown before it is saved."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import issueruleforms
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.ruleforms import typed
from controlplane.filters.issues import issue_condition
from supervision.alerts.kinds import Severity
from supervision.errors.store import selectors as errors
from supervision.rules.exceptions import InvalidRuleError, NotFoundError
from supervision.rules.issues import selectors, services
from supervision.rules.issues.models import IssueRule

SHOWN = 10


def select(request: PageRequest) -> Context:
    rule = find(request)
    return context(request, rule, issueruleforms.of_rule(rule))


def find(request: PageRequest) -> IssueRule:
    """Raises Http404, ForbiddenError."""
    try:
        rule = selectors.get_rule(request.params["id"], trees=request.visible)
    except NotFoundError as error:
        raise Http404(str(error)) from None
    request.require(Permission.ADMIN, rule.tree)
    return rule


def context(request: PageRequest, rule: IssueRule | None, form: dict[str, str]) -> Context:
    projects = [
        project.slug
        for project in errors.projects(trees=request.visible)
        if request.principal.can(Permission.ADMIN, project.tree)
    ]
    return {
        "rule": rule,
        "form": form,
        "errors": {},
        "would": None,
        "version": request.http.POST.get("version") or (rule.version if rule else 0),
        "severities": [str(one) for one in Severity],
        "projects": (["", *projects] if request.principal.can(Permission.ADMIN) else projects),
    }


def act(request: PageRequest) -> HttpResponse:
    return submitted(PAGE, request, find(request))


def submitted(page: Page, request: PageRequest, rule: IssueRule | None) -> HttpResponse:
    """The form was sent: look, save or remove. What was typed is never lost."""
    post = request.http.POST
    if post.get("do") == "delete" and rule is not None:
        services.delete_rule(rule=rule, actor=actor_of(request.http), now=timezone.now())
        messages.success(request.http, f"The rule {rule.name} is removed.")
        return HttpResponseRedirect(reverse("issue-rules"), status=303)
    form = typed(post, issueruleforms.BLANK)
    shown = context(request, rule, form)
    try:
        fields = issueruleforms.rule_fields(form)
        services.check_rule(fields, issue_condition)
        project = services.project_called(fields.project)
        request.require(Permission.ADMIN, project.tree if project is not None else "")
        if post.get("do") != "save":
            return show(page, request, shown | {"would": _would(request, fields)})
        if rule is not None and str(rule.version) != post.get("version"):
            wrong = "Somebody changed this rule meanwhile, so nothing was saved. Open it again, then decide."
            return show(page, request, shown | {"errors": {"": wrong}}, status=412)
        made = services.save_rule(
            rule=rule,
            fields=fields,
            accepts=issue_condition,
            actor=actor_of(request.http),
            now=timezone.now(),
        )
    except InvalidRuleError as error:
        return show(page, request, shown | {"errors": {error.field: str(error)}}, status=400)
    messages.success(request.http, f"The rule {made.name} is saved. It is looked at within seconds.")
    return HttpResponseRedirect(reverse("issue-rules"), status=303)


def _would(request: PageRequest, fields: services.IssueRuleFields) -> dict[str, Any]:
    """Issues that are there and that its filter accepts, seen last first."""
    rows = errors.issues(trees=request.visible).filter(issue_condition(fields.filter))
    if fields.project:
        rows = rows.filter(project__slug=fields.project)
    if fields.environment:
        rows = rows.filter(tags__key="environment", tags__value=fields.environment)
    found = list(rows[:SHOWN])
    return {
        "count": rows.count(),
        "issues": [{"short_id": issue.short_id, "title": issue.title} for issue in found],
    }


PAGE = Page(
    slug="issue-rule",
    title="Rule on errors",
    path="rules/issues/<int:id>",
    template="dashboard/issue_rule.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can_somewhere(Permission.ADMIN),
)
