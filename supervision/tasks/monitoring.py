"""Entries of a beat's schedule as monitored jobs: what workers tell of the tasks that a beat sent, as check-ins.

The task's id joins both ends of a run. A run that is tried again is still under way.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from supervision.errors.store.bodies import packed
from supervision.errors.store.models import ErrorIntake, ErrorProject
from supervision.tasks.folding import Body, seconds, text, time_of
from supervision.tasks.holders import read_holder
from supervision.tasks.models import MAX_HOLDER, MAX_ID

ENDS = {"done": "ok", "failed": "error", "revoked": "error"}
_HEX = re.compile(r"[0-9a-f]{32}")


def monitor(events: Iterable[tuple[str, Body]], now: dt.datetime) -> int:
    """Check-ins of `(kind, body)`, in the caller's transaction, which sees that each event comes once; how many."""
    made = [found for kind, body in events if (found := _check_in(kind, body, now)) is not None]
    projects = {
        project.tree: project
        for project in ErrorProject.objects.filter(tree__in={tree for tree, _, _ in made}).order_by("-pk")
    }
    rows = [
        ErrorIntake(
            project=projects[tree],
            kind=ErrorIntake.Kind.CHECK_IN,
            event_id=body["check_in_id"],
            body=packed(body),
            received_at=at,
        )
        for tree, at, body in made
        if tree in projects
    ]
    ErrorIntake.objects.bulk_create(rows)
    return len(rows)


def _check_in(kind: str, body: Body, now: dt.datetime) -> tuple[str, dt.datetime, dict[str, Any]] | None:
    """Tree, time and check-in; None for an event that is neither end of a run, or of a task that no beat sent."""
    beat, holder = body.get("beat"), read_holder(text(body, "holder", MAX_HOLDER))
    known = _HEX.fullmatch(text(body, "id", MAX_ID).replace("-", "").lower())
    if not isinstance(beat, Mapping) or holder is None or known is None:
        return None
    if kind == "task.started":
        status: str | None = "in_progress"
    elif kind == "task.parked":
        status = "error"
    else:
        status = ENDS.get(text(body, "state", 10)) if kind == "task.ended" else None
    entry = text(beat, "entry", 200)
    if status is None or not entry:
        return None
    check_in: dict[str, Any] = {"monitor_slug": entry, "check_in_id": known[0], "status": status}
    if isinstance(beat.get("schedule"), dict):
        check_in["monitor_config"] = {
            "schedule": beat["schedule"],
            "timezone": text(beat, "timezone", 64) or "UTC",
        }
    if status != "in_progress":
        check_in["duration"] = seconds(body, "run_s")
    return holder.tree, time_of(body, "at", now), check_in
