"""Errors: the issues that reports make, seen last first; what is new, what came back, and how often."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.errors.store import selectors
from supervision.errors.store.models import ErrorIssue

PER_PAGE = 100
STATUSES = ("open", *ErrorIssue.Status.values, "all")
TONES = {
    ErrorIssue.Status.NEW: "warn",
    ErrorIssue.Status.REGRESSED: "crit",
    ErrorIssue.Status.ONGOING: "warn",
    ErrorIssue.Status.RESOLVED: "ok",
    ErrorIssue.Status.ARCHIVED: "idle",
}
LEVELS = {"fatal": "crit", "error": "crit", "warning": "warn"}


def select(request: PageRequest) -> Context:
    asked = request.text("status")
    status = asked if asked in STATUSES else "open"
    words = request.text("q")[:200]
    page = request.text("page")
    number = int(page) if page.isdecimal() and len(page) < 6 else 1
    rows = selectors.issues(trees=request.visible, status="" if status == "all" else status, words=words)
    first = (max(1, number) - 1) * PER_PAGE
    found = list(rows[first : first + PER_PAGE + 1])
    shown = found[:PER_PAGE]
    hours = selectors.hours_of((issue.pk for issue in shown), now=timezone.now())
    query = {"status": status, "q": words, "page": max(1, number) + 1}
    return {
        "rows": [issue_row(issue) | {"hours": hours.get(issue.pk, [])} for issue in shown],
        "q": words,
        "status": status,
        "statuses": STATUSES,
        "next_url": f"?{urlencode(query)}" if len(found) > PER_PAGE else None,
        "is_default": status == "open" and not words,
        "projects": [
            {"slug": project.slug, "name": project.name}
            for project in selectors.projects(trees=request.visible)[:50]
        ],
    }


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
        "last_seen": seconds(stat.last_seen) if stat else None,
        "first_seen": seconds(issue.first_seen),
        "child": (stat.last_child if stat else "") or issue.child,
        "release": stat.last_release if stat else "",
        "environment": stat.last_environment if stat else "",
        "assignee": issue.assignee.get_username() if issue.assignee else "",
        "url": reverse("error-issue", args=[issue.short_id]),
    }


PAGE = Page(
    slug="errors",
    title="Errors",
    path="errors",
    template="dashboard/errors.html",
    select=select,
    g_key="e",
    order=44,
)
