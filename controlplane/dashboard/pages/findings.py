"""Findings: what the audits of code found and nobody has fixed yet, and the projects they come from."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.filters.fields import FINDINGS
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.querying import condition
from supervision.auditruns import selectors
from supervision.auditruns.models import AuditFinding, AuditProject, AuditRun

PER_PAGE = 100
MOST_PROJECTS = 100
SEVERITIES = tuple(reversed(AuditFinding.SEVERITIES))
TONES = {"critical": "crit", "high": "crit", "medium": "warn", "low": "idle", "info": "idle"}
STATES = {"open": ("warn", "open"), "closed": ("ok", "closed"), "wont_fix": ("idle", "won't fix")}
VERDICTS = {"more": "crit", "same": "idle", "fewer": "ok", "first": "idle"}
VERDICT_WORDS = {
    "more": "more than before",
    "same": "as before",
    "fewer": "fewer than before",
    "first": "first run",
}
OPEN = "state:open"


def select(request: PageRequest) -> Context:
    asked = request.http.GET.get("q")
    q, error = (OPEN if asked is None else asked.strip()), None
    rows = selectors.findings(request.visible)
    try:
        rows = rows.filter(condition(parse(q, FINDINGS), FINDINGS, now=timezone.now()))
    except FilterError as wrong:
        error = {"at": wrong.at, "message": wrong.message}
    number = int(page) if (page := request.text("page")).isdecimal() and len(page) < 6 else 1
    first = (max(1, number) - 1) * PER_PAGE
    found = list(rows.order_by("-rank", "path", "line", "id")[first : first + PER_PAGE + 1])
    projects = list(selectors.projects(request.visible)[:MOST_PROJECTS])
    return {
        "q": q,
        "q_error": error,
        "rows": [finding_row(row) for row in found[:PER_PAGE]],
        "earlier_url": _page(q, number - 1) if number > 1 else None,
        "later_url": _page(q, number + 1) if len(found) > PER_PAGE else None,
        "projects": project_rows(projects),
        "facets": [
            {"label": label, "url": f"?{urlencode({'q': text})}", "is_current": q == text}
            for label, text in (
                ("Open", OPEN),
                ("High and critical", "state:open severity:high,critical"),
                ("Nobody's", 'state:open owner:""'),
                ("Came back", "state:open returned:>0"),
                ("Won't fix", "state:wont_fix"),
                ("Closed", "state:closed"),
            )
        ],
        "can_make": request.principal.can(Permission.ADMIN),
    }


def _page(q: str, number: int) -> str:
    return f"?{urlencode({'q': q, 'page': number})}"


def finding_row(row: AuditFinding) -> dict[str, Any]:
    tone, word = STATES[row.state]
    return {
        "id": row.pk,
        "url": reverse("finding", args=[row.pk]),
        "project": row.project.name,
        "rule": row.rule,
        "name": row.name,
        "severity": row.severity,
        "tone": TONES[row.severity],
        "path": row.path,
        "line": row.line,
        "symbol": row.symbol,
        "message": row.message,
        "state": word,
        "state_tone": tone,
        "owner": row.owner,
        "first_at": seconds(row.first_at),
        "returned": row.returned,
    }


def project_rows(projects: list[AuditProject]) -> list[dict[str, Any]]:
    """Projects with their open findings by severity and their newest run."""
    counts = selectors.open_counts([project.pk for project in projects])
    newest: dict[int, AuditRun] = {}
    last = {(project.pk, project.last_number) for project in projects}
    for run in AuditRun.objects.filter(project__in=projects, number__in={number for _, number in last}).defer(
        "spawns"
    ):
        if (run.project_id, run.number) in last:
            newest[run.project_id] = run
    rows = []
    for project in projects:
        shown = newest.get(project.pk)
        by_severity = counts.get(project.pk, {})
        rows.append(
            {
                "name": project.name,
                "url": reverse("audit-project", args=[project.name]),
                "tree": project.tree,
                "open": sum(by_severity.values()),
                "counts": [
                    {"severity": word, "tone": TONES[word], "number": by_severity[word]}
                    for word in SEVERITIES
                    if by_severity.get(word)
                ],
                "verdict": shown.verdict if shown else "",
                "verdict_words": VERDICT_WORDS[shown.verdict] if shown else "",
                "verdict_tone": VERDICTS[shown.verdict] if shown else "idle",
                "at": seconds(shown.received_at) if shown else None,
                "number": shown.number if shown else 0,
                "error": project.last_error,
                "findings_url": f"{reverse('findings')}?{urlencode({'q': f'state:open project:{project.name}'})}",
            }
        )
    return rows


PAGE = Page(
    slug="findings",
    title="Findings",
    path="findings",
    template="dashboard/findings.html",
    select=select,
    g_key="f",
    order=55,
)
