"""What a channel is told: the same facts as JSON for a webhook, and as text for people. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1
SUBJECT_PREFIX = {"raised": "", "repeated": "Still: ", "resolved": "Resolved: "}


@dataclass(frozen=True, slots=True)
class Facts:
    """An alert, as it is told. Times are aware UTC. Any: `data` is JSON as it was given."""

    id: int
    kind: str
    severity: str
    title: str
    body: str
    subject: str
    tree: str
    node_id: str
    state: str
    count: int
    raised_at: dt.datetime
    last_at: dt.datetime
    resolved_at: dt.datetime | None
    data: Mapping[str, Any]
    url: str
    runbook: str


def as_json(facts: Facts, *, event: str, delivery: str) -> dict[str, Any]:
    """The body of a webhook. Fields are only ever added; `version` says so if that should change."""
    return {
        "version": VERSION,
        "event": f"alert.{event}",
        "delivery": delivery,
        "alert": {
            "id": facts.id,
            "kind": facts.kind,
            "severity": facts.severity,
            "title": facts.title,
            "body": facts.body,
            "subject": facts.subject,
            "tree": facts.tree or None,
            "node": facts.node_id or None,
            "state": facts.state,
            "count": facts.count,
            "raised_at": facts.raised_at.isoformat(),
            "last_at": facts.last_at.isoformat(),
            "resolved_at": facts.resolved_at.isoformat() if facts.resolved_at else None,
            "data": dict(facts.data),
        },
        "url": facts.url or None,
        "runbook": facts.runbook,
    }


def as_text(facts: Facts, *, event: str) -> tuple[str, str]:
    """Subject and body of an e-mail."""
    subject = f"[Overstory] {SUBJECT_PREFIX.get(event, '')}{facts.title}"
    lines = [facts.title, "", *([facts.body, ""] if facts.body else [])]
    rows = {
        "About": facts.subject,
        "Severity": facts.severity,
        "Since": f"{facts.raised_at:%Y-%m-%d %H:%M:%S} UTC",
        "Times": str(facts.count) if facts.count > 1 else "",
        "Resolved": f"{facts.resolved_at:%Y-%m-%d %H:%M:%S} UTC" if facts.resolved_at else "",
        "Page": facts.url,
        "What to do": facts.runbook,
    }
    lines += [f"{name + ':':<12}{value}" for name, value in rows.items() if value]
    return subject, "\n".join(lines) + "\n"
