"""Grouping of errors: the rules of each project by which reports become issues, tried on what came before they are saved."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.conditionlines import normal
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.groupingforms import lines_of, rules_of_lines
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store import grouping_rules, selectors
from supervision.errors.store.models import ErrorProject
from supervision.explain.words import count

MOST = 100
EXAMPLE = """type:TimeoutError module:shop.* -> timeout, {{ function }}
logger:payments -> {{ default }}, {{ tags.region }} title="payments in {{ tags.region }}\""""


def select(request: PageRequest) -> Context:
    projects = selectors.projects(trees=request.visible).prefetch_related("rules")
    return {"projects": [_project(request, project) for project in projects[:MOST]], "example": EXAMPLE}


def _project(request: PageRequest, project: ErrorProject) -> dict[str, Any]:
    rules = list(project.rules.all())
    text = lines_of(rules)
    return {
        "slug": project.slug,
        "was": text,
        "text": text,
        "rows": max(3, min(20, len(rules) + 1)),
        "may_change": request.principal.can(Permission.ADMIN, project.tree or EVERY_TREE),
        "error": "",
        "trial": None,
    }


def act(request: PageRequest) -> HttpResponse | Context:
    """Try a project's rules on its newest events, or save them. What was typed is never lost."""
    post = request.http.POST
    do = post.get("do", "")
    if do not in ("try", "save"):
        raise Http404("There is no such action.")
    project = selectors.projects(trees=request.visible).filter(slug=post.get("project", "")).first()
    if project is None:
        raise Http404("There is no such project.")
    request.require(Permission.ADMIN, project.tree or EVERY_TREE)
    try:
        found = rules_of_lines(post.get("rules", ""))
        checked = grouping_rules.checked_rules(found)
        if do == "try":
            trial = _trial(project, found, grouping_rules.try_rules(project=project, rules=checked))
            return show(PAGE, request, _typed(request, project, {"trial": trial}))
        if normal(post.get("was", "")) != normal(lines_of(grouping_rules.rules_of_project(project))):
            raise InvalidFieldError("rules", "somebody changed these rules meanwhile, so nothing was saved")
        grouping_rules.set_rules(project=project, rules=found, actor=actor_of(request.http))
    except InvalidFieldError as error:
        words = str(error) if error.field == "rules" else f"rule {_number(error.field)}: {error}"
        return show(PAGE, request, _typed(request, project, {"error": words}), status=400)
    said = f"{count(len(found), 'rule')} of {project.slug} are saved. They count for reports to come."
    messages.success(request.http, said)
    return HttpResponseRedirect(reverse("error-grouping"), status=303)


def _number(field: str) -> int:
    """Of a field like rules/0/match, from 1."""
    return int(field.split("/")[1]) + 1


def _typed(request: PageRequest, project: ErrorProject, more: dict[str, Any]) -> Context:
    """The page with what was typed for this project."""
    post = request.http.POST
    shown = select(request)
    for one in shown["projects"]:
        if one["slug"] == project.slug:
            text = post.get("rules", "")
            one |= {"text": text, "was": post.get("was", ""), **more}
            one["rows"] = max(one["rows"], min(20, text.count("\n") + 2))
    return shown


def _trial(
    project: ErrorProject, rules: list[grouping_rules.RuleFields], found: grouping_rules.Trials
) -> dict[str, Any]:
    return {
        "tried": found.tried,
        "unmatched": found.unmatched,
        "rules": [
            {
                "line": lines_of([rule]),
                "events": trial.events,
                "issues": [
                    {"short_id": each, "url": reverse("error-issue", args=[each])} for each in trial.issues
                ],
                "fingerprint": trial.fingerprint,
                "title": trial.title,
            }
            for rule, trial in zip(rules, found.rules, strict=True)
        ],
    }


PAGE = Page(
    slug="error-grouping",
    title="Grouping of errors",
    path="errors/grouping",
    template="dashboard/error_grouping.html",
    select=select,
    act=act,
)
