"""Reports to upload: the documents that the audit and other tools write, small."""

from datetime import UTC, datetime, timedelta
from typing import Any

from supervision.auditlog.actor import Actor
from supervision.auditruns.documents import parse
from supervision.auditruns.ingesting import take_report
from supervision.auditruns.models import AuditProject, AuditRun
from supervision.auditruns.projects import create_project

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CI = Actor.system("ci")


def finding(name: str, *, line: int = 3, rule: str = "SUP101", severity: str = "high") -> dict[str, Any]:
    """`name`: of the function it stands in; with the rule it makes the fingerprint."""
    return {
        "rule": rule, "name": "thread-unsupervised", "severity": severity, "confidence": "high",
        "path": f"shop/{name}.py", "line": line, "column": 5, "end_line": line, "symbol": name,
        "message": "The thread is started and dropped", "fix": "Keep it", "fingerprint": f"{rule}-{name}",
        "context": {"line": line - 1, "lines": ["def go():", "    Thread(target=f).start()"]},
    }  # fmt: skip


def document(*found: dict[str, Any], errors: tuple[str, ...] = (), spawns: int = 0) -> dict[str, Any]:
    """A JSON report."""
    return {
        "version": 1,
        "tool": {"name": "overstory-audit", "version": "0.1.0"},
        "summary": {"files": 2, "lines": 80, "seconds": 0.2, "suppressed": 0, "baselined": 0, "whole": True},
        "findings": list(found),
        "errors": [{"path": path, "message": "line 1: invalid syntax"} for path in errors],
        "spawns": [
            {"kind": "thread", "path": "shop/a.py", "line": at, "symbol": "go", "what": "threading.Thread",
             "state": "reported" if at == 1 else "kept"} for at in range(1, spawns + 1)
        ],
    }  # fmt: skip


def project(name: str = "shop", **fields: Any) -> AuditProject:
    return create_project(name=name, fields=fields, actor=CI, now=NOW)


def upload(project: AuditProject, *found: dict[str, Any], days: int = 0, **more: Any) -> AuditRun:
    """Take a report in, `days` after NOW."""
    return take_report(
        project_id=project.pk,
        report=parse(document(*found, **more)),
        source=AuditRun.Source.UPLOAD,
        actor=CI,
        now=NOW + timedelta(days=days),
    )
