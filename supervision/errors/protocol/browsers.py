"""Reports that browsers send by themselves of a page's Content Security Policy, as events. Pure.

Two shapes: `report-uri` posts {"csp-report": {…}} with names in kebab case, as CSP Level 2 and 3 say it; the Reporting API
(`report-to`) posts a list of {"type": "csp-violation", "url", "user_agent", "age", "body": {…}} with names in camel case.
One issue is one directive and what was blocked, known by its host, of one page's host.
"""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from supervision.errors.protocol.accepting import Accepted, Report, safe
from supervision.errors.protocol.cleaning import NotJsonError, parse
from supervision.errors.protocol.envelope import MalformedEnvelopeError
from supervision.errors.scrubbing.options import NOTHING_OWN, Options

MOST_REPORTS = 50
"""In one request; what is beyond is counted."""
MOST_TEXT = 2000
KEBAB = {
    "document": "document-uri",
    "referrer": "referrer",
    "directive": "effective-directive",
    "violated": "violated-directive",
    "policy": "original-policy",
    "blocked": "blocked-uri",
    "file": "source-file",
    "line": "line-number",
    "column": "column-number",
    "sample": "script-sample",
    "disposition": "disposition",
    "status": "status-code",
}
CAMEL = {
    "document": "documentURL",
    "referrer": "referrer",
    "directive": "effectiveDirective",
    "violated": "effectiveDirective",
    "policy": "originalPolicy",
    "blocked": "blockedURL",
    "file": "sourceFile",
    "line": "lineNumber",
    "column": "columnNumber",
    "sample": "sample",
    "disposition": "disposition",
    "status": "statusCode",
}
TYPE = "csp-violation"
WEB = frozenset({"http", "https", "ws", "wss"})
"""Of other schemes, such as those of extensions, the scheme alone is told: what follows may be another for each browser."""


def accept_security(body: bytes, query: Mapping[str, str], *, scrubbing: Options = NOTHING_OWN) -> Accepted:
    """What a browser sent; reports of other kinds are counted and not kept. MalformedEnvelopeError for what is neither
    shape."""
    try:
        value = parse(body)
    except NotJsonError as error:
        raise MalformedEnvelopeError(f"the body: {error}") from error
    accepted = Accepted(None)
    if isinstance(value, dict) and isinstance(value.get("csp-report"), dict):
        _take(accepted, value["csp-report"], KEBAB, query, scrubbing, user_agent="")
        return accepted
    if not isinstance(value, list):
        raise MalformedEnvelopeError("neither a csp-report nor a list of reports")
    for each in value[:MOST_REPORTS]:
        found = each.get("body") if isinstance(each, dict) else None
        if not isinstance(found, dict) or each.get("type") != TYPE:
            accepted.discards["security", "not_stored"] += 1
            continue
        _take(accepted, found, CAMEL, query, scrubbing, user_agent=_text(each.get("user_agent")))
    if len(value) > MOST_REPORTS:
        accepted.discards["security", "too_many"] += len(value) - MOST_REPORTS
    return accepted


def _take(
    accepted: Accepted,
    given: Mapping[str, Any],
    names: Mapping[str, str],
    query: Mapping[str, str],
    scrubbing: Options,
    *,
    user_agent: str,
) -> None:
    said = {name: _text(given.get(theirs)) for name, theirs in names.items()}
    directive = (said["directive"] or said["violated"]).partition(" ")[0]
    if not directive:
        accepted.discards["security", "not_understood"] += 1
        return
    blocked = _blocked(said["blocked"], said["document"])
    page = host_and_path(said["document"])
    event: dict[str, Any] = {
        "event_id": uuid.uuid4().hex,
        "level": "warning" if said["disposition"] == "report" else "error",
        "platform": "javascript",
        "logger": "csp",
        "message": f"Blocked {directive} from {blocked}",
        "fingerprint": ["csp", directive, blocked, page[0]],
        "culprit": directive,
        "transaction": page[1],
        "request": {"url": said["document"], "headers": {"User-Agent": user_agent, "Referer": said["referrer"]}},
        "extra": {name: said[name] for name in ("policy", "blocked", "file", "line", "column", "sample", "status")
                  if said[name]},
        "tags": {"effective-directive": directive, "blocked": blocked, "disposition": said["disposition"] or "enforce"},
        "environment": query.get("sentry_environment", "")[:64],
        "release": query.get("sentry_release", "")[:200],
        "sdk": {"name": "browser.csp"},
    }  # fmt: skip
    accepted.reports.append(Report("event", event["event_id"], safe(event, scrubbing)))
    accepted.event_id = accepted.event_id or event["event_id"]


def _blocked(uri: str, document: str) -> str:
    """`inline`, `eval`, `data:`, `self`, or the host; never a path, which may hold what is somebody's."""
    if not uri:
        return "nothing named"
    scheme, colon, _rest = uri.partition(":")
    if not colon:
        return uri[:200]
    host, _path = host_and_path(uri)
    if scheme.lower() not in WEB or not host:
        return f"{scheme[:50].lower()}:"
    return "self" if host == host_and_path(document)[0] else host


def host_and_path(url: str) -> tuple[str, str]:
    """Host (with its port) and path; nothing of what is no URL."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{(parts.hostname or '')[:200]}{port}" if parts.hostname else "", parts.path[:200]
    except ValueError:
        return "", ""


def _text(value: object) -> str:
    """Browsers send numbers where numbers belong, and some send null."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value)[:MOST_TEXT] if isinstance(value, str | int | float) else ""
