"""One agent: its configuration, its lives, its checkpoints, what it holds and what is below it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404
from django.urls import reverse

from agents.checkpoints.models import Checkpoint, CheckpointFault
from agents.configs import selectors as configs
from agents.configs.document import config_diff, config_yaml
from agents.configs.models import AgentConfig, AgentConfigRevision
from agents.registry.selectors import registrations
from controlplane.access.policy import Permission, tree_of
from controlplane.dashboard.actions import offered
from controlplane.dashboard.agents import canary_of, config_of, configs_of_children, lines_of
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.journal.models import Incarnation
from supervision.journal.selectors import own_children
from supervision.samples.selectors import minutes

LIVES = 20
CHECKPOINTS = 20
REVISIONS = 20
MEASURED = timedelta(minutes=10)
"""What was told longer ago says nothing of now."""


def select(request: PageRequest) -> Context:
    key = request.params["key"]
    tree = tree_of(key)
    request.require(Permission.VIEW, tree)
    fleet = request.reading.hub.fleet
    members = [one for (_node, one_key), one in list(fleet.members.items()) if one_key == key]
    members.sort(key=lambda one: (one["host"], one["node"]))
    wanted = request.text("node")
    member = next((one for one in members if one["node"] == wanted), members[0] if members else None)
    lives = _lives(key)
    if member is None and not lives:
        raise Http404(f"There is no agent {key}.")
    below = [
        one
        for (node, one_key), one in list(fleet.members.items())
        if one_key.startswith(f"{key}/") and member is not None and node == member["node"]
    ]
    return {
        "key": key,
        "tree": tree,
        "name": key.rpartition("/")[2],
        "member": member,
        "members": members,
        "process_url": reverse("process", args=[key])
        + (f"?{urlencode({'node': member['node']})}" if member else ""),
        "actions": _actions(request, member),
        "config": _config(request, tree, key),
        "lives": lives,
        "checkpoints": _checkpoints(key),
        "faults": [
            {"version": one.version, "fallback": one.fallback, "why": one.why, "at": seconds(one.at)}
            for one in CheckpointFault.objects.filter(key=key).order_by("-id")[:5]
        ],
        "registrations": _registrations(key),
        "measures": _measures(key, member, request.now),
        "own_children": [{**own, "at": seconds(own["at"])} for own in own_children(key)],
        "below": sorted(below, key=lambda one: one["key"]),
    }


def _measures(key: str, member: dict[str, Any] | None, now: float) -> list[dict[str, Any]]:
    """What the program measures of itself, by its node's newest minute: a gauge says how much there is, a counter (it has
    `added`) how much happened in this life."""
    if member is None:
        return []
    until = datetime.fromtimestamp(now, UTC)
    rows = minutes(node_id=member["node"], key=key, since=until - MEASURED, until=until + MEASURED)
    row = rows.filter(gauges__isnull=False).order_by("-at").first()
    gauges: dict[str, dict[str, float]] = (row.gauges or {}) if row is not None else {}
    return [
        {"name": name, "at": seconds(row.at) if row is not None else None, "counts": "added" in sums, **sums}
        for name, sums in sorted(gauges.items())
    ]


def _actions(request: PageRequest, member: dict[str, Any] | None) -> list[dict[str, Any]]:
    if member is None:
        return []
    query = urlencode({"node": member["node"]})
    return [
        {
            "verb": action.verb,
            "label": action.label,
            "url": f"{reverse('act', args=[action.verb, member['key']])}?{query}",
        }
        for action in offered(member)
        if request.principal.can(action.permission, member["tree"])
    ]


def _config(request: PageRequest, tree: str, key: str) -> dict[str, Any] | None:
    """The config that it runs with: its revisions, and what the shown one changed."""
    ref, revision, follows = config_of(configs_of_children([tree]), key)
    if not ref:
        return None
    namespace, _, name = ref.partition("/")
    config = configs.configs().filter(namespace=namespace, name=name).first()
    if config is None:
        return {"ref": ref, "revision": revision, "follows": False, "revisions": [], "yaml": "", "diff": []}
    shown = request.text("revision")
    number = int(shown) if shown.isdecimal() and len(shown) < 10 else (revision or 0)
    revisions = list(
        AgentConfigRevision.objects.filter(config=config).defer("document").order_by("-number")[:REVISIONS]
    )
    compared = request.text("against")
    against = int(compared) if compared.isdecimal() and len(compared) < 10 else number - 1
    documents = _documents(config, number, against)
    return {
        "ref": ref,
        "url": reverse("config", args=[namespace, name]),
        "history_url": reverse("config-history", args=[namespace, name]),
        "revision": revision,
        "follows": follows,
        "shown": number,
        "against": against,
        "trial": canary_of(config, may_stop=request.principal.can(Permission.ADMIN)),
        "revisions": [
            {
                "number": one.number,
                "author": one.author,
                "message": one.message,
                "at": seconds(one.created_at),
            }
            for one in revisions
        ],
        "yaml": config_yaml(documents.get(number, {})),
        "diff": lines_of(config_diff(documents.get(against), documents.get(number))) if against >= 1 else [],
    }


def _documents(config: AgentConfig, *numbers: int) -> dict[int, dict[str, Any]]:
    rows = AgentConfigRevision.objects.filter(config=config, number__in=numbers)
    return dict(rows.values_list("number", "document"))


def _lives(key: str) -> list[dict[str, Any]]:
    rows = Incarnation.objects.filter(key=key).select_related("node").order_by("-id")[:LIVES]
    return [
        {
            "number": life.number,
            "host": life.node.name,
            "pid": life.pid,
            "started_at": seconds(life.started_at),
            "ready_in": _between(seconds(life.started_at), seconds(life.ready_at)),
            "ended_at": seconds(life.ended_at),
            "reason": life.reason,
        }
        for life in rows
    ]


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _checkpoints(key: str) -> list[dict[str, Any]]:
    rows = Checkpoint.objects.filter(key=key).defer("data").order_by("-epoch", "-version")[:CHECKPOINTS]
    return [
        {
            "version": row.version,
            "incarnation": row.incarnation,
            "schema": row.schema,
            "content": row.content,
            "bytes": row.bytes,
            "checksum": row.checksum,
            "at": seconds(row.at),
        }
        for row in rows
    ]


def _registrations(key: str) -> list[dict[str, Any]]:
    rows = registrations().filter(child=key).order_by("namespace", "key")[:100]
    return [
        {
            "name": str(row),
            "incarnation": row.incarnation,
            "service": row.service,
            "ready": row.ready,
            "capabilities": row.capabilities,
            "epoch": row.epoch,
            "at": seconds(row.registered_at),
        }
        for row in rows
    ]


PAGE = Page(
    slug="agent",
    title="Agent",
    path="agents/<path:key>",
    template="dashboard/agent.html",
    select=select,
    topics={"child:{key}": {}},
)
