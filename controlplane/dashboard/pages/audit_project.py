"""An audited project: its runs and how the numbers went, two of them compared, what its code can start."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.pages.findings import TONES, VERDICTS, finding_row
from supervision.auditruns import coverage, projects, selectors
from supervision.auditruns.exceptions import AuditRunsError
from supervision.auditruns.models import AuditProject, AuditRun

RUNS_SHOWN = 50
PLACES_SHOWN = 100
WIDTH, HEIGHT = 600.0, 80.0


def select(request: PageRequest) -> Context:
    project = _project(request, Permission.VIEW)
    runs = selectors.trend(project)
    return {
        "project": {
            "name": project.name,
            "tree": project.tree,
            "path": project.path,
            "every_s": project.every_s,
            "next_at": seconds(project.next_at),
            "is_ratchet": project.is_ratchet,
            "error": project.last_error,
        },
        "runs": [run_row(run) for run in reversed(runs)][:RUNS_SHOWN],
        "trend": trend(runs),
        "difference": _difference(request, project),
        "coverage": coverage_shown(project, now=timezone.now()),
        "rules": [
            {"rule": rule, "number": number} for rule, number in selectors.rules_of(project).most_common(20)
        ],
        "measures": [
            {"name": measure.name, "value": measure.value, "at": seconds(measure.at)}
            for measure in project.measures.all()[:50]
        ],
        "may_scan": bool(project.path)
        and request.principal.can(Permission.OPERATE, project.tree or EVERY_TREE),
    }


def run_row(run: AuditRun) -> dict[str, Any]:
    return {
        "number": run.number,
        "tool": run.tool,
        "source": run.source,
        "revision": run.revision[:12],
        "at": seconds(run.received_at),
        "by": run.by,
        "total": run.total,
        "new": run.new,
        "gone": run.gone,
        "verdict": run.verdict,
        "tone": VERDICTS[run.verdict],
        "grown": [{"rule": rule, "before": pair[0], "now": pair[1]} for rule, pair in run.grown.items()],
        "errors": len(run.errors),
        "files": run.files,
    }


def trend(runs: list[AuditRun]) -> dict[str, Any] | None:
    """Points of a line of all findings and one of those that are high or worse; None for fewer than two runs."""
    if len(runs) < 2:
        return None
    most = max(1, *(run.total for run in runs))
    high = [run.by_severity.get("high", 0) + run.by_severity.get("critical", 0) for run in runs]

    def points(values: list[int]) -> str:
        step = WIDTH / (len(values) - 1)
        return " ".join(
            f"{at * step:.1f},{HEIGHT - 2 - (HEIGHT - 4) * value / most:.1f}"
            for at, value in enumerate(values)
        )

    return {
        "all": points([run.total for run in runs]),
        "high": points(high),
        "most": most,
        "first": runs[0].number,
        "last": runs[-1].number,
        "words": f"{runs[0].total} findings in run {runs[0].number}, {runs[-1].total} in run {runs[-1].number}",
    }


def coverage_shown(project: AuditProject, *, now: dt.datetime) -> dict[str, Any]:
    """The figure with its parts, and the places that nobody keeps."""
    found = coverage.supervision_coverage(project, now=now)
    _run, places = selectors.newest_spawns(project)
    whole = found.covered + found.uncovered
    return coverage.as_body(found) | {
        "percent": f"{100 * found.share:.0f}" if found.share is not None else "",
        "whole": whole,
        "words": f"{found.uncovered} of {whole} not supervised",
        "kinds": [
            {"kind": kind, **{state: states.get(state, 0) for state in ("kept", "reported", "suppressed")}}
            for kind, states in sorted(found.sites.items())
        ],
        "places": [place for place in places if place["state"] != "kept"][:PLACES_SHOWN],
    }


def _difference(request: PageRequest, project: AuditProject) -> dict[str, Any] | None:
    before, after = request.text("before"), request.text("after")
    if not (before.isdecimal() and after.isdecimal() and len(before) < 10 and len(after) < 10):
        return None
    try:
        found = selectors.compared(project, *sorted((int(before), int(after))))
    except AuditRunsError as error:
        return {"error": str(error)}
    comparison = found.comparison
    return {
        "before": found.before.number,
        "after": found.after.number,
        "verdict": comparison.verdict,
        "tone": VERDICTS[comparison.verdict],
        "rules": [
            {"rule": rule, "before": pair[0], "now": pair[1], "is_more": pair[1] > pair[0]}
            for rule, pair in sorted({**comparison.grown, **comparison.shrunk}.items())
        ],
        "came": [_brief(row, project) for row in found.came],
        "went": [_brief(row, project) for row in found.went],
    }


def _brief(row: Any, project: AuditProject) -> dict[str, Any]:
    row.project = project
    return finding_row(row) | {"tone": TONES[row.severity]}


def act(request: PageRequest) -> HttpResponse:
    project = _project(request, Permission.OPERATE)
    try:
        projects.ask_for_scan(name=project.name, actor=actor_of(request.http), now=timezone.now())
    except AuditRunsError as error:
        messages.error(request.http, str(error))
    else:
        messages.success(request.http, "It is scanned with the next job, within a minute.")
    return HttpResponseRedirect(reverse("audit-project", args=[project.name]), status=303)


def _project(request: PageRequest, permission: Permission) -> AuditProject:
    name = request.params["name"]
    project = AuditProject.objects.filter(name=name).first()
    if project is None:
        raise Http404(f"There is no audit project {name[:63]}.")
    request.require(permission, project.tree or EVERY_TREE)
    return project


PAGE = Page(
    slug="audit-project",
    title="Audited project",
    path="findings/project/<str:name>",
    template="dashboard/audit_project.html",
    select=select,
    act=act,
)
