"""What a run found, as text, JSON or SARIF 2.1.0."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from supervision.audit.catalogue import PATTERNS, RULES
from supervision.audit.finding import Confidence, Finding, Severity
from supervision.audit.run import Report

TOOL = "overstory-audit"
VERSION = "0.1.0"
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# GitHub and others sort results by this number, read as a CVSS score.
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.5",
}
_RANKS = {Confidence.HIGH: 90.0, Confidence.MEDIUM: 60.0, Confidence.LOW: 30.0}


def severity(finding: Finding) -> Severity:
    """The severity of a finding is its rule's."""
    return RULES[finding.rule].severity


def as_json(report: Report, paths: list[str]) -> str:
    """The contract's JSON document; `expired` and `baselined` are additions to it."""
    by_severity = Counter(severity(item).word for item in report.findings)
    by_rule = Counter(item.rule for item in report.findings)
    document = {
        "version": 1,
        "tool": {"name": TOOL, "version": VERSION},
        "summary": {
            "files": report.files,
            "lines": report.lines,
            "seconds": round(report.seconds, 3),
            "suppressed": report.suppressed,
            "baselined": report.baselined,
            "by_severity": {level.word: by_severity[level.word] for level in sorted(Severity, reverse=True)},
            "by_rule": dict(sorted(by_rule.items())),
            "whole": report.whole,
        },
        "findings": [_json_finding(item) for item in report.findings],
        "errors": [{"path": item.path, "message": item.message} for item in report.errors],
        "expired": [
            {
                "path": item.path,
                "line": item.line,
                "rule": item.rule,
                "problem": item.problem,
                "reason": item.reason,
            }
            for item in report.expired
        ],
        "spawns": _spawns(report),
    }
    return json.dumps(document, indent=2) + "\n"


def _spawns(report: Report) -> list[dict[str, object]]:
    return [
        {
            "kind": item.kind,
            "path": item.path,
            "line": item.line,
            "symbol": item.symbol,
            "what": item.what,
            "state": item.state,
        }
        for item in report.spawns
    ]


def _json_finding(item: Finding) -> dict[str, object]:
    rule = RULES[item.rule]
    document: dict[str, object] = {
        "rule": item.rule,
        "name": rule.name,
        "severity": rule.severity.word,
        "confidence": str(item.confidence),
        "path": item.path,
        "line": item.line,
        "column": item.column,
        "end_line": item.end_line,
        "symbol": item.symbol,
        "message": item.message,
        "fix": rule.fix,
        "fingerprint": item.fingerprint,
    }
    if item.context is not None:
        document["context"] = {"line": item.context[0], "lines": list(item.context[1])}
    return document


def as_sarif(report: Report, paths: list[str]) -> str:
    """One run. Paths are relative to `AUDITED`, the directory that was given, so that they are those of the JSON."""
    codes = list(RULES)
    base = Path(paths[0]) if paths else Path()
    base = base if base.is_dir() else Path()
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": TOOL,
                        "version": VERSION,
                        "rules": [_sarif_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"AUDITED": {"uri": base.resolve().as_uri().rstrip("/") + "/"}},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {
                                "level": "error",
                                "message": {"text": item.message},
                                "locations": [_location(item.path)],
                            }
                            for item in report.errors
                        ],
                    }
                ],
                "results": [_sarif_result(item, codes) for item in report.findings],
                "properties": {
                    "whole": report.whole,
                    "files": report.files,
                    "lines": report.lines,
                    "seconds": round(report.seconds, 3),
                    "suppressed": report.suppressed,
                    "spawns": _spawns(report),
                },
            }
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _sarif_rule(code: str) -> dict[str, object]:
    rule = RULES[code]
    pattern = PATTERNS[rule.pattern].replace(" ", "-")
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": f"{rule.why}."},
        "help": {"text": f"{rule.fix}."},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["supervision", pattern], "security-severity": _SCORES[rule.severity]},
    }


def _location(
    path: str, line: int = 1, column: int = 1, end_line: int | None = None, context: object = None
) -> dict[str, object]:
    region = {"startLine": line, "startColumn": column, "endLine": end_line or line}
    place: dict[str, object] = {
        "artifactLocation": {"uri": _uri(path), "uriBaseId": "AUDITED"},
        "region": region,
    }
    if context is not None:
        place["contextRegion"] = context
    return {"physicalLocation": place}


def _uri(path: str) -> str:
    """A relative reference: everything but the plain characters is escaped."""
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
    encoded = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if chr(byte) in plain else f"%{byte:02X}" for byte in encoded)


def _sarif_result(item: Finding, codes: list[str]) -> dict[str, object]:
    location = _location(item.path, item.line, item.column, item.end_line)
    if item.context is not None:
        first, lines = item.context
        shown = {
            "startLine": first,
            "endLine": first + len(lines) - 1,
            "snippet": {"text": "\n".join(lines)},
        }
        location = _location(item.path, item.line, item.column, item.end_line, shown)
    if item.symbol:
        location["logicalLocations"] = [{"fullyQualifiedName": item.symbol}]
    return {
        "ruleId": item.rule,
        "ruleIndex": codes.index(item.rule),
        "level": _LEVELS[severity(item)],
        "message": {"text": f"{item.message}. {RULES[item.rule].fix}."},
        "locations": [location],
        "partialFingerprints": {"overstory/v1": item.fingerprint},
        "rank": _RANKS[item.confidence],
        "properties": {"severity": severity(item).word, "confidence": str(item.confidence)},
    }


def as_text(report: Report, paths: list[str]) -> str:
    """One line a finding, as compilers write them, then what to know of the run."""
    lines = [
        f"{item.path}:{item.line}:{item.column}: {item.rule} {RULES[item.rule].name} "
        f"[{severity(item).word}, {item.confidence} confidence] {item.message}. {RULES[item.rule].fix}."
        for item in report.findings
    ]
    lines += [f"{item.path}: not audited: {item.message}" for item in report.errors]
    lines += [
        f"{item.path}:{item.line}: suppression of {item.rule} {item.problem}" for item in report.expired
    ]
    counts = Counter(severity(item) for item in report.findings)
    found = ", ".join(
        f"{counts[level]} {level.word}" for level in sorted(Severity, reverse=True) if counts[level]
    )
    tail = f"{len(report.findings)} finding{'' if len(report.findings) == 1 else 's'}" + (
        f" ({found})" if found else ""
    )
    tail += f" in {report.files:,} files, {report.lines:,} lines, {report.seconds:.1f} s"
    if report.suppressed:
        tail += f"; {report.suppressed} suppressed"
    if report.baselined:
        tail += f"; {report.baselined} in the baseline"
    return "\n".join([*lines, tail]) + "\n"


FORMATS: dict[str, Callable[[Report, list[str]], str]] = {"json": as_json, "sarif": as_sarif, "text": as_text}
