"""One child or supervisor, on all its nodes: why it is as it is, what happened to it, what it uses and says."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import Http404
from django.urls import reverse

from controlplane.access.policy import Permission, tree_of
from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from controlplane.api.explaining import explain_key
from controlplane.dashboard.actions import offered
from controlplane.dashboard.editing import child_yaml
from controlplane.dashboard.foresight import what_if
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.healthrows import SICK, check_row, urgency
from controlplane.dashboard.leakrows import leak_row
from controlplane.dashboard.live import queries
from controlplane.dashboard.live.history import event_facts, is_worth_reading, life_facts
from controlplane.dashboard.live.records import row_id, seconds
from controlplane.dashboard.live.sparks import POINTS
from controlplane.dashboard.pages.audit import audit_row
from controlplane.dashboard.pages.errors import issue_row, reported_of
from controlplane.dashboard.reading import ask
from controlplane.dashboard.taskrows import takes_nothing
from supervision.auditlog.models import AuditEntry
from supervision.errors.store import selectors as errors
from supervision.tasks.models import TaskWorker
from supervision.trees import selectors
from supervision.trees.exceptions import NotFoundError

LIVES = 50
EVENTS = 300
LINES = 300
ASK_S = 3.0
AUDIT = 100
EVENTS_BELOW_KEY = """
SELECT id, node_id, stream_epoch, seq, at, boot, kind, tree, key, body
FROM supervision_journalrecord
WHERE tree = %(tree)s AND (key = %(key)s OR key LIKE %(below)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
"""The newest records of a supervisor and of everything below it."""
STREAMS = {"": None, "stdout": "out", "stderr": "err"}
WORDS = {"out": "stdout", "err": "stderr"}


def select(request: PageRequest) -> Context:
    key = request.params["key"]
    tree = tree_of(key)
    request.require(Permission.VIEW, tree)
    members = members_of(request, key)
    lives = ask(queries.LIVES_OF_KEY, {"key": key, "limit": LIVES})
    if not members and not lives:
        raise Http404(f"No node has {key}, and none had.")
    node = request.text("node")
    member = next((one for one in members if one["node"] == node), members[0] if members else None)
    tab = request.text("tab") if request.text("tab") in TABS else "timeline"
    explanation = explain_key(key, node=member["node"] if member else None)
    name, select_tab = TABS[tab]
    return {
        "key": key,
        "tree": tree,
        "name": key.rpartition("/")[2],
        "is_supervisor": bool(member and member["is_supervisor"]),
        "members": members,
        "member": member,
        "tab": tab,
        "tabs": _tabs(request, tab, is_supervisor=bool(member and member["is_supervisor"])),
        "explanation": explanation.to_json() if explanation is not None else None,
        "actions": actions_of(request, member),
        "parent_url": reverse("process", args=[key.rpartition("/")[0]]) if "/" in key else None,
        "command": request.text("command"),
        **_findings(request, member),
        name: select_tab(request, member, lives),
    }


def _findings(request: PageRequest, member: dict[str, Any] | None) -> dict[str, Any]:
    """What grows in it now, and how well it is."""
    if member is None:
        return {"leaks": [], "checks": []}
    node, key = member["node"], member["key"]
    leaks = [
        row for row in request.reading.leaks(request.visible) if (row["node"], row["key"]) == (node, key)
    ]
    checks = [
        row for row in request.reading.health(request.visible) if (row["node"], row["key"]) == (node, key)
    ]
    return {
        "leaks": [leak_row(row, request.principal, request.now) for row in leaks if row["ended_at"] is None],
        "checks": [_check(row, request.now) for row in sorted(checks, key=urgency)],
    }


def _check(row: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A worker that says itself that it is stuck is believed before what its silence means."""
    shown = check_row(row, now)
    if row["kind"] != "consumes" or row["state"] not in SICK or row["stale"]:
        return shown
    worker = TaskWorker.objects.filter(node_id=row["node"], key=row["key"]).order_by("-incarnation").first()
    return shown if worker is None or worker.consumes else {**shown, "detail": takes_nothing(worker)}


def members_of(request: PageRequest, key: str) -> list[dict[str, Any]]:
    fleet = request.reading.hub.fleet
    found = [
        dict(one, id=row_id(node, key))
        for (node, one_key), one in list(fleet.members.items())
        if one_key == key
    ]
    return sorted(found, key=lambda one: (one["host"], one["node"]))


def _tabs(request: PageRequest, current: str, *, is_supervisor: bool) -> list[dict[str, Any]]:
    tabs = []
    for slug in TABS:
        if is_supervisor and slug in OF_PROCESSES and slug != current:
            continue
        if slug == "audit" and not request.principal.can(Permission.ADMIN):
            continue
        query = {name: value for name in ("node",) if (value := request.text(name))} | {"tab": slug}
        tabs.append(
            {
                "slug": slug,
                "title": slug.replace("-", " ").capitalize(),
                "url": f"?{urlencode(query)}",
                "is_current": slug == current,
            }
        )
    return tabs


def actions_of(request: PageRequest, member: dict[str, Any] | None) -> list[dict[str, Any]]:
    if member is None:
        return []
    return [
        {
            "verb": action.verb,
            "label": action.label,
            "danger": action.danger,
            "url": f"{reverse('act', args=[action.verb, member['key']])}?{urlencode({'node': member['node']})}",
            "allowed": request.principal.can(action.permission, member["tree"]),
        }
        for action in offered(member)
    ]


# -- the tabs -----------------------------------------------------------------------------------------------------------

Rows = list[dict[str, Any]]
Tab = Callable[[PageRequest, "dict[str, Any] | None", Rows], Any]


def _timeline(request: PageRequest, member: dict[str, Any] | None, lives: Rows) -> Rows:
    """Lives, newest first, each with the events from its start to the next one's. A supervisor has no process and no life:
    what happened in it is what happened below it."""
    nodes = request.reading.hub.fleet.node_facts
    if not lives:
        return _happened(request, member)
    records = ask(queries.EVENTS_OF_KEY, {"key": request.params["key"], "limit": EVENTS})
    events = [event_facts(record, nodes) for record in records if is_worth_reading(record)]
    shown = [life_facts(life, nodes) for life in lives]
    shown.sort(key=lambda life: (life["started_at"] or 0.0, life["number"]), reverse=True)
    reported = reported_of(request.params["key"])
    until: dict[str, float] = {}
    for life in shown:
        begin, end = life["started_at"] or 0.0, until.get(life["node"], float("inf"))
        life["events"] = [
            event for event in events if event["node"] == life["node"] and begin <= event["at"] < end
        ]
        life["events"] = sorted(
            [*life["events"], *reported.get(life["number"], ())], key=lambda event: event["at"], reverse=True
        )
        life["cause"] = _cause(life["cause"])
        life["stderr_tail"] = "\n".join(map(str, life["stderr_tail"]))
        _end_once(life)
        until[life["node"]] = begin
    return shown


def _happened(request: PageRequest, member: dict[str, Any] | None) -> Rows:
    """One entry in the place of lives, with what happened to the key and below it on the member's node."""
    key = request.params["key"]
    below = key.replace("_", r"\_") + "/%"
    records = ask(EVENTS_BELOW_KEY, {"tree": tree_of(key), "key": key, "below": below, "limit": EVENTS})
    nodes = request.reading.hub.fleet.node_facts
    events = [event_facts(record, nodes) for record in records if is_worth_reading(record)]
    events = [one for one in events if member is None or one["node"] == member["node"]]
    if not events:
        return []
    for event in events:
        event["who"] = event["key"] if event["key"] != key else ""
    return [{"number": None, "events": sorted(events, key=lambda event: event["at"], reverse=True)}]


def _end_once(life: dict[str, Any]) -> None:
    """What it wrote last stands with its end, where that is among the events, and nowhere else."""
    ended = next((one for one in life["events"] if one.get("text", "").startswith("ended: ")), None)
    if ended is None or not (life["stderr_tail"] or life["cause"]):
        return
    ended |= {"stderr_tail": life["stderr_tail"], "cause": life["cause"]}
    if ended["severity"] == "warning":
        ended["severity"] = "trouble"
    life["events"] = [one for one in life["events"] if one.get("kind") != "exit"]
    life["is_told"] = True


def _cause(cause: Any) -> str:
    """In words, where the journal names one."""
    words = cause.get("cause") if isinstance(cause, dict) else cause
    return words if isinstance(words, str) else ""


def _samples(request: PageRequest, member: dict[str, Any] | None, _lives: Rows) -> dict[str, Any]:
    """The last minute, as far as this process has it; script goes on from there."""
    empty: list[float | None] = [None] * POINTS
    series: dict[str, Any] = {"cpu": empty, "rss": empty}
    if member is not None:
        hub = request.reading.hub
        with hub.lock:
            series = dict(hub.fleet.sparks.series(member["id"], until=int(request.now) - 1))
    return {"step": 1, "until": int(request.now) - 1, "fds": empty, "threads": empty, **series}


def _log(request: PageRequest, member: dict[str, Any] | None, _lives: Rows) -> dict[str, Any]:
    """The last lines, asked from the node itself."""
    stream = request.text("stream") if request.text("stream") in STREAMS else ""
    key = request.params["key"]
    query = {"stream": stream} | ({"node": member["node"]} if member else {})
    log: dict[str, Any] = {
        "stream": stream,
        "lines": [],
        "error": "",
        "follow_url": f"{reverse('process-output', args=[key])}?{urlencode(query)}",
    }
    if member is None:
        return log | {"error": "No node has it now, so nobody has its output."}
    try:
        args = {"key": key, "lines": LINES, "stream": STREAMS[stream]}
        answer = ask_node(member["node"], "logs", args, timeout_s=ASK_S)
    except (NodeSilentError, NodeRefusedError) as error:
        return log | {"error": f"The output cannot be shown: {error}."}
    log["lines"] = [
        {"at": line.get("time"), "stream": WORDS.get(line.get("stream"), ""), "text": line.get("text", "")}
        for line in answer.get("lines", [])
    ]
    return log


def _config(request: PageRequest, _member: dict[str, Any] | None, _lives: Rows) -> dict[str, Any]:
    """What is declared for it in the head revision."""
    key, tree = request.params["key"], tree_of(request.params["key"])
    try:
        head = selectors.tree_by_name(tree).head
    except NotFoundError:
        head = None
    if head is None:
        return {"yaml": "", "revision": None, "revisions_url": None}
    return {
        "yaml": child_yaml(head.runs, key),
        "revision": head.number,
        "revisions_url": reverse("tree-history", args=[tree]),
    }


def _errors(request: PageRequest, _member: dict[str, Any] | None, _lives: Rows) -> Rows:
    """Issues with events of it."""
    return [
        issue_row(issue) | {"here": here, "last_here": seconds(at)}
        for issue, here, at in errors.of_child(request.params["key"])
    ]


def _what_if(request: PageRequest, member: dict[str, Any] | None, _lives: Rows) -> dict[str, Any]:
    """What an action or crashes would do to it and to what is around it."""
    return what_if(request, request.params["key"], node=member["node"] if member else "")


def _audit(request: PageRequest, _member: dict[str, Any] | None, _lives: Rows) -> list[dict[str, object]]:
    if not request.principal.can(Permission.ADMIN):
        return []
    entries = AuditEntry.objects.filter(target=request.params["key"]).order_by("-seq")[:AUDIT]
    return [audit_row(entry) for entry in entries]


TABS: dict[str, tuple[str, Tab]] = {
    "timeline": ("timeline", _timeline),
    "live": ("samples", _samples),
    "logs": ("log", _log),
    "errors": ("issues", _errors),
    "config": ("config", _config),
    "what-if": ("what_if", _what_if),
    "audit": ("audit", _audit),
}

OF_PROCESSES = ("live", "logs")
"""What a supervisor has not: it is no process of its own."""

PAGE = Page(
    slug="process",
    title="Process",
    path="process/<path:key>",
    template="dashboard/process.html",
    select=select,
    topics={"child:{key}": {}, "leaks": {}, "health": {}},
    sparks=True,
)
