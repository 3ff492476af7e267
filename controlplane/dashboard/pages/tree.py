"""Tree: supervisors with what they supervise, open where trouble is."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from controlplane.access.policy import Permission
from controlplane.dashboard.foresight import what_if
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.lists import matching
from controlplane.dashboard.live.outline import in_order
from controlplane.dashboard.live.records import row_id
from controlplane.filters.fields import TREE
from supervision.runtime.observed import TROUBLE

MOST = 150
"""Rows as the page comes, before its script has the live list or where there is none; the rest is behind a filter."""


def select(request: PageRequest) -> Context:
    rows = request.reading.hub.rows("tree", request.visible)
    found, error = matching(rows, request.text("q"), TREE, now=request.now)
    kept = with_supervisors(rows, found) if request.text("q") and error is None else rows
    opened = frozenset(key for key in request.text("open").split(",") if key)
    asked = what_if(request) if request.at is None else {"marks": {}}
    outline = outlined(
        kept,
        opened=opened,
        all_open=bool(request.text("q")) and error is None,
        touched=above_of(asked["marks"]),
    )
    shown = outline[:MOST]  # only they get what costs something: with 10,000 children that is the page's time
    for row in shown:
        row["mark"] = asked["marks"].get(row["id"])
        row["url"] = f"{reverse('process', args=[row['key']])}?node={row['node']}"
        row["fold_url"] = _fold_url(request, row, opened)
    return {
        "q": request.text("q"),
        "q_error": error,
        "total": len(found),
        "outline": shown,
        "cut": max(0, len(outline) - MOST),
        "open_keys": sorted(opened),
        "what_if": asked,
        "can_hold_all": bool(rows) and request.at is None and request.principal.can(Permission.OPERATE),
    }


def with_supervisors(rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was found, and what stands above it."""
    by_place = {(row["node"], row["key"]): row for row in rows}
    kept = {(row["node"], row["key"]) for row in found}
    for row in found:
        place = (row["node"], row["parent"])
        while place in by_place and place not in kept:
            kept.add(place)
            place = (place[0], by_place[place]["parent"])
    return [row for row in rows if (row["node"], row["key"]) in kept]


def above_of(ids: Iterable[str]) -> frozenset[str]:
    """Row ids of everything above these."""
    found = set()
    for one in ids:
        node, _, key = one.partition(":")
        parts = key.split("/")
        found |= {row_id(node, "/".join(parts[:depth])) for depth in range(1, len(parts))}
    return frozenset(found)


def outlined(
    rows: list[dict[str, Any]],
    *,
    opened: frozenset[str],
    all_open: bool,
    touched: frozenset[str] = frozenset(),
) -> list[dict[str, Any]]:
    """Depth first, tree by tree and node by node. Open are roots, what was asked for, what leads to something `touched`
    (row ids), and the way to every trouble; a key in `opened` that would be open anyway is folded instead."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["tree"], row["host"]), []).append(row)
    shown: list[dict[str, Any]] = []
    for place in sorted(groups):
        shown += _outline_of(groups[place], opened, touched, all_open=all_open)
    return shown


def _outline_of(
    rows: list[dict[str, Any]], opened: frozenset[str], touched: frozenset[str], *, all_open: bool
) -> list[dict[str, Any]]:
    parents = {row["key"]: row["parent"] for row in rows}
    trouble: dict[str, int] = {}
    for row in rows:
        if row["state"] not in TROUBLE:
            continue
        above = row["parent"]
        while above in parents:
            trouble[above] = trouble.get(above, 0) + 1
            above = parents[above]
    holding = set(parents.values())
    shown: list[dict[str, Any]] = []
    closed_at: int | None = None
    for depth, member in in_order(rows):
        if closed_at is not None and depth > closed_at:
            continue
        closed_at = None
        key = member["key"]
        is_touched = row_id(member["node"], key) in touched
        by_itself = all_open or depth == 0 or key in trouble or is_touched
        is_open = by_itself is not (key in opened)
        one: dict[str, Any] = {
            **member,
            "depth": depth,
            "has_children": key in holding,
            "open": is_open,
            "trouble": trouble.get(key, 0),
        }
        shown.append(one)
        if one["has_children"] and not is_open:
            closed_at = depth
    return shown


def _fold_url(request: PageRequest, row: dict[str, Any], opened: frozenset[str]) -> str:
    query = request.http.GET.copy()
    changed = opened ^ {row["key"]}
    query["open"] = ",".join(sorted(changed))
    if not changed:
        del query["open"]
    return f"?{query.urlencode()}"


PAGE = Page(
    slug="tree",
    has_past=True,
    title="Tree",
    path="tree",
    template="dashboard/tree.html",
    select=select,
    g_key="t",
    order=20,
    topics={"tree": {}},
    lists=("tree",),
)
