"""Monitors: scheduled jobs, whether they ran when they should, and how their last runs went."""

from typing import Any

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.errors.monitors.schedule import words_of
from supervision.errors.store import selectors
from supervision.errors.store.monitor_models import CheckIn, Monitor

MOST = 200
RUNS = 30
TONES = {
    Monitor.Status.WAITING: "idle",
    Monitor.Status.OK: "ok",
    Monitor.Status.LATE: "warn",
    Monitor.Status.MISSED: "crit",
    Monitor.Status.TIMEOUT: "crit",
    Monitor.Status.ERROR: "crit",
}
RUN_TONES = {
    CheckIn.Status.IN_PROGRESS: "busy",
    CheckIn.Status.OK: "ok",
    CheckIn.Status.ERROR: "crit",
    CheckIn.Status.TIMEOUT: "crit",
    CheckIn.Status.MISSED: "warn",
}
FAILING = ("error", "timeout", "missed", "late")


def select(request: PageRequest) -> Context:
    asked = request.text("status")
    shown = asked if asked in Monitor.Status.values else ""
    rows = list(selectors.monitors(trees=request.visible, status=shown)[:MOST])
    rows.sort(key=lambda monitor: (monitor.status not in FAILING, monitor.slug))
    runs = selectors.newest_check_ins([monitor.pk for monitor in rows], most=RUNS)
    return {
        "rows": [_row(monitor, runs.get(monitor.pk, [])) for monitor in rows],
        "statuses": Monitor.Status.values,
        "status": shown,
    }


def _row(monitor: Monitor, runs: list[CheckIn]) -> dict[str, Any]:
    last = next((run for run in reversed(runs) if run.duration_s), None)  # none: told once, at its end
    return {
        "slug": monitor.slug,
        "environment": monitor.environment,
        "project": monitor.project.slug,
        "tree": monitor.project.tree,
        "status": monitor.status,
        "tone": TONES[Monitor.Status(monitor.status)],
        "schedule": words_of(monitor.schedule),
        "timezone": monitor.timezone,
        "last_seen": seconds(monitor.last_seen) if monitor.last_seen else None,
        "next_due": seconds(monitor.next_due) if monitor.next_due else None,
        "took_s": last.duration_s if last else None,
        "runs": [
            {
                "tone": RUN_TONES[CheckIn.Status(run.status)],
                "words": f"{run.status.replace('_', ' ')}, {run.started_at:%Y-%m-%d %H:%M} UTC",
            }
            for run in runs
        ],
    }


PAGE = Page(
    slug="monitors",
    title="Monitors",
    path="monitors",
    template="dashboard/monitors.html",
    select=select,
    g_key="m",
    order=46,
)
