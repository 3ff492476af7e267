"""Agents: who runs, with which configuration; configs that nobody runs have no process."""

from collections import Counter
from typing import Any

from django.urls import reverse

from agents.configs import selectors
from agents.configs.models import AgentConfig
from agents.registry.living import living
from controlplane.access.policy import Permission
from controlplane.dashboard.agents import configs_of_children, path_of
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.lists import PER_PAGE
from controlplane.dashboard.live.records import seconds
from supervision.trees.models import Tree

MOST_CONFIGS = 500


def select(request: PageRequest) -> Context:
    agents = _agents(request)
    text = request.text("q").lower()
    found = [one for one in agents if text in one["key"].lower() or text in one["config"].lower()]
    page = request.text("page")
    count = max(1, -(-len(found) // PER_PAGE))
    number = min(count, max(1, int(page) if page.isdecimal() and len(page) < 7 else 1))
    sees_configs = request.principal.can(Permission.VIEW)
    return {
        "q": request.text("q"),
        "agents": found[(number - 1) * PER_PAGE : number * PER_PAGE],
        "total": len(found),
        "page_number": number,
        "page_count": count,
        "states": Counter(one["state"] for one in agents),
        "configs": _configs() if sees_configs else [],
        "sees_configs": sees_configs,
        "may_edit": request.principal.can(Permission.ADMIN),
    }


def _agents(request: PageRequest) -> list[dict[str, Any]]:
    """Every agent that a node has, trouble first."""
    fleet = request.reading.hub.fleet
    visible = request.visible
    members = [
        one
        for one in list(fleet.members.values())
        if one["kind"] == "agent" and not one["removed"] and (visible is None or one["tree"] in visible)
    ]
    configs = configs_of_children({one["tree"] for one in members})
    held = Counter(
        living().filter(node__isnull=False).values_list("node_id", "child").order_by("node_id", "child")
    )
    rows = []
    for one in members:
        config, revision, follows = configs.get((one["tree"], path_of(one["key"])), ("", None, False))
        rows.append(
            {
                **one,
                "url": reverse("agent", args=[one["key"]]) + f"?node={one['node']}",
                "config": config,
                "revision": revision,
                "follows": follows,
                "config_url": reverse("config", args=config.split("/")) if config else None,
                "registrations": held.get((one["node"], one["key"]), 0),
            }
        )
    order = {"failed": 0, "lost": 0, "backoff": 1, "starting": 2, "stopping": 2, "waiting": 2, "running": 4}
    return sorted(rows, key=lambda one: (order.get(one["state"], 3), one["key"], one["host"]))


def _configs() -> list[dict[str, Any]]:
    rows = selectors.configs().defer("head__document").order_by("namespace", "name")[:MOST_CONFIGS]
    named: dict[str, list[str]] = {}
    heads = Tree.objects.filter(deleted_at=None).exclude(head__pins={}).order_by("name")
    for tree, pins in heads.values_list("name", "head__pins"):
        for ref in pins:
            named.setdefault(ref, []).append(tree)
    return [config_row(row, named.get(row.ref, [])) for row in rows]


def config_row(config: AgentConfig, trees: list[str]) -> dict[str, Any]:
    """A config as lists show it."""
    head = config.head
    return {
        "ref": config.ref,
        "url": reverse("config", args=[config.namespace, config.name]),
        "kind": head.kind if head is not None else "",
        "revision": head.number if head is not None else None,
        "author": head.author if head is not None else "",
        "message": head.message if head is not None else "",
        "at": seconds(head.created_at) if head is not None else None,
        "trees": trees,
    }


PAGE = Page(
    slug="agents",
    title="Agents",
    path="agents",
    template="dashboard/agents.html",
    select=select,
    g_key="n",
    order=35,
    topics={"procs": {"cols": ["kind", "state", "incarnation", "restarts", "tree"]}},
)
