"""One rule: make it, change it, remove it; what it would say now is shown before it is saved."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import ruleforms
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.pages.rules import KNOWN, in_words
from supervision.alerts.kinds import Severity
from supervision.rules import selectors, services
from supervision.rules.exceptions import InvalidRuleError, NotFoundError
from supervision.rules.models import MeasureRule
from supervision.rules.readings import TooMuchError
from supervision.rules.watching import preview
from supervision.trees.models import Tree

SHOWN = 10


def select(request: PageRequest) -> Context:
    rule = find(request)
    return context(request, rule, ruleforms.of_rule(rule))


def find(request: PageRequest) -> MeasureRule:
    """Raises Http404, ForbiddenError."""
    try:
        rule = selectors.get_rule(request.params["id"], trees=request.visible)
    except NotFoundError as error:
        raise Http404(str(error)) from None
    request.require(Permission.ADMIN, rule.tree)
    return rule


def context(request: PageRequest, rule: MeasureRule | None, form: dict[str, str]) -> Context:
    return {
        "rule": rule,
        "form": form,
        "errors": {},
        "would": None,
        "version": request.http.POST.get("version") or (rule.version if rule else 0),
        "measures": KNOWN,
        "severities": [str(one) for one in Severity],
        "trees": trees(request),
    }


def trees(request: PageRequest) -> list[str]:
    """Those that the viewer administers; "" for all, where that is allowed."""
    names = Tree.objects.order_by("name").values_list("name", flat=True)
    return [name for name in ("", *names) if request.principal.can(Permission.ADMIN, name)]


def act(request: PageRequest) -> HttpResponse:
    return submitted(PAGE, request, find(request))


def submitted(page: Page, request: PageRequest, rule: MeasureRule | None) -> HttpResponse:
    """The form was sent: look, save or remove. What was typed is never lost."""
    post = request.http.POST
    if post.get("do") == "delete" and rule is not None:
        services.delete_rule(rule=rule, actor=actor_of(request.http), now=timezone.now())
        messages.success(request.http, f"The rule {rule.name} is removed.")
        return HttpResponseRedirect(reverse("rules"), status=303)
    form = ruleforms.typed(post, ruleforms.RULE_BLANK)
    shown = context(request, rule, form)
    try:
        fields = ruleforms.rule_fields(form)
        services.check_rule(fields)
        request.require(Permission.ADMIN, fields.tree)
        if post.get("do") != "save":
            return show(page, request, shown | {"would": _would(fields)})
        if rule is not None and str(rule.version) != post.get("version"):
            errors = {
                "": "Somebody changed this rule meanwhile, so nothing was saved. Open it again, then decide."
            }
            return show(page, request, shown | {"errors": errors}, status=412)
        made = services.save_rule(rule=rule, fields=fields, actor=actor_of(request.http), now=timezone.now())
    except InvalidRuleError as error:
        return show(page, request, shown | {"errors": {ruleforms.field_of(error): str(error)}}, status=400)
    messages.success(request.http, f"The rule {made.name} is saved. It is looked at within seconds.")
    return HttpResponseRedirect(reverse("rules"), status=303)


def _would(fields: services.RuleFields) -> dict[str, Any]:
    rule = MeasureRule(**{name: getattr(fields, name) for name in services.RuleFields.__slots__})
    try:
        found = preview(rule, now=timezone.now())
    except TooMuchError:
        return {"words": in_words(rule), "too_much": True}
    return {
        "words": in_words(rule),
        "watched": found.watched,
        "unknown": found.unknown,
        "crossed": found.crossed[:SHOWN],
        "crossed_count": len(found.crossed),
    }


PAGE = Page(
    slug="rule",
    title="Rule",
    path="rules/<int:id>",
    template="dashboard/rule.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can_somewhere(Permission.ADMIN),
)
