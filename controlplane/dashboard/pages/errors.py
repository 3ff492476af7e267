"""Errors: the issues that reports make, seen last first; what is new, what came back, and how often. Many may be decided
about at once, after they were counted."""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.lostrows import lost_rows
from controlplane.dashboard.mergeforms import to_confirm
from controlplane.dashboard.rowspark import count_bars
from controlplane.filters.grammar import FilterError
from controlplane.filters.issues import issue_condition
from controlplane.filters.keyset import Order
from supervision.auditlog.services import audited
from supervision.errors.store import issues, joining, selectors
from supervision.errors.store.lost import lost
from supervision.errors.store.models import ErrorIssue, ErrorProject
from supervision.errors.store.owning import owner_words
from supervision.explain.words import count

PER_PAGE = 100
DOWNWARD = Order(("stat__last_seen", "id"), descending=True)
UPWARD = Order(DOWNWARD.fields)
OPEN = "open:true"
"""What is shown to who asks for nothing else; the field says so, and can be emptied."""
TONES = {
    ErrorIssue.Status.NEW: "warn",
    ErrorIssue.Status.REGRESSED: "crit",
    ErrorIssue.Status.ONGOING: "warn",
    ErrorIssue.Status.ESCALATING: "crit",
    ErrorIssue.Status.RESOLVED: "ok",
    ErrorIssue.Status.ARCHIVED: "idle",
    ErrorIssue.Status.MUTED: "held",
}
LEVELS = {"fatal": "crit", "error": "crit", "warning": "warn"}
DEEDS = {
    "resolve": ("resolved", "Resolve"),
    "archive": ("archived", "Archive"),
    "mute": ("muted", "Mute"),
    "open": ("ongoing", "Open again"),
}
"""What may be done to all that match: the status they get, and the word."""
MERGE = "merge"


def select(request: PageRequest) -> Context:
    asked = request.http.GET.get("q")
    return _context(request, OPEN if asked is None else asked.strip()[:1000])


def _context(request: PageRequest, q: str) -> Context:
    error = None
    rows = selectors.issues(trees=request.visible)
    try:
        rows = _accepted(request, rows, q)
    except FilterError as wrong:
        error = {"at": wrong.at, "message": wrong.message}
    shown, newer, older = _page(request, rows)
    hours = selectors.hours_of((issue.pk for issue in shown), now=timezone.now())
    return {
        "rows": [issue_row(issue) | day_of(hours.get(issue.pk, [])) for issue in shown],
        "q": q,
        "q_error": error,
        "facets": [
            {"label": label, "url": f"?{urlencode({'q': text})}", "is_current": q == text}
            for label, text in (
                ("Open", OPEN),
                ("Came back", "status:regressed"),
                ("New today", "open:true first_seen:<1d"),
                ("Mine", "open:true assignee:me"),
                ("Resolved", "status:resolved"),
                ("All", ""),
            )
        ],
        "newer_url": f"?{urlencode({'q': q, 'after': newer})}" if newer else None,
        "older_url": f"?{urlencode({'q': q, 'before': older})}" if older else None,
        "is_default": q == OPEN,
        "deeds": [
            *({"do": do, "label": label} for do, (_, label) in DEEDS.items()),
            {"do": MERGE, "label": "Merge"},
        ]
        if any(_may_change(request, issue.project) for issue in shown)
        or (shown and _changeable(request, rows).exists())
        else [],
        "pending": None,
        "spikes": [
            {
                "project": spike.project.slug,
                "usual": f"{spike.usual_per_minute:.3g}",
                "limit": spike.limit_per_minute,
                "refused": spike.refused,
                "began_at": seconds(spike.began_at),
            }
            for spike in selectors.spikes(trees=request.visible)[:20]
        ],
        "lost": lost_rows(lost(trees=request.visible, now=timezone.now())),
        "projects": [
            {"slug": project.slug, "name": project.name}
            for project in selectors.projects(trees=request.visible)[:50]
        ],
    }


def act(request: PageRequest) -> HttpResponse | Context:
    """First what would be changed, counted; then, with that number, the change."""
    post = request.http.POST
    do, q = post.get("do", ""), post.get("q", "").strip()[:1000]
    if do not in DEEDS and do != MERGE:
        raise Http404("There is no such action.")
    back = f"{reverse('errors')}?{urlencode({'q': q})}"
    try:
        rows = _accepted(request, selectors.issues(trees=request.visible), q)
    except FilterError as wrong:
        messages.error(request.http, f"{wrong.message}, at character {wrong.at + 1}.")
        return HttpResponseRedirect(back)
    most = issues.MOST_BULK if do in DEEDS else joining.MOST_MERGED
    matched = list(_changeable(request, rows)[: most + 1])
    if len(matched) > most:
        messages.error(request.http, f"More than {most} match: narrow the filter.")
        return HttpResponseRedirect(back)
    if do == MERGE:
        return _merge(request, matched, q, back)
    status, label = DEEDS[do]
    words = count(len(matched), "issue")
    if post.get("confirmed") != str(len(matched)):
        pending = {"do": do, "label": f"{label} {words}", "count": len(matched), "words": words, "q": q}
        return show(PAGE, request, {**_context(request, q), "pending": pending})
    now, actor = timezone.now(), actor_of(request.http)
    with audited():
        for issue in matched:
            issues.set_status(issue=issue, status=status, now=now, actor=actor)
    messages.success(request.http, f"{label}: {words}.")
    return HttpResponseRedirect(back)


def _merge(request: PageRequest, matched: list[ErrorIssue], q: str, back: str) -> HttpResponse | Context:
    """All that match become the one that was first; asked before, as all that is done to many."""
    wrong = ""
    if len(matched) < 2:
        wrong = "Fewer than two that you may change match: there is nothing to merge."
    elif len({issue.project_id for issue in matched}) > 1:
        wrong = "They are of several projects: narrow the filter to one, like project:shop."
    if wrong:
        messages.error(request.http, wrong)
        return HttpResponseRedirect(back)
    into = min(matched, key=lambda issue: issue.number)
    others = [issue for issue in matched if issue != into]
    pending = to_confirm(joining.plan_merge(into=into, others=others), request.http.POST, do=MERGE)
    if pending is not None:
        return show(PAGE, request, {**_context(request, q), "pending": pending | {"q": q}})
    done = joining.merge(into=into, others=others, now=timezone.now(), actor=actor_of(request.http))
    messages.success(request.http, f"Merged: {count(len(done.issues), 'issue')} into {into.short_id}.")
    return HttpResponseRedirect(reverse("error-issue", args=[into.short_id]))


def _page(request: PageRequest, rows: "QuerySet[ErrorIssue]") -> tuple[list[ErrorIssue], str, str]:
    """The issues that are shown, and the marks before and after which there are more; empty: none are.

    By where a row stands, not by how many are before it: issues move to the top while somebody reads on.
    """
    before, after = _mark(request.text("before")), _mark(request.text("after"))
    if after is not None:
        found = list(UPWARD.of(rows.filter(UPWARD.after(after)))[: PER_PAGE + 1])
        if len(found) > PER_PAGE:
            shown = found[PER_PAGE - 1 :: -1]
            return shown, _mark_of(shown[0]), _mark_of(shown[-1])
        before = None  # the newest there are: the first page, whole
    if before is not None:
        rows = rows.filter(DOWNWARD.after(before))
    found = list(DOWNWARD.of(rows)[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    newer = _mark_of(shown[0]) if shown and before is not None else ""
    return shown, newer, _mark_of(shown[-1]) if len(found) > PER_PAGE else ""


def _mark_of(issue: ErrorIssue) -> str:
    return f"{issue.stat.last_seen.isoformat()},{issue.pk}"


def _mark(text: str) -> tuple[dt.datetime, int] | None:
    """None for what is no mark: the list begins at its top."""
    at, _, number = text.partition(",")
    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError:
        return None
    if moment.tzinfo is None or not (number.isdecimal() and len(number) < 19):
        return None
    return moment, int(number)


def _accepted(request: PageRequest, rows: "QuerySet[ErrorIssue]", q: str) -> "QuerySet[ErrorIssue]":
    return rows.filter(issue_condition(q, me=request.principal.name))


def _changeable(request: PageRequest, rows: "QuerySet[ErrorIssue]") -> "QuerySet[ErrorIssue]":
    """Those of projects whose issues this person may change."""
    projects = selectors.projects(trees=request.visible)
    return rows.filter(project__in=[project.pk for project in projects if _may_change(request, project)])


def _may_change(request: PageRequest, project: ErrorProject) -> bool:
    return request.principal.can(Permission.OPERATE, project.tree or EVERY_TREE)


def day_of(hours: list[int]) -> dict[str, Any]:
    """The last 24 hours: bars, and how many events they are."""
    return {"bars": count_bars(hours), "day": sum(hours)}


def issue_row(issue: ErrorIssue) -> dict[str, Any]:
    """What lists and the issue's own page show of it."""
    stat = getattr(issue, "stat", None)
    return {
        "short_id": issue.short_id,
        "title": issue.title,
        "culprit": issue.culprit,
        "level": issue.level,
        "level_tone": LEVELS.get(issue.level, "idle"),
        "status": issue.status,
        "tone": TONES[ErrorIssue.Status(issue.status)],
        "count": stat.count if stat else 0,
        "users": stat.users if stat else 0,
        "not_kept": stat.not_kept if stat else 0,
        "kept_one_of": stat.kept_one_of if stat else 1,
        "last_seen": seconds(stat.last_seen) if stat else None,
        "first_seen": seconds(issue.first_seen),
        "child": (stat.last_child if stat else "") or issue.child,
        "release": stat.last_release if stat else "",
        "environment": stat.last_environment if stat else "",
        "assignee": owner_words(issue),
        "url": reverse("error-issue", args=[issue.short_id]),
    }


def reported_of(key: str) -> dict[int, list[dict[str, Any]]]:
    """By incarnation, what a child reported, as events of its time line."""
    found: dict[int, list[dict[str, Any]]] = {}
    for event, issue in selectors.newest_of_child(key):
        if event.incarnation is not None:
            found.setdefault(event.incarnation, []).append(
                {
                    "at": event.at.timestamp(),
                    "severity": "trouble" if LEVELS.get(event.level) == "crit" else "warning",
                    "text": issue.title,
                    "short_id": issue.short_id,
                    "url": f"{reverse('error-issue', args=[issue.short_id])}?event={event.event_id}",
                }
            )
    return found


PAGE = Page(
    slug="errors",
    title="Errors",
    path="errors",
    template="dashboard/errors.html",
    select=select,
    act=act,
    g_key="e",
    order=44,
)
