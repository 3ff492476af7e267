"""Nodes: hosts with their leases and what runs there, and processes without an owner."""

from django.urls import reverse

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.fleet.models import Leadership
from supervision.journal import selectors
from supervision.journal.models import Stray

STRAYS = 200
LEADERS = 20
DUTIES = {
    "controller": "places trees, rolls out, takes over from nodes that are lost",
    "beat": "starts the periodic jobs",
}


def select(request: PageRequest) -> Context:
    hub = request.reading.hub
    rows = sorted(hub.rows("nodes", None), key=lambda row: (row["host"], row["id"]))
    for row in rows:
        row["actions"] = _node_actions(request, row["node"], draining=row["draining"])
    return {
        "rows": rows,
        "leaders": [leader_row(one, request.now) for one in Leadership.objects.all()[:LEADERS]],
        "strays": [stray_row(request, stray) for stray in selectors.strays()[:STRAYS]],
    }


def leader_row(one: Leadership, now: float) -> dict[str, object]:
    """Who leads, in which term, and for how long at least; `left_s` is below zero when nobody does."""
    return {
        "name": one.name,
        "duty": DUTIES.get(one.name, ""),
        "holder": one.holder,
        "term": one.term,
        "until": seconds(one.until),
        "left_s": one.until.timestamp() - now,
    }


def stray_row(request: PageRequest, stray: Stray) -> dict[str, object]:
    """A process without an owner: its command line, its parent, since when."""
    return {
        "node": stray.node_id,
        "host": stray.node.name,
        "pid": stray.pid,
        "parent_pid": stray.parent_pid,
        "command": stray.command,
        "first_seen": seconds(stray.first_seen),
        "state": stray.state,
        "actions": stray_actions(request, stray.node_id, stray.pid),
    }


def _node_actions(request: PageRequest, node: str, *, draining: bool) -> list[dict[str, object]]:
    if not request.principal.can(Permission.ADMIN):
        return []
    verb, label = ("undrain", "Take work again") if draining else ("drain", "Drain")
    return [{"label": label, "danger": not draining, "url": f"{reverse('act', args=[verb, node])}"}]


def stray_actions(request: PageRequest, node: str, pid: int) -> list[dict[str, object]]:
    if not request.principal.can(Permission.OPERATE):
        return []
    return [
        {
            "label": "Adopt",
            "danger": False,
            "url": f"{reverse('act', args=['adopt_stray', str(pid)])}?node={node}",
        },
        {
            "label": "End",
            "danger": True,
            "url": f"{reverse('act', args=['end_stray', str(pid)])}?node={node}",
        },
    ]


PAGE = Page(
    slug="nodes",
    title="Nodes",
    path="nodes",
    template="dashboard/nodes.html",
    select=select,
    g_key="d",
    order=50,
    may_open=lambda principal: principal.can(Permission.VIEW),
    topics={"nodes": {}},
    lists=("nodes",),
)
