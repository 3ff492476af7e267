"""Time travel: the fleet as it was at a moment, and what changed between that and another one."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.lists import matching
from controlplane.dashboard.moments import STEPS, moment_of
from controlplane.dashboard.pages.tree import outlined, with_supervisors
from controlplane.filters.fields import TREE
from supervision.journal.fleetpast import Difference, NodeThen, differences, fleet_at, rows_of

DEFAULT = timedelta(minutes=10)
MOST = 500
"""Rows that are shown; the rest is behind folds or a filter."""
STATES = ("running", "backoff", "failed", "held", "stopped")
TONES = {"running": "ok", "backoff": "warn", "failed": "crit", "held": "held", "stopped": "idle"}


def select(request: PageRequest) -> Context:
    now = datetime.fromtimestamp(request.now, UTC)
    errors: dict[str, str] = {}
    at = moment_of(request.text("at"), "at", now, errors) or now - DEFAULT
    until = moment_of(request.text("until"), "until", now, errors)
    nodes = fleet_at(at)
    rows = _rolled_up([_row(row) for row in rows_of(nodes, request.visible)])
    found, error = matching(rows, request.text("q"), TREE, now=at.timestamp())
    is_filtered = bool(request.text("q")) and error is None
    opened = frozenset(key for key in request.text("open").split(",") if key)
    outline = outlined(
        with_supervisors(rows, found) if is_filtered else rows, opened=opened, all_open=is_filtered
    )
    for row in outline:
        row["url"] = f"{reverse('process', args=[row['key']])}?{urlencode({'node': row['node']})}"
        row["fold_url"] = _with(request, open=",".join(sorted(opened ^ {row["key"]})))
    counts = Counter(row["state"] for row in rows if not row["is_supervisor"])
    return {
        "q": request.text("q"),
        "q_error": error,
        "total": len(found),
        "errors": errors,
        "at": at.strftime("%Y-%m-%dT%H:%M:%S"),
        "until": until.strftime("%Y-%m-%dT%H:%M:%S") if until else "",
        "then": at.timestamp(),
        "is_past": True,
        "steps": [(words, f"?{urlencode({'at': step})}") for words, step in STEPS],
        "outline": outline[:MOST],
        "cut": max(0, len(outline) - MOST),
        "figures": [
            (state, counts.get(state, 0), TONES[state], _with(request, q=f"state:{state}"))
            for state in STATES
        ],
        "nodes": [_node(node) for node in nodes] if request.visible is None else [],
        "changes": _changes(request, rows, until, is_asked="until" in request.http.GET),
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """As the pages of now have it. What was measured then, the process page's charts show."""
    name = row["key"].rpartition("/")[2]
    return {**row, "name": name, "exit": row["last_exit_reason"], "status": "", "rss": None}


def _rolled_up(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With how many children below a supervisor were in each state."""
    parents = {(row["node"], row["key"]): row["parent"] for row in rows}
    below: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        place = (row["node"], row["parent"])
        while not row["is_supervisor"] and place in parents:
            below.setdefault(place, Counter())[row["state"]] += 1
            place = (place[0], parents[place])
    return [{**row, "counts": dict(below.get((row["node"], row["key"]), {}))} for row in rows]


def _node(node: NodeThen) -> dict[str, Any]:
    past = node.past
    return {
        "name": node.name,
        "position": node.position or node.why,
        "at": past.at.timestamp() if past else None,
        "is_whole": past is None or past.is_whole,
    }


def _changes(
    request: PageRequest, rows: list[dict[str, Any]], until: datetime | None, *, is_asked: bool
) -> dict[str, Any] | None:
    if not is_asked:
        return None
    found = differences(rows, [_row(row) for row in rows_of(fleet_at(until), request.visible)])
    return {
        "rows": [_change(one) for one in found[:MOST]],
        "total": len(found),
        "until": until and until.timestamp(),
    }


def _change(one: Difference) -> dict[str, Any]:
    return {
        "key": one.key,
        "host": one.host,
        "words": one.words,
        "state": (one.after or one.before or {})["state"],
        "url": f"{reverse('process', args=[one.key])}?{urlencode({'node': one.node_id})}",
    }


def _with(request: PageRequest, **changes: str) -> str:
    query = request.http.GET.copy()
    for name, value in changes.items():
        query[name] = value
    return f"?{query.urlencode()}"


PAGE = Page(
    slug="past", title="Earlier", path="past", template="dashboard/past.html", select=select, lists=("tree",)
)
