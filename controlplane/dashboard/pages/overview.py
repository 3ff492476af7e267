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
    if not theirs and request.principal.can(Permission.ADMIN) and "all" not in request.http.GET:
        return HttpResponseRedirect(reverse("welcome"))
    return {**summary, "events": latest_events(request.visible, request.reading.hub, most=EVENTS)}


PAGE = Page(
    slug="overview",
    title="Overview",
    path="",
    template="dashboard/overview.html",
    select=select,
    g_key="o",
    order=10,
    topics={"summary": {}, "events": {}},
)
