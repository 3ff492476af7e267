"""Auditing small texts: write them below a directory, audit it in this process, look at what came out."""

import datetime
from pathlib import Path

from supervision.audit.run import Options, Report, audit

DAY = datetime.date(2026, 11, 21)


def audit_files(root: Path, files: dict[str, str], *, today: datetime.date = DAY, jobs: int = 1) -> Report:
    """The report on `files` (path: text) below `root`."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return audit(Options([str(root)], jobs=jobs, today=today))


def found(report: Report, rule: str | None = None) -> list[tuple[str, str, int]]:
    """(rule, path, line) of the findings, of one rule if it is named."""
    return [(item.rule, item.path, item.line) for item in report.findings if rule in (None, item.rule)]
