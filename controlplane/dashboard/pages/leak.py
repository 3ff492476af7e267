"""One finding: what grows, since when, how it goes on, what grows with it, and what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import Http404

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.leakrows import leak_row
from controlplane.dashboard.live.history import leak_rows
from controlplane.dashboard.live.topics import LEAKS
from supervision.errors.store.seen import LEAK_TAG
from supervision.errors.store.selectors import issues_tagged
from supervision.leaks.resources import RESOURCES, resource_of
from supervision.leaks.words import pace
from supervision.leakwatch import selectors
from supervision.leakwatch.models import LeakFinding
from supervision.samples import selectors as samples

COLUMNS = {
    "rss": "rss_min",
    "fds": "fds_min",
    "sockets": "sockets_min",
    "threads": "threads_min",
    "children": "children_min",
    "zombies": "zombies_min",
    "disk": "disk",
}
MINUTE_S = 60.0
SHOWN = timedelta(hours=3)
ALONE = timedelta(minutes=15)
"""Before the onset, so that what was before it is seen."""


def select(request: PageRequest) -> Context:
    found = selectors.one(int(request.params["number"]), trees=request.visible)
    if found is None:
        raise Http404("There is no such finding.")
    request.require(Permission.VIEW, found.tree)
    row = leak_row(_facts(found), request.principal, request.now)
    others = [
        leak_row(_facts(one), request.principal, request.now)
        for one in selectors.of_key(found.key, node_id=found.node_id)
        if one.pk != found.pk
    ]
    return {
        "leak": row,
        "evidence": _evidence(found),
        "chart": _chart(found, request.now),
        "others": others[:10],
        "issues": [issue.short_id for issue in issues_tagged(LEAK_TAG, str(found.pk), tree=found.tree)],
        "replaced": selectors.replaced(found.key, node_id=found.node_id),
    }


def _facts(one: LeakFinding) -> dict[str, Any]:
    record = {name: getattr(one, name, None) for name in LEAKS}
    record |= {"id": one.pk, "node": one.node_id, "host": one.node.name, "points": one.evidence.get("points")}
    [(number, values)] = leak_rows([record]).items()
    return {"id": number, **dict(zip(LEAKS, values, strict=True))}


def _evidence(one: LeakFinding) -> dict[str, Any]:
    evidence = one.evidence
    return {
        "brings": [
            {"words": RESOURCES[name].words, "pace": pace(name, rate)}
            for name, rate in sorted(evidence.get("brings", {}).items())
            if name in RESOURCES
        ],
        "gauges": sorted(evidence.get("gauges", {}).items()),
        "quiet_s": evidence.get("quiet_s"),
    }


def _chart(one: LeakFinding, now: float) -> dict[str, Any]:
    """Minutes from the rows, then the finding's own floors; and the line with its band, until a little ahead."""
    until = one.ended_at or datetime.fromtimestamp(now, UTC)
    since = max(one.since - ALONE, until - SHOWN)
    points = [[float(at), float(value)] for at, value in one.evidence.get("points", ())]
    first = points[0][0] if points else now
    rows = samples.minutes(node_id=one.node_id, key=one.key, since=since, until=until)
    history = [
        [row.at.timestamp(), value]
        for row in rows
        if row.incarnation in (None, one.incarnation)
        and row.at.timestamp() + MINUTE_S <= first
        and (value := _value(row, one.resource)) is not None
    ]
    return {
        "points": [*history, *points],
        "since": one.since.timestamp(),
        "found": one.found_at.timestamp(),
        "ended": None if one.ended_at is None else one.ended_at.timestamp(),
        "rate": one.rate,
        "low": one.rate_low,
        "high": one.rate_high,
        "limit": one.limit,
        "bytes": RESOURCES[one.resource].is_bytes,
    }


def _value(row: Any, resource: str) -> float | None:
    if resource in COLUMNS:
        value = getattr(row, COLUMNS[resource])
        return None if value is None else float(value)
    told = [
        sums.get("min", sums["last"])
        for name, sums in (row.gauges or {}).items()
        if resource_of(name) == resource
    ]
    return float(sum(told)) if told else None


PAGE = Page(
    slug="leak",
    title="Leak",
    path="leaks/<int:number>",
    template="dashboard/leak.html",
    select=select,
    topics={"leaks": {}},
)
