"""One objective: make it, change it, remove it."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import ruleforms
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.pages.rule import trees
from controlplane.dashboard.pages.rules import INDICATORS
from supervision.rules import selectors, services
from supervision.rules.exceptions import InvalidRuleError, NotFoundError
from supervision.rules.models import Objective


def select(request: PageRequest) -> Context:
    objective = find(request)
    return context(request, objective, ruleforms.of_objective(objective))


def find(request: PageRequest) -> Objective:
    """Raises Http404, ForbiddenError."""
    try:
        found = selectors.get_objective(request.params["id"], trees=request.visible, now=timezone.now())
    except NotFoundError as error:
        raise Http404(str(error)) from None
    request.require(Permission.ADMIN, found.tree)
    return found


def context(request: PageRequest, objective: Objective | None, form: dict[str, str]) -> Context:
    return {
        "objective": objective,
        "form": form,
        "errors": {},
        "version": request.http.POST.get("version") or (objective.version if objective else 0),
        "indicators": [(str(name), words) for name, words in INDICATORS.items()],
        "trees": trees(request),
    }


def act(request: PageRequest) -> HttpResponse:
    return submitted(PAGE, request, find(request))


def submitted(page: Page, request: PageRequest, objective: Objective | None) -> HttpResponse:
    """The form was sent: save or remove. What was typed is never lost."""
    post, now = request.http.POST, timezone.now()
    if post.get("do") == "delete" and objective is not None:
        services.delete_objective(objective=objective, actor=actor_of(request.http), now=now)
        messages.success(request.http, f"The objective {objective.name} is removed.")
        return HttpResponseRedirect(reverse("rules"), status=303)
    form = ruleforms.typed(post, ruleforms.OBJECTIVE_BLANK)
    shown = context(request, objective, form)
    try:
        fields = ruleforms.objective_fields(form)
        request.require(Permission.ADMIN, fields.tree)
        if objective is not None and str(objective.version) != post.get("version"):
            errors = {
                "": "Somebody changed this objective meanwhile, so nothing was saved. Open it again, then decide."
            }
            return show(page, request, shown | {"errors": errors}, status=412)
        made = services.save_objective(
            objective=objective, fields=fields, actor=actor_of(request.http), now=now
        )
    except InvalidRuleError as error:
        return show(page, request, shown | {"errors": {ruleforms.field_of(error): str(error)}}, status=400)
    messages.success(
        request.http, f"The objective {made.name} is saved. Its first minute is counted within two."
    )
    return HttpResponseRedirect(reverse("rules"), status=303)


PAGE = Page(
    slug="objective",
    title="Objective",
    path="objectives/<int:id>",
    template="dashboard/objective.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can_somewhere(Permission.ADMIN),
)
