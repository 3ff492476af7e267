"""Overview: what needs attention, in words; how many of what; the last hour."""

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from controlplane.access.policy import Permission
from controlplane.dashboard.events import latest_events
from controlplane.dashboard.framework import Context, Page, PageRequest

EVENTS = 10
SYSTEM = "system"


def select(request: PageRequest) -> Context | HttpResponse:
    summary = request.reading.summary(request.visible, now=request.now)
    theirs = [tree for tree in summary["trees"] if tree["tree"] != SYSTEM]
    if (
        not theirs
        and request.at is None
        and request.principal.can(Permission.ADMIN)
        and "all" not in request.http.GET
    ):
        return HttpResponseRedirect(reverse("welcome"))
    events = latest_events(request.visible, request.reading.hub, most=EVENTS, until=request.at)
    attention = [{**item, "why": _why(item["text"], item["key"])} for item in summary["attention"]]
    return {**summary, "attention": attention, "events": events}


def _why(text: str, key: str) -> str:
    """What is wrong, without the name that stands above it anyway; static/js/overview.js says the same."""
    said = text[len(key) :].lstrip(": ") if key and text.startswith(key) else text
    return said[:1].upper() + said[1:]


PAGE = Page(
    slug="overview",
    has_past=True,
    title="Overview",
    path="",
    template="dashboard/overview.html",
    select=select,
    g_key="o",
    order=10,
    topics={"summary": {}, "events": {}},
)
