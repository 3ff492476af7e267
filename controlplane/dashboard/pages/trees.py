"""Trees: what is declared, and how it stands; trees that are local to their node are shown as such."""

from typing import Any

from django.urls import reverse

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.trees import selectors

ILL = ("failed", "lost", "backoff")
"""The worst first."""


def select(request: PageRequest) -> Context:
    summary = request.reading.summary(request.visible, now=request.now)
    observed = {tree["tree"]: tree for tree in summary["trees"]}
    hosts = _hosts(request)
    ill = _ill_roots(request)
    rows: list[dict[str, Any]] = []
    for tree in selectors.trees().defer("head__document", "head__resolved"):
        if request.visible is not None and tree.name not in request.visible:
            continue
        found = observed.pop(tree.name, None)
        head = tree.head
        rows.append(
            {
                "name": tree.name,
                "url": reverse("tree-editor", args=[tree.name]),
                "revision": head.number if head else None,
                "state": ill.get(tree.name) or (found["state"] if found else None),
                "states": found["states"] if found else {},
                "message": head.message if head else "",
                "author": head.author if head else "",
                "at": seconds(head.created_at) if head else None,
                "nodes": hosts.get(tree.name, []),
                "problem": tree.problem,
            }
        )
    rows += [_local(tree, hosts, ill) for tree in observed.values()]
    return {"trees": sorted(rows, key=lambda row: row["name"])}


def _local(tree: dict[str, Any], hosts: dict[str, list[str]], ill: dict[str, str]) -> dict[str, Any]:
    """One that only its node knows."""
    return {
        "name": tree["tree"],
        "url": f"{reverse('tree')}?q=tree:{tree['tree']}",
        "revision": None,
        "state": ill.get(tree["tree"], tree["state"]),
        "states": tree["states"],
        "message": "",
        "author": "",
        "at": None,
        "nodes": hosts.get(tree["tree"], []),
    }


def _ill_roots(request: PageRequest) -> dict[str, str]:
    """Trees whose root is down on some node, and how: the tree itself is still declared to run."""
    found: dict[str, str] = {}
    for (_node, key), member in list(request.reading.hub.fleet.members.items()):
        if "/" not in key and member["state"] in ILL:
            found[key] = min(found.get(key, member["state"]), member["state"], key=ILL.index)
    return found


def _hosts(request: PageRequest) -> dict[str, list[str]]:
    fleet = request.reading.hub.fleet
    hosts: dict[str, set[str]] = {}
    for node, tree in list(fleet.trees):
        known = fleet.node_facts.get(node)
        hosts.setdefault(tree, set()).add(known["host"] if known else node[:8])
    return {tree: sorted(names) for tree, names in hosts.items()}


PAGE = Page(
    slug="trees",
    title="Trees",
    path="trees",
    template="dashboard/trees.html",
    select=select,
    g_key="y",
    order=40,
    topics={"summary": {}},
)
