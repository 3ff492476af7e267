"""Agents: who runs, with which configuration; configs that nobody runs have no process."""

from collections import Counter
from typing import Any

from django.urls import reverse

from agents.configs import selectors
from agents.configs.models import AgentConfig
from agents.registry.living import living
from controlplane.access.policy import Permission
from controlplane.dashboard.agents import capabilities_of_children, config_of, configs_of_children, path_of
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.lists import PER_PAGE, matching
from controlplane.dashboard.live.records import seconds
from controlplane.filters.fields import AGENTS
from supervision.trees.models import Tree

MOST_CONFIGS = 500


def select(request: PageRequest) -> Context:
    agents = _agents(request)
    found, error = matching(agents, request.text("q"), AGENTS, now=request.now)
    page = request.text("page")
    count = max(1, -(-len(found) // PER_PAGE))
    number = min(count, max(1, int(page) if page.isdecimal() and len(page) < 7 else 1))
    sees_configs = request.principal.can(Permission.VIEW)
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    return {
        "q": request.text("q"),
        "q_error": error,
        "agents": [{**one, "spark": request.reading.spark(one["node"], one["key"])} for one in shown],
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
    says = capabilities_of_children({one["tree"] for one in members})
    held = _held()
    rows = []
    for one in members:
        config, revision, follows = config_of(configs, one["key"])
        mine = held.get((one["node"], one["key"]), [])
        declared = says.get((one["tree"], path_of(one["key"])), [])
        labels = fleet.node_facts.get(one["node"], {}).get("labels", [])
        rows.append(
            {
                **one,
                "healthy": one["state"] == "running" and all(each["ready"] for each in mine),
                "capabilities": sorted(
                    {*declared, *(word for each in mine for word in each["capabilities"])}
                ),
                "services": sorted({each["service"] for each in mine if each["service"]}),
                "labels": sorted(
                    {*labels, *(f"{name}={value}" for each in mine for name, value in each["labels"].items())}
                ),
                "url": reverse("agent", args=[one["key"]]) + f"?node={one['node']}",
                "config": config,
                "revision": revision,
                "follows": follows,
                "config_url": reverse("config", args=config.split("/")) if config else None,
                "registrations": len(mine),
            }
        )
    order = {"failed": 0, "lost": 0, "backoff": 1, "starting": 2, "stopping": 2, "waiting": 2, "running": 4}
    return sorted(rows, key=lambda one: (order.get(one["state"], 3), one["key"], one["host"]))


def _held() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(node, child) -> what each registration of it says."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    fields = ("node_id", "child", "ready", "capabilities", "labels", "service")
    for row in living().filter(node__isnull=False).order_by("node_id", "child").values(*fields):
        found.setdefault((row["node_id"], row["child"]), []).append(row)
    return found


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
