"""What browsers say of a page's policy, in both shapes in which they say it."""

import json
from pathlib import Path
from typing import Any

import pytest

from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import (
    ErrorDiscard,
    ErrorEvent,
    ErrorIntake,
    ErrorIssue,
    ErrorProject,
)
from tests.controlplane.intake.clients import KEY, NOW, Client

pytestmark = pytest.mark.django_db(transaction=True)
CSP = {
    "csp-report": {
        "document-uri": "https://shop.example/pay?token=hunter2secret&page=2",
        "referrer": "",
        "violated-directive": "script-src-elem",
        "effective-directive": "script-src-elem",
        "original-policy": "default-src 'self'; report-uri /api/42/security/",
        "disposition": "enforce",
        "blocked-uri": "https://evil.example/a.js",
        "line-number": 7,
        "source-file": "https://shop.example/pay",
        "status-code": 200,
        "script-sample": "",
    }
}


def _reported(url: str, directive: str = "script-src-elem", kind: str = "csp-violation") -> dict[str, Any]:
    body = {
        "documentURL": "https://shop.example/pay",
        "effectiveDirective": directive,
        "blockedURL": url,
        "disposition": "report",
        "statusCode": 200,
        "lineNumber": None,
    }
    agent = "Mozilla/5.0"
    return {"age": 3, "type": kind, "url": "https://shop.example/pay", "user_agent": agent, "body": body}


def test_what_a_browser_says_of_a_policy_is_an_issue(project: ErrorProject, tmp_path: Path) -> None:
    path, query = "/api/42/security/", f"sentry_key={KEY}&sentry_environment=production&sentry_release=1.0"
    one = json.dumps(CSP).encode()
    client = Client(tmp_path)
    status, body, _ = client.one(path, one, {"content-type": "application/csp-report"}, query=query)
    assert status == 201
    digest(now=NOW)
    issue = ErrorIssue.objects.get()
    assert (issue.title, issue.level) == ("Blocked script-src-elem from evil.example", "error")
    event = ErrorEvent.objects.get()
    assert (event.event_id, event.environment, event.release, event.transaction) == (
        body["id"], "production", "1.0", "/pay"
    )  # fmt: skip
    assert "hunter2secret" not in json.dumps(unpacked(event.data))
    several = [
        _reported("https://evil.example/other.js"),
        _reported("inline"),
        _reported("https://shop.example/x.js", "img-src"),
        _reported("moz-extension://0c1d/a.js"),
        _reported("data", "img-src"),
        _reported("x", kind="deprecation"),
    ]
    many = json.dumps(several).encode()
    status, _, _ = Client(tmp_path).one(path, many, {"content-type": "application/reports+json"}, query=query)
    assert status == 201
    digest(now=NOW)
    assert sorted(ErrorIssue.objects.values_list("title", "stat__count")) == [
        ("Blocked img-src from data", 1),
        ("Blocked img-src from self", 1),
        ("Blocked script-src-elem from evil.example", 2),
        ("Blocked script-src-elem from inline", 1),
        ("Blocked script-src-elem from moz-extension:", 1),
    ]
    assert ErrorDiscard.objects.get().category == "security"


@pytest.mark.parametrize("body", [b"", b"{}", b"[1", b'{"csp-report": 7}', b"7", b'"x"'])
def test_what_is_no_report_of_a_browser_is_refused(
    project: ErrorProject, tmp_path: Path, body: bytes
) -> None:
    status, _, _ = Client(tmp_path).one("/api/42/security/", body, query=f"sentry_key={KEY}")
    assert status == 400
    assert not ErrorIntake.objects.exists()


def test_reports_of_browsers_need_a_key_and_count_towards_the_quota(
    project: ErrorProject, tmp_path: Path
) -> None:
    one = json.dumps(CSP).encode()
    assert Client(tmp_path).one("/api/42/security/", one)[0] == 403
    ErrorProject.objects.update(events_per_minute=2)
    client = Client(tmp_path)

    async def many() -> list[int]:
        query = f"sentry_key={KEY}"
        return [(await client.ask("/api/42/security/", one, query=query))[0] for _ in range(4)]

    assert client.run(many) == [201, 201, 429, 429]
    discard = ErrorDiscard.objects.get()
    assert (discard.category, discard.reason, discard.count) == ("error", "quota", 2)
