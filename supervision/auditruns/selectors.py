"""Reads of audits: what is seen of whose projects, how two runs differ, how the numbers went."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from supervision.auditruns.comparing import Comparison, compare
from supervision.auditruns.exceptions import NoSuchError
from supervision.auditruns.models import AuditFinding, AuditProject, AuditRun

MOST_DIFFERENT = 500
TREND_RUNS = 60
State = AuditFinding.State


def projects(trees: frozenset[str] | None) -> QuerySet[AuditProject]:
    """Those that may be seen: of these trees; None: all."""
    rows = AuditProject.objects.all()
    return rows if trees is None else rows.filter(tree__in=trees).exclude(tree="")


def findings(trees: frozenset[str] | None) -> QuerySet[AuditFinding]:
    rows = AuditFinding.objects.select_related("project")
    return rows if trees is None else rows.filter(project__tree__in=trees).exclude(project__tree="")


def runs(trees: frozenset[str] | None) -> QuerySet[AuditRun]:
    rows = AuditRun.objects.select_related("project").defer("spawns")
    return rows if trees is None else rows.filter(project__tree__in=trees).exclude(project__tree="")


def run_numbered(project: AuditProject, number: int) -> AuditRun:
    """Raises NoSuchError."""
    run = AuditRun.objects.select_related("project").filter(project=project, number=number).first()
    if run is None:
        raise NoSuchError(f"there is no run {number} of {project.name}")
    return run


def open_counts(project_ids: list[int]) -> Mapping[int, Mapping[str, int]]:
    """Open findings of each project by severity."""
    counted = (
        AuditFinding.objects.filter(project__in=project_ids, state=State.OPEN)
        .order_by()
        .values_list("project_id", "severity")
        .annotate(n=Count("id"))
    )
    made: dict[int, dict[str, int]] = {}
    for project_id, severity, number in counted:
        made.setdefault(project_id, {})[severity] = number
    return made


def trend(project: AuditProject, tool: str = "", limit: int = TREND_RUNS) -> list[AuditRun]:
    """The newest runs, oldest first."""
    rows = AuditRun.objects.filter(project=project).defer("spawns", "errors")
    if tool:
        rows = rows.filter(tool=tool)
    return list(rows.order_by("-number")[:limit])[::-1]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two runs of one tool: the numbers by rule, and the findings that only one of them reported."""

    before: AuditRun
    after: AuditRun
    comparison: Comparison
    came: list[AuditFinding]
    went: list[AuditFinding]


def difference(before: AuditRun, after: AuditRun) -> Difference:
    """Raises NoSuchError for runs of different tools or projects."""
    if (before.project_id, before.tool) != (after.project_id, after.tool):
        raise NoSuchError("only two runs of one tool can be compared")
    there, here = _reported_in(before), _reported_in(after)
    ordered = ["-rank", "path", "line", "id"]
    came = here.exclude(pk__in=there.values("pk")).order_by(*ordered)[:MOST_DIFFERENT]
    went = there.exclude(pk__in=here.values("pk")).order_by(*ordered)[:MOST_DIFFERENT]
    return Difference(before, after, compare(before.by_rule, after.by_rule), list(came), list(went))


def compared(project: AuditProject, before: int = 0, after: int = 0) -> Difference:
    """Two runs by number; 0 for `after` is the newest, 0 for `before` the one of that tool before it. Raises NoSuchError."""
    runs = AuditRun.objects.filter(project=project).defer("spawns").order_by("-number")
    newest = run_numbered(project, after) if after else runs.first()
    if newest is None:
        raise NoSuchError(f"{project.name} has no run yet")
    earlier = runs.filter(tool=newest.tool, number__lt=newest.number).first()
    older = run_numbered(project, before) if before else earlier
    if older is None:
        raise NoSuchError(f"run {newest.number} is the first of its tool")
    return difference(older, newest)


def _reported_in(run: AuditRun) -> QuerySet[AuditFinding]:
    during = Q(episodes__from_run__lte=run.number) & (
        Q(episodes__to_run=None) | Q(episodes__to_run__gt=run.number)
    )
    return AuditFinding.objects.filter(during, project=run.project_id, tool=run.tool).distinct()


def rules_of(project: AuditProject) -> Counter[str]:
    """Open findings by rule."""
    counted = project.findings.filter(state=State.OPEN).order_by().values_list("rule").annotate(n=Count("id"))
    return Counter(dict(counted))


def newest_spawns(project: AuditProject) -> tuple[AuditRun | None, list[dict[str, Any]]]:
    """The newest run that says what the code can start, and those places."""
    run = AuditRun.objects.filter(project=project).exclude(spawn_counts={}).order_by("-number").first()
    return run, list(run.spawns) if run is not None else []
