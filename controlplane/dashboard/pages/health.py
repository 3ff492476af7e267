"""Health: what is asked of running children, what they answered, how that rolls up, and whether anybody is looking."""

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.healthrows import by_node, check_row, counts, rolled_up, urgency
from controlplane.dashboard.lists import matching
from controlplane.dashboard.pages.nodes import STRAYS, stray_row
from controlplane.filters.fields import HEALTH
from supervision.health.coverage import coverage
from supervision.journal.selectors import strays

MOST = 300
MOST_SUPERVISORS = 200


def select(request: PageRequest) -> Context:
    reading, q = request.reading, request.text("q")
    everything = reading.health(request.visible)
    found, error = matching(everything, q, HEALTH, now=request.now)
    members = reading.hub.rows("tree", request.visible)
    places = {row["node"] for row in [*everything, *members]}
    known = reading.hub.fleet.node_facts
    nodes = sorted((known[node] for node in places if node in known), key=lambda node: node["host"])
    supervisors = rolled_up(members, everything)
    return {
        "q": q,
        "q_error": error,
        "counts": counts(everything),
        "nodes": by_node(everything, nodes),
        "supervisors": supervisors[:MOST_SUPERVISORS],
        "rows": [check_row(row, request.now) for row in sorted(found, key=urgency)[:MOST]],
        "total": len(found),
        "any": bool(everything),
        "processes": reading.counts(request.visible),
        **_coverage(request),
    }


def _coverage(request: PageRequest) -> Context:
    """For who may see nodes: what belongs to a child, and what to nobody."""
    if not request.principal.can(Permission.VIEW):
        return {"coverage": None, "strays": []}
    return {
        "coverage": coverage(),
        "strays": [stray_row(request, stray) for stray in strays()[:STRAYS]],
    }


PAGE = Page(
    slug="health",
    title="Health",
    path="health",
    template="dashboard/health.html",
    select=select,
    g_key="h",
    order=41,
    topics={"health": {}, "counts": {}},
    lists=("health",),
)
