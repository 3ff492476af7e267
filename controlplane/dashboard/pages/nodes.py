"""Nodes: hosts with their leases and what runs there, and processes without an owner."""

from django.urls import reverse

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.journal import selectors

STRAYS = 200


def select(request: PageRequest) -> Context:
    hub = request.reading.hub
    rows = sorted(hub.rows("nodes", None), key=lambda row: (row["host"], row["id"]))
    for row in rows:
        row["actions"] = _node_actions(request, row["node"], draining=row["draining"])
    return {
        "rows": rows,
        "strays": [
            {
                "node": stray.node_id,
                "host": stray.node.name,
                "pid": stray.pid,
                "command": stray.command,
                "first_seen": seconds(stray.first_seen),
                "state": stray.state,
                "actions": _stray_actions(request, stray.node_id, stray.pid),
            }
            for stray in selectors.strays()[:STRAYS]
        ],
    }


def _node_actions(request: PageRequest, node: str, *, draining: bool) -> list[dict[str, object]]:
    if not request.principal.can(Permission.ADMIN):
        return []
    verb, label = ("undrain", "Take work again") if draining else ("drain", "Drain")
    return [{"label": label, "danger": not draining, "url": f"{reverse('act', args=[verb, node])}"}]


def _stray_actions(request: PageRequest, node: str, pid: int) -> list[dict[str, object]]:
    if not request.principal.can(Permission.OPERATE):
        return []
    return [
        {"label": "End", "danger": True, "url": f"{reverse('act', args=['end_stray', str(pid)])}?node={node}"}
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
