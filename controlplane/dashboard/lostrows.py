"""What was not stored, as the page *Errors* shows it: by project, here and in the SDKs, losses first."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from supervision.errors.losses import things
from supervision.errors.store.lost import Lost

MOST_PROJECTS = 20
MOST_REASONS = 8
"""Of a project, on each side; SDKs name reasons as they like."""


def lost_rows(found: Iterable[Lost]) -> dict[str, Any]:
    """`found` by project. `is_trouble`: something is not as it was meant."""
    projects = [
        _row(project, list(those)) for project, those in groupby(found, key=lambda each: each.project)
    ]
    projects.sort(key=lambda row: not row["is_trouble"])
    return {
        "projects": projects[:MOST_PROJECTS],
        "more": max(0, len(projects) - MOST_PROJECTS),
        "is_trouble": any(row["is_trouble"] for row in projects),
    }


def _row(project: str, those: Sequence[Lost]) -> dict[str, Any]:
    here = [each for each in those if not each.why.in_sdk]
    in_sdk = [each for each in those if each.why.in_sdk]
    return {
        "project": project,
        "is_trouble": any(each.why.is_loss for each in those),
        "sides": [_side("here", here), _side("in the SDKs", in_sdk)],
    }


def _side(label: str, those: Sequence[Lost]) -> dict[str, Any]:
    ordered = sorted(those, key=lambda each: (not each.why.is_loss, -each.count))
    shown = [
        {
            "count": each.count,
            "things": things(each.category, each.count),
            "words": each.why.words,
            "tone": "warn" if each.why.is_loss else "idle",
        }
        for each in ordered[:MOST_REASONS]
    ]
    return {"label": label, "reasons": shown, "more": sum(each.count for each in ordered[MOST_REASONS:])}
