"""Scans of a checked-out path, in a process of their own: the platform's worker keeps its memory, and a scan its deadline.

Code that is audited is parsed and never run, so the path may hold anything.
"""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

from django.db import transaction
from django.db.models import Q

from supervision.auditlog.actor import Actor
from supervision.auditruns.documents import parse
from supervision.auditruns.exceptions import AuditRunsError, InvalidReportError
from supervision.auditruns.ingesting import note_failure, take_report
from supervision.auditruns.models import AuditProject, AuditRun

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 240.0
CONTEXT = 4
AT_ONCE = 3
MOST_BYTES = 64 << 20


class ScanError(AuditRunsError):
    """The path could not be audited; the message says why."""


def scan(path: str) -> str:
    """The JSON report of a directory or file on this host. Raises ScanError."""
    command = [sys.executable, "-m", "supervision.audit", path, "--format", "json", "--context", str(CONTEXT)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ScanError(f"the scan took longer than {LIMIT_S:g} s") from None
    except OSError as error:
        raise ScanError(str(error)) from None
    if done.returncode != 0:
        raise ScanError(done.stderr.decode(errors="replace").strip()[-400:] or f"status {done.returncode}")
    if len(done.stdout) > MOST_BYTES:
        raise ScanError(f"the report has more than {MOST_BYTES >> 20} MiB")
    return done.stdout.decode()


def scan_project(*, project: AuditProject, actor: Actor, now: dt.datetime) -> AuditRun:
    """Audit the project's path now. Raises ScanError, which the project then shows; its findings stay as they are."""
    try:
        if not project.path:
            raise ScanError("the project has no path: its reports are uploaded")
        report = parse(json.loads(scan(project.path)))
    except (ScanError, InvalidReportError) as error:
        note_failure(project_id=project.pk, error=str(error))
        raise ScanError(str(error)) from error
    return take_report(
        project_id=project.pk, report=report, source=AuditRun.Source.SCAN, actor=actor, now=now
    )


def scan_due(*, now: dt.datetime) -> int:
    """Scan what is due, a bounded number. One that fails says so in its row and is tried again at its next time."""
    done = 0
    for _ in range(AT_ONCE):
        project = _claim(now)
        if project is None:
            break
        try:
            scan_project(project=project, actor=Actor.system("audit"), now=now)
        except ScanError:
            continue
        done += 1
    return done


@transaction.atomic
def _claim(now: dt.datetime) -> AuditProject | None:
    """The next project that is due; its next time is set first, so that no two workers scan it."""
    due = Q(next_at__lte=now) & ~Q(path="")
    project = AuditProject.objects.select_for_update(skip_locked=True).filter(due).order_by("next_at").first()
    if project is not None:
        every = dt.timedelta(seconds=project.every_s)
        project.next_at = now + every if every else None
        project.save(update_fields=["next_at"])
    return project
