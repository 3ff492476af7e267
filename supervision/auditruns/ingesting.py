"""A report becomes a run: what is new, what is gone, what came back. One transaction for each report.

A finding that a run of its tool no longer reports is closed by that run, unless its file could not be audited. One that was
closed and is reported again is open again. One that a linked test closed stays closed while it is reported without a break:
the test is the evidence, and the scan says nothing new.
"""

import datetime as dt
from collections import Counter
from typing import Any

from django.db import transaction
from django.db.models import F

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.auditlog.plain import plain, plain_text
from supervision.auditruns import owners
from supervision.auditruns.comparing import compare
from supervision.auditruns.documents import Found, ParsedReport
from supervision.auditruns.models import AuditEpisode, AuditFinding, AuditProject, AuditRun

MOST_ERRORS = 200
BATCH = 1000
SHOWN = (
    "rule",
    "name",
    "severity",
    "confidence",
    "path",
    "line",
    "column",
    "symbol",
    "message",
    "fix",
    "context",
)
CHANGES = (*SHOWN, "rank", "owner", "state", "is_reported", "closed_by", "closed_at", "returned")
State = AuditFinding.State


@auditlog.audited()
def take_report(
    *,
    project_id: int,
    report: ParsedReport,
    source: str,
    revision: str = "",
    actor: Actor,
    now: dt.datetime,
) -> AuditRun:
    """Record the report as the project's next run."""
    project = AuditProject.objects.select_for_update().get(pk=project_id)
    project.last_number += 1
    project.last_error = ""
    project.save(update_fields=["last_number", "last_error"])
    tool = plain_text(report.tool, 100)
    before = AuditRun.objects.filter(project=project, tool=tool).order_by("-number").first()
    by_rule = dict(sorted(Counter(item.rule for item in report.found).items()))
    compared = compare(before.by_rule if before is not None else None, by_rule)
    AuditRun.objects.filter(project=project, tool=tool).exclude(spawns=[]).update(spawns=[])
    run = AuditRun.objects.create(
        project=project,
        number=project.last_number,
        tool=tool,
        tool_version=plain_text(report.tool_version, 100),
        source=source,
        revision=plain_text(revision, 100),
        received_at=now,
        by=plain_text(actor.name, 200),
        files=report.files,
        lines=report.lines,
        seconds=report.seconds,
        suppressed=report.suppressed,
        errors=plain([list(error) for error in report.errors[:MOST_ERRORS]]),
        total=len(report.found),
        by_severity=dict(Counter(item.severity for item in report.found)),
        by_rule=by_rule,
        verdict=compared.verdict,
        grown={rule: list(pair) for rule, pair in compared.grown.items()},
        spawns=plain([dict(spawn) for spawn in report.spawns]),
        spawn_counts=_spawn_counts(report),
    )
    _reconcile(project, run, report, now)
    auditlog.record(
        actor=actor,
        action="audit_run.take",
        target=f"{project.name} #{run.number}",
        tree=project.tree,
        details={"tool": tool, "total": run.total, "new": run.new, "gone": run.gone, "verdict": run.verdict},
    )
    return run


def _spawn_counts(report: ParsedReport) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for spawn in report.spawns:
        by_state = counts.setdefault(plain_text(str(spawn["kind"]), 16), {})
        state = plain_text(str(spawn["state"]), 16)
        by_state[state] = by_state.get(state, 0) + 1
    return counts


def _reconcile(project: AuditProject, run: AuditRun, report: ParsedReport, now: dt.datetime) -> None:
    found = {plain_text(item.fingerprint, 128): item for item in report.found}
    known = {
        row.fingerprint: row
        for row in AuditFinding.objects.select_for_update().filter(project=project, tool=run.tool)
    }
    fresh = [_new(project, run, print_, item, now) for print_, item in found.items() if print_ not in known]
    returned: list[AuditFinding] = []
    changed: list[AuditFinding] = []
    for print_, item in found.items():
        row = known.get(print_)
        if row is None:
            continue
        before = _shown(row)
        if not row.is_reported:
            returned.append(row)
            row.is_reported = True
            if row.state == State.CLOSED:
                row.state, row.closed_by, row.closed_at = State.OPEN, "", None
                row.returned += 1
        _show(row, item, project)
        if _shown(row) != before:
            row.version += 1  # audit: ignore[SUP701] locked above, with every finding of the tool
            changed.append(row)
    not_audited = {path for path, _ in report.errors}
    gone = [
        row
        for print_, row in known.items()
        if row.is_reported and print_ not in found and row.path not in not_audited
    ]
    for row in gone:
        row.is_reported = False
        row.version += 1
        row.closed_at = row.closed_at if row.state == State.CLOSED else now
        row.state, row.closed_by = State.CLOSED, f"run {run.number}"
    made = AuditFinding.objects.bulk_create(fresh, batch_size=BATCH)
    AuditFinding.objects.bulk_update([*changed, *gone], [*CHANGES, "version"], batch_size=BATCH)
    seen = AuditFinding.objects.filter(project=project, tool=run.tool, fingerprint__in=[*found])
    seen.update(last_at=now, last_run=run.number)
    AuditEpisode.objects.bulk_create(
        [AuditEpisode(finding=row, from_run=run.number) for row in [*made, *returned]], batch_size=BATCH
    )
    AuditEpisode.objects.filter(finding__in=[row.pk for row in gone], to_run=None).update(to_run=run.number)
    run.new, run.gone = len(made) + len(returned), len(gone)
    run.save(update_fields=["new", "gone"])


def _new(project: AuditProject, run: AuditRun, print_: str, item: Found, now: dt.datetime) -> AuditFinding:
    row = AuditFinding(
        project=project, tool=run.tool, fingerprint=print_, first_at=now, first_run=run.number, last_at=now,
        last_run=run.number,
    )  # fmt: skip
    _show(row, item, project)
    return row


def _shown(row: AuditFinding) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in CHANGES)


def _show(row: AuditFinding, item: Found, project: AuditProject) -> None:
    """What the newest report says of the place."""
    for name in SHOWN:
        value: Any = getattr(item, name)
        setattr(row, name, plain_text(value) if isinstance(value, str) else plain(value))
    row.rank = AuditFinding.SEVERITIES.index(item.severity)
    if not row.is_owner_set:
        row.owner = owners.owner_of(row.path, project.owners)[:200]


@transaction.atomic
def note_failure(*, project_id: int, error: str) -> None:
    """A scan of the path came to nothing: no finding is touched."""
    AuditProject.objects.filter(pk=project_id).update(
        last_error=plain_text(error, 500), version=F("version") + 1
    )
