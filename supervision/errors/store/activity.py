"""What happened to an issue, noted once; of some kinds whoever follows the issue is told."""

import datetime as dt

from supervision.errors.store.models import ErrorActivity, ErrorIssue

TOLD = frozenset(
    {"assigned", "comment", "resolved", "archived", "ongoing", "regressed", "escalating", "muted"}
)
"""Kinds that those who follow an issue hear of."""


def note(issue: ErrorIssue, *, at: dt.datetime, kind: str, text: str = "", actor: str = "") -> ErrorActivity:
    """`actor`: empty where nobody did it."""
    return ErrorActivity.objects.create(
        issue=issue, at=at, actor=actor[:150], kind=kind[:16], text=text, is_untold=kind in TOLD
    )
