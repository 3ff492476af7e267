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
from supervision.alerts.kinds import MEANINGS, Kind, Severity
from supervision.alerts.models import Alert, AlertRule, Silence

PER_PAGE = 100
UNRESOLVED = "state:open,acknowledged"
"""What is shown to who asks for nothing else; the field says so, and can be emptied."""
TONES = {Severity.CRITICAL: "crit", Severity.WARNING: "warn", Severity.INFO: "idle"}
OFFERED = {
    Alert.State.OPEN: ("acknowledge", "silence", "resolve"),
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
    own = dict(AlertRule.objects.exclude(runbook_url="").values_list("kind", "runbook_url"))
    older = urlencode({"q": q, "before": shown[-1].pk}) if len(rows) > PER_PAGE else ""
    return {
        "q": q,
        "q_error": error,
        "rows": [_row(request, alert, own) for alert in shown],
        "next_url": f"?{older}" if older else None,
        "is_default": q == UNRESOLVED,
        "silences": _silences(request),
    }


def _row(request: PageRequest, alert: Alert, own: dict[str, str]) -> dict[str, Any]:
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
        "runbook": alert.runbook_url
        or own.get(alert.kind)
        or reverse("runbook", args=[MEANINGS[Kind(alert.kind)].runbook]),
        "actions": [ACTIONS[verb] for verb in OFFERED.get(Alert.State(alert.state), ()) if may],
    }


def _silences(request: PageRequest) -> list[dict[str, Any]]:
    """Those that have not ended, of trees that may be seen."""
    found = Silence.objects.filter(until__gt=timezone.now()).order_by("until")
    if request.visible is not None:
        found = found.filter(tree__in=sorted(request.visible)).exclude(tree="")
    return [
        {
            "id": one.pk,
            "kind": one.kind.replace("_", " "),
            "subject": one.subject,
            "tree": one.tree,
            "until": seconds(one.until),
            "reason": one.reason,
            "by": one.created_by,
            "may_end": request.principal.can(Permission.OPERATE, one.tree),
        }
        for one in found[:PER_PAGE]
    ]


def where(alert: Alert) -> str | None:
    """The page of what it is about."""
    data = alert.data if isinstance(alert.data, dict) else {}
    match alert.kind:
        case Kind.SUPERVISOR_GAVE_UP if data.get("supervisor"):
            query = urlencode({"node": alert.node_id}) if alert.node_id else ""
            return reverse("process", args=[str(data["supervisor"])]) + (f"?{query}" if query else "")
        case Kind.ROLLED_BACK if alert.tree:
            return reverse("tree-history", args=[alert.tree])
        case Kind.RULE_CROSSED | Kind.BUDGET_BURNS:
            keys = data.get("keys")
            return (
                reverse("process", args=[str(keys[0])])
                if isinstance(keys, list) and len(keys) == 1
                else reverse("rules")
            )
        case Kind.ISSUE_FOUND | Kind.ERROR_SPIKE:
            issues = data.get("issues")
            return (
                reverse("error-issue", args=[str(issues[0])])
                if isinstance(issues, list) and len(issues) == 1
                else reverse("errors")
            )
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
    topics={"alerts": {}},
    lists=("alerts",),
)
