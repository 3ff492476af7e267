"""Leaks: what grows and does not give back, that which hits its limit soonest first."""

from typing import Any

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.leakrows import leak_row, shared_row
from controlplane.dashboard.lists import matching
from controlplane.filters.fields import LEAKS

MOST = 100


def select(request: PageRequest) -> Context:
    q = request.text("q")
    found, error = matching(request.reading.leaks(request.visible), q, LEAKS, now=request.now)
    rows = [leak_row(dict(row), request.principal, request.now) for row in found]
    growing = sorted((row for row in rows if row["ended_at"] is None), key=_urgency)
    over = sorted((row for row in rows if row["ended_at"] is not None), key=lambda row: -row["ended_at"])
    shared = [shared_row(dict(row), request.now) for row in request.reading.shared_leaks(request.visible)]
    return {
        "shared": sorted(shared, key=lambda row: (row["ended_at"] is not None, -row["found_at"])),
        "q": q,
        "q_error": error,
        "rows": growing[:MOST],
        "over": over[:MOST],
        "counts": {
            "restart": sum(row["advice"] == "restart" for row in growing),
            "recycle": sum(row["advice"] == "recycle" for row in growing),
            "watch": sum(row["advice"] == "watch" for row in growing),
            "over": len(over),
        },
    }


def _urgency(row: dict[str, Any]) -> tuple[float, float, str]:
    left = float("inf") if row["left_s"] is None else row["left_s"]
    return left, -row["rate"], str(row["id"])


PAGE = Page(
    slug="leaks",
    title="Leaks",
    path="leaks",
    template="dashboard/leaks.html",
    select=select,
    g_key="l",
    order=43,
    topics={"leaks": {}, "shared_leaks": {}},
    lists=("leaks",),
)
