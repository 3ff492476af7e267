"""Transactions: how long the pieces of work took that programs name, those that took the most time in all first."""

from typing import Any

from django.utils import timezone

from controlplane.dashboard.framework import Context, Page, PageRequest
from supervision.errors.store.transactions import SPAN, Transaction, transactions

SHOWN = 200


def select(request: PageRequest) -> Context:
    found = transactions(trees=request.visible, now=timezone.now(), most=SHOWN)
    longest = max((one.total_ms for one in found), default=0.0)
    return {"rows": [_row(one, longest) for one in found], "hours": int(SPAN.total_seconds() // 3600)}


def _row(one: Transaction, longest: float) -> dict[str, Any]:
    return {
        "name": one.name,
        "op": one.op,
        "project": one.project,
        "count": one.count,
        "failed": one.failed,
        "total_s": one.total_ms / 1000,
        "share": round(100 * one.total_ms / longest) if longest else 0,
        "mean_s": one.mean_ms / 1000,
        "p50_s": (one.p50_ms or 0.0) / 1000,
        "p95_s": (one.p95_ms or 0.0) / 1000,
    }


PAGE = Page(
    slug="transactions",
    title="Transactions",
    path="errors/transactions",
    template="dashboard/transactions.html",
    select=select,
)
