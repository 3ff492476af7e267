"""Releases: since when each is there, how many of its runs crashed and for whom, and which issues came with it."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.errors.store import releases
from supervision.errors.store.models import ErrorRelease

PER_PAGE = 50
GOOD, FAIR = 99.5, 98.0
"""Percent of runs that did not crash."""


def select(request: PageRequest) -> Context:
    page, now = request.text("page"), timezone.now()
    number = max(1, int(page)) if page.isdecimal() and len(page) < 6 else 1
    first = (number - 1) * PER_PAGE
    found = list(releases.releases(trees=request.visible, now=now)[first : first + PER_PAGE + 1])
    shown = found[:PER_PAGE]
    environments = releases.environments_of(shown, now=now)
    return {
        "rows": [_row(row, environments.get((row.project_id, row.version), [])) for row in shown],
        "days": releases.SPAN.days,
        "earlier_url": f"?{urlencode({'page': number - 1})}" if number > 1 else None,
        "next_url": f"?{urlencode({'page': number + 1})}" if len(found) > PER_PAGE else None,
    }


def _row(row: Any, environments: list[dict[str, Any]]) -> dict[str, Any]:
    """Any: a release with its sums."""
    release: ErrorRelease = row
    free = releases.crash_free(row.sessions, row.crashed)
    users_free = releases.crash_free(row.users, row.crashed_users)
    asked = urlencode({"q": f'project:{release.project.slug} release:"{release.version}"'})
    return {
        "version": release.version,
        "project": release.project.slug,
        "first_seen": seconds(release.first_seen),
        "sessions": row.sessions,
        "errored": row.errored,
        "crashed": row.crashed,
        "crash_free": None if free is None else _percent(free),
        "tone": "idle" if free is None else _tone(free),
        "users": row.users,
        "users_free": None if users_free is None else _percent(users_free),
        "users_tone": "idle" if users_free is None else _tone(users_free),
        "new_issues": row.new_issues,
        "environments": [
            {
                **one,
                "crash_free": _percent(one["crash_free"]),
                "tone": _tone(one["crash_free"]),
                "users_free": None if one["crash_free_users"] is None else _percent(one["crash_free_users"]),
                "users_tone": "idle" if one["crash_free_users"] is None else _tone(one["crash_free_users"]),
            }
            for one in environments
            if one["crash_free"] is not None
        ],
        "url": f"{reverse('errors')}?{asked}",
    }


def _percent(free: float) -> str:
    """Never rounded up to 100: one crash is one crash."""
    return "100 %" if free == 100 else f"{min(free, 99.99):.2f} %"


def _tone(free: float) -> str:
    return "ok" if free >= GOOD else "warn" if free >= FAIR else "crit"


PAGE = Page(
    slug="releases",
    title="Releases",
    path="errors/releases",
    template="dashboard/releases.html",
    select=select,
)
