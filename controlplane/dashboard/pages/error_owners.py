"""Owners of errors: teams, and the rules of each project that say whose its new issues are."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.conditionlines import normal
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.ownerforms import lines_of, owners_of_lines
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store import owning, selectors
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.owner_models import ErrorTeam

MOST = 100


def select(request: PageRequest) -> Context:
    teams: list[Any] = list(owning.teams_with_issues(trees=request.visible)[:MOST])
    projects = selectors.projects(trees=request.visible).prefetch_related("owners__user", "owners__team")
    return {
        "teams": [
            {
                "slug": team.slug,
                "name": team.name,
                "version": team.version,
                "members": sorted(user.get_username() for user in team.members.all()),
                "issues": team.open_issues,
            }
            for team in teams
        ],
        "projects": [_project(request, project) for project in projects[:MOST]],
        "may_team": request.principal.can(Permission.ADMIN),
        "typed": {},
        "errors": {},
    }


def _project(request: PageRequest, project: ErrorProject) -> dict[str, Any]:
    rules = list(project.owners.all())
    return {
        "slug": project.slug,
        "text": lines_of(rules),
        "rows": max(3, min(20, len(rules) + 1)),
        "may_change": _may_change(request, project),
    }


def act(request: PageRequest) -> HttpResponse | Context:
    """Make, change or remove a team, or say a project's rules anew. What was typed is never lost."""
    do = {"team": _team, "drop": _drop, "rules": _rules}.get(request.http.POST.get("do", ""))
    if do is None:
        raise Http404("There is no such action.")
    try:
        said = do(request)
    except InvalidFieldError as error:
        shown = select(request) | {
            "typed": request.http.POST.dict(),
            "errors": {request.http.POST.get("project", "") or "team": str(error)},
        }
        return show(PAGE, request, shown, status=400)
    messages.success(request.http, said)
    return HttpResponseRedirect(reverse("error-owners"), status=303)


def _team(request: PageRequest) -> str:
    request.require(Permission.ADMIN)
    post = request.http.POST
    known = _known(post.get("was", "")) if post.get("was") else None
    members = [name for name in post.get("members", "").replace(",", " ").split() if name]
    made = owning.save_team(
        team=known,
        slug=post.get("slug", "").strip(),
        name=post.get("name", "").strip(),
        members=members,
        actor=actor_of(request.http),
    )
    return f"The team {made.slug} is saved."


def _drop(request: PageRequest) -> str:
    request.require(Permission.ADMIN)
    team = _known(request.http.POST.get("was", ""))
    owning.delete_team(team=team, actor=actor_of(request.http))
    return f"The team {team.slug} is removed."


def _known(slug: str) -> ErrorTeam:
    team = owning.team_called(slug)
    if team is None:
        raise Http404("There is no such team.")
    return team


def _rules(request: PageRequest) -> str:
    post = request.http.POST
    project = selectors.projects(trees=request.visible).filter(slug=post.get("project", "")).first()
    if project is None:
        raise Http404("There is no such project.")
    request.require(Permission.ADMIN, project.tree or EVERY_TREE)
    if normal(post.get("was", "")) != normal(lines_of(owning.owners_of(project))):
        raise InvalidFieldError("owners", "somebody changed these rules meanwhile, so nothing was saved")
    found = owners_of_lines(post.get("rules", ""))
    owning.set_owners(project=project, owners=found, actor=actor_of(request.http))
    return f"{len(found)} rules of {project.slug} are saved. They count for new issues."


def _may_change(request: PageRequest, project: ErrorProject) -> bool:
    return request.principal.can(Permission.ADMIN, project.tree or EVERY_TREE)


PAGE = Page(
    slug="error-owners",
    title="Owners of errors",
    path="errors/owners",
    template="dashboard/error_owners.html",
    select=select,
    act=act,
)
