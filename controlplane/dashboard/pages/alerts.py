"""Alerts: what somebody has to know, newest first; who looks after it, and where to look."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Permission
from controlplane.dashboard.actions import ACTIONS
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.filters.fields import ALERTS
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.querying import condition
from supervision.alerts import selectors
from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.models import Alert

PER_PAGE = 100
UNRESOLVED = "state:open,acknowledged"
"""What is shown to who asks for nothing else; the field says so, and can be emptied."""
TONES = {Severity.CRITICAL: "crit", Severity.WARNING: "warn", Severity.INFO: "idle"}
OFFERED = {
    Alert.State.OPEN: ("acknowledge", "resolve"),
    Alert.State.ACKNOWLEDGED: ("resolve",),
}


def select(request: PageRequest) -> Context:
    given = request.http.GET.get("q")
    q, error = UNRESOLVED if given is None else given.strip(), None
    found = selectors.alerts(trees=request.visible)
    try:
        found = found.filter(condition(parse(q, ALERTS), ALERTS, now=timezone.now()))
    except FilterError as wrong:
        error = {"at": wrong.at, "message": wrong.message}
    before = request.text("before")
    if before.isdecimal() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    rows = list(found[: PER_PAGE + 1])
    shown = rows[:PER_PAGE]
    older = urlencode({"q": q, "before": shown[-1].pk}) if len(rows) > PER_PAGE else ""
    return {
        "q": q,
        "q_error": error,
        "rows": [_row(request, alert) for alert in shown],
        "next_url": f"?{older}" if older else None,
        "is_default": q == UNRESOLVED,
    }


def _row(request: PageRequest, alert: Alert) -> dict[str, Any]:
    may = request.principal.can(Permission.OPERATE, alert.tree)
    return {
        "id": alert.pk,
        "title": alert.title,
        "body": alert.body,
        "kind": alert.kind.replace("_", " "),
        "severity": alert.severity,
        "tone": TONES.get(Severity(alert.severity), "idle"),
        "state": alert.state,
        "count": alert.count,
        "raised_at": seconds(alert.raised_at),
        "last_at": seconds(alert.last_at),
        "by": alert.resolved_by or alert.acknowledged_by,
        "is_silenced": alert.is_silenced,
        "url": where(alert),
        "actions": [ACTIONS[verb] for verb in OFFERED.get(Alert.State(alert.state), ()) if may],
    }


def where(alert: Alert) -> str | None:
    """The page of what it is about."""
    data = alert.data if isinstance(alert.data, dict) else {}
    match alert.kind:
        case Kind.SUPERVISOR_GAVE_UP if data.get("supervisor"):
            query = urlencode({"node": alert.node_id}) if alert.node_id else ""
            return reverse("process", args=[str(data["supervisor"])]) + (f"?{query}" if query else "")
        case Kind.ROLLED_BACK if alert.tree:
            return reverse("tree-history", args=[alert.tree])
        case Kind.NODE_LOST | Kind.STRAY_FOUND | Kind.RECORDS_LOST:
            return reverse("nodes")
        case _:
            return reverse("processes") + f"?{urlencode({'q': f'tree:{alert.tree}'})}" if alert.tree else None


PAGE = Page(
    slug="alerts",
    title="Alerts",
    path="alerts",
    template="dashboard/alerts.html",
    select=select,
    g_key="a",
    order=45,
    topics={"events": {}},
    lists=("alerts",),
)
