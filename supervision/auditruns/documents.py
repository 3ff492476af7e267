"""What a report says, whatever wrote it: the JSON of our audit, or SARIF 2.1.0 of ours or of another tool. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from supervision.auditruns.exceptions import InvalidReportError

OURS = "overstory-audit"
SEVERITIES = ("info", "low", "medium", "high", "critical")
MOST_FINDINGS = 20_000
MOST_SPAWNS = 5_000
MOST_CONTEXT = 41
_OF_LEVEL = {"error": "high", "warning": "medium", "note": "low", "none": "info"}


@dataclass(frozen=True, slots=True)
class Found:
    """One finding of a report. `context`: the first line's number and the lines, empty where the report has none."""

    fingerprint: str
    rule: str
    name: str
    severity: str
    confidence: str
    path: str
    line: int
    column: int
    symbol: str
    message: str
    fix: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedReport:
    """A report. Numbers are None where it does not say them."""

    tool: str
    tool_version: str
    found: tuple[Found, ...]
    errors: tuple[tuple[str, str], ...] = ()
    files: int | None = None
    lines: int | None = None
    seconds: float | None = None
    suppressed: int | None = None
    spawns: tuple[Mapping[str, Any], ...] = ()


def parse(document: Any) -> ParsedReport:
    """`document`: parsed JSON (Any). Raises InvalidReportError, also for a report that leaves findings out."""
    body = _object(document, "")
    parsed = _sarif(body) if "runs" in body else _json(body)
    if len(parsed.found) > MOST_FINDINGS:
        raise InvalidReportError("/findings", f"a report has at most {MOST_FINDINGS} findings")
    return parsed


def _json(body: Mapping[str, Any]) -> ParsedReport:
    if body.get("version") != 1:
        raise InvalidReportError("/version", "a report of version 1, or SARIF 2.1.0, is expected")
    tool = _object(body.get("tool"), "/tool")
    summary = _object(body.get("summary"), "/summary")
    if summary.get("whole") is False or summary.get("baselined"):
        raise InvalidReportError(
            "/summary/whole",
            "the report leaves findings out: audit without --select, --ignore, --level and --baseline",
        )
    found = [
        _of_json(_object(item, f"/findings/{at}"), f"/findings/{at}")
        for at, item in enumerate(_list(body.get("findings"), "/findings"))
    ]
    errors = [
        (_text(item, "path", at, 1000), _text(item, "message", at, 500))
        for at, item in _objects(body.get("errors", []), "/errors")
    ]
    return ParsedReport(
        _text(tool, "name", "/tool", 100),
        _text(tool, "version", "/tool", 100, default=""),
        _once(found),
        tuple(errors),
        _number(summary, "files", "/summary"),
        _number(summary, "lines", "/summary"),
        _float(summary.get("seconds")),
        _number(summary, "suppressed", "/summary"),
        _spawns(body.get("spawns", []), "/spawns"),
    )


def _of_json(item: Mapping[str, Any], at: str) -> Found:
    severity = _text(item, "severity", at, 8)
    if severity not in SEVERITIES:
        raise InvalidReportError(f"{at}/severity", f"one of {', '.join(SEVERITIES)}")
    return Found(
        _text(item, "fingerprint", at, 128),
        _text(item, "rule", at, 100),
        _text(item, "name", at, 200, default=""),
        severity,
        _text(item, "confidence", at, 8, default=""),
        _text(item, "path", at, 1000),
        _number(item, "line", at) or 1,
        _number(item, "column", at) or 1,
        _text(item, "symbol", at, 500, default=""),
        _text(item, "message", at, 5000),
        _text(item, "fix", at, 5000, default=""),
        _context(item.get("context"), f"{at}/context"),
    )


# -- SARIF --------------------------------------------------------------------------------------------------------------


def _sarif(body: Mapping[str, Any]) -> ParsedReport:
    if not str(body.get("version", "")).startswith("2."):
        raise InvalidReportError("/version", "SARIF 2.1.0 is expected")
    runs = _list(body.get("runs"), "/runs")
    if len(runs) != 1:
        raise InvalidReportError("/runs", "exactly one run is expected: upload each tool by itself")
    run = _object(runs[0], "/runs/0")
    driver = _object(_object(run.get("tool"), "/runs/0/tool").get("driver"), "/runs/0/tool/driver")
    told = _object(run.get("properties", {}), "/runs/0/properties")
    if told.get("whole") is False:
        raise InvalidReportError(
            "/runs/0/properties/whole",
            "the report leaves findings out: audit without --select, --ignore, --level and --baseline",
        )
    rules = {}
    for at, rule in _objects(driver.get("rules", []), "/runs/0/tool/driver/rules"):
        rules[_text(rule, "id", at, 100)] = rule
    found = []
    for at, result in _objects(run.get("results", []), "/runs/0/results"):
        if not result.get("suppressions"):
            found.append(_of_sarif(result, at, rules))
    return ParsedReport(
        _text(driver, "name", "/runs/0/tool/driver", 100),
        _text(driver, "version", "/runs/0/tool/driver", 100, default=""),
        _once(found),
        tuple(_notices(run)),
        _number(told, "files", "/runs/0/properties"),
        _number(told, "lines", "/runs/0/properties"),
        _float(told.get("seconds")),
        _number(told, "suppressed", "/runs/0/properties"),
        _spawns(told.get("spawns", []), "/runs/0/properties/spawns"),
    )


def _of_sarif(result: Mapping[str, Any], at: str, rules: Mapping[str, Mapping[str, Any]]) -> Found:
    code = _text(result, "ruleId", at, 100)
    rule = rules.get(code, {})
    told = _object(result.get("properties", {}), f"{at}/properties")
    places = _list(result.get("locations", []), f"{at}/locations")
    place = _object(places[0], f"{at}/locations/0") if places else {}
    physical = _object(place.get("physicalLocation", {}), f"{at}/locations/0/physicalLocation")
    artifact = _object(
        physical.get("artifactLocation", {}), f"{at}/locations/0/physicalLocation/artifactLocation"
    )
    region = _object(physical.get("region", {}), f"{at}/locations/0/physicalLocation/region")
    default = _object(rule.get("defaultConfiguration", {}), at).get("level", "warning")
    level = str(result.get("level") or default)
    severity = str(told.get("severity", ""))
    if severity not in SEVERITIES:
        severity = _OF_LEVEL.get(level, "medium")
    path = unquote(str(artifact.get("uri", ""))).removeprefix("./")[:1000]
    message = str(_object(result.get("message", {}), f"{at}/message").get("text", ""))[:5000]
    logical = _list(place.get("logicalLocations", []), f"{at}/locations/0/logicalLocations")
    symbol = str(_object(logical[0], at).get("fullyQualifiedName", ""))[:500] if logical else ""
    prints = _object(result.get("partialFingerprints", {}), f"{at}/partialFingerprints")
    print_ = next((str(prints[name]) for name in sorted(prints)), "")
    snippet = _object(physical.get("contextRegion", {}), at)
    text = _object(snippet.get("snippet", {}), at).get("text")
    context = (
        {"line": snippet.get("startLine", 1), "lines": text.split("\n")} if isinstance(text, str) else None
    )
    fix = str(_object(rule.get("help", {}), at).get("text", ""))[:5000]
    return Found(
        print_[:128] or _made_up(code, path, symbol, message),
        code,
        str(_object(rule.get("shortDescription", {}), at).get("text", rule.get("name", "")))[:200].replace(
            " ", "-"
        ),
        severity,
        str(told.get("confidence", ""))[:8],
        path,
        _number(region, "startLine", at) or 1,
        _number(region, "startColumn", at) or 1,
        symbol,
        message,
        fix,
        _context(context, at),
    )


def _made_up(*parts: str) -> str:
    """For tools that give no fingerprint: of everything but the line's number."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _notices(run: Mapping[str, Any]) -> "list[tuple[str, str]]":
    found = []
    for _, invocation in _objects(run.get("invocations", []), "/runs/0/invocations"):
        for at, notice in _objects(invocation.get("toolExecutionNotifications", []), "/runs/0/invocations"):
            if notice.get("level") != "error":
                continue
            places = _list(notice.get("locations", []), at)
            physical = _object(places[0], at).get("physicalLocation", {}) if places else {}
            uri = str(_object(_object(physical, at).get("artifactLocation", {}), at).get("uri", ""))
            message = str(_object(notice.get("message", {}), at).get("text", ""))
            found.append((unquote(uri)[:1000], message[:500]))
    return found


# -- parts --------------------------------------------------------------------------------------------------------------


def _once(found: list[Found]) -> tuple[Found, ...]:
    """Equal fingerprints (tools without one of their own) are told apart by their order."""
    seen: dict[str, int] = {}
    made = []
    for item in found:
        count = seen[item.fingerprint] = seen.get(item.fingerprint, 0) + 1
        if count > 1:
            item = Found(
                **{name: getattr(item, name) for name in Found.__slots__ if name != "fingerprint"},
                fingerprint=f"{item.fingerprint[:110]}.{count}",
            )
        made.append(item)
    return tuple(made)


def _object(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidReportError(at, "an object is expected here")
    return value


def _list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidReportError(at, "a list is expected here")
    return value


def _objects(value: Any, at: str) -> "list[tuple[str, Mapping[str, Any]]]":
    return [(f"{at}/{index}", _object(item, f"{at}/{index}")) for index, item in enumerate(_list(value, at))]


def _text(item: Mapping[str, Any], name: str, at: str, most: int, default: str | None = None) -> str:
    value = item.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or (not value and default is None):
        raise InvalidReportError(f"{at}/{name}", "a text is expected here")
    return value[:most]


def _number(item: Mapping[str, Any], name: str, at: str) -> int | None:
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise InvalidReportError(f"{at}/{name}", "a whole number is expected here")
    return value


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _context(value: Any, at: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    body = _object(value, at)
    lines = [str(line)[:400] for line in _list(body.get("lines", []), f"{at}/lines")[:MOST_CONTEXT]]
    return {"line": _number(body, "line", at) or 1, "lines": lines}


def _spawns(value: Any, at: str) -> tuple[Mapping[str, Any], ...]:
    made = []
    for where, item in _objects(value, at)[:MOST_SPAWNS]:
        made.append(
            {
                "kind": _text(item, "kind", where, 16),
                "path": _text(item, "path", where, 1000),
                "line": _number(item, "line", where) or 1,
                "symbol": _text(item, "symbol", where, 500, default=""),
                "what": _text(item, "what", where, 200, default=""),
                "state": _text(item, "state", where, 16),
            }
        )
    return tuple(made)
