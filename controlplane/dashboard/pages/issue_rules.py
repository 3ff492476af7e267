"""Rules on issues: who is told what of the error store, and what each rule found."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.pages.rules import TONES
from supervision.rules.exceptions import NotFoundError
from supervision.rules.issues import selectors, services
from supervision.rules.issues.models import IssueFiring, IssueRule, Trigger

NAMED = 5
"""Issues that are listed below their rule."""


def select(request: PageRequest) -> Context:
    rules: list[Any] = list(selectors.rules(trees=request.visible))
    named: dict[int, list[IssueFiring]] = {}
    lasting = IssueFiring.objects.filter(rule__in=[rule.pk for rule in rules if rule.found], over_at=None)
    for firing in lasting.select_related("issue__project").order_by("-pk")[: NAMED * len(rules)]:
        named.setdefault(firing.rule_id, []).append(firing)
    return {
        "rules": [_row(request, rule, named.get(rule.pk, [])) for rule in rules],
        "may_make": request.principal.can_somewhere(Permission.ADMIN),
    }


def in_words(rule: IssueRule) -> str:
    """What it finds, such as "100 events of an issue in 60 minutes"."""
    match rule.trigger:
        case Trigger.NEW:
            return "an issue that is new"
        case Trigger.REGRESSED:
            return "an issue that was resolved and came back"
        case Trigger.ESCALATING:
            return "an issue that comes far more often than it did"
        case Trigger.WORKERS:
            span = "a minute" if rule.window_minutes == 1 else f"{rule.window_minutes} minutes"
            return f"{rule.count} % of the tree's workers affected by an issue in {span}"
        case _:
            span = "a minute" if rule.window_minutes == 1 else f"{rule.window_minutes} minutes"
            what = rule.trigger.removesuffix("s") if rule.count == 1 else str(rule.trigger)
            of = "affected by" if rule.trigger == Trigger.USERS else "of"
            return f"{rule.count} {what} {of} an issue in {span}"


def _row(request: PageRequest, rule: Any, firings: list[IssueFiring]) -> dict[str, Any]:
    if not rule.is_enabled:
        tone, state = "idle", "off"
    elif rule.trouble:
        tone, state = "warn", rule.trouble
    elif rule.found:
        tone, state = TONES[rule.severity], f"{rule.found} open"
    else:
        tone, state = "ok", "calm"
    return {
        "id": rule.pk,
        "name": rule.name,
        "words": in_words(rule),
        "filter": rule.filter,
        "quiet": f"quiet {rule.quiet_from} to {rule.quiet_until} {rule.quiet_zone}"
        if rule.quiet_from
        else "",
        "project": rule.project.slug if rule.project is not None else "every project",
        "environment": rule.environment,
        "tone": tone,
        "state": state,
        "severity": rule.severity,
        "is_enabled": rule.is_enabled,
        "told_at": seconds(rule.told_at) if rule.told_at else None,
        "firings": [
            {
                "short_id": one.issue.short_id,
                "title": one.issue.title,
                "words": one.words,
                "at": seconds(one.at),
                "url": reverse("error-issue", args=[one.issue.short_id]),
            }
            for one in firings[:NAMED]
        ],
        "more": max(0, rule.found - len(firings[:NAMED])),
        "url": reverse("issue-rule", args=[rule.pk])
        if request.principal.can(Permission.ADMIN, rule.tree)
        else None,
    }


def act(request: PageRequest) -> HttpResponse:
    """Switch one off, or on again."""
    post = request.http.POST
    number, do = post.get("rule", ""), post.get("do", "")
    if do not in ("enable", "disable") or not number.isdecimal() or len(number) > 18:
        raise Http404("There is no such action.")
    try:
        rule = selectors.get_rule(int(number), trees=request.visible)
    except NotFoundError as error:
        raise Http404(str(error)) from None
    request.require(Permission.ADMIN, rule.tree)
    services.set_enabled(
        rule=rule, is_enabled=do == "enable", actor=actor_of(request.http), now=timezone.now()
    )
    words = "is looked at again" if do == "enable" else "is off"
    messages.success(request.http, f"The rule {rule.name} {words}.")
    return HttpResponseRedirect(reverse("issue-rules"), status=303)


PAGE = Page(
    slug="issue-rules",
    title="Rules on errors",
    path="rules/issues",
    template="dashboard/issue_rules.html",
    select=select,
    act=act,
)
