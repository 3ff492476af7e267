"""What a page's buttons ask for, as requests of the API: each page shows its own as lines for a terminal. Pure.

Actions of children, nodes, alerts and tasks are shown where they are confirmed (`act`, `task-act`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from controlplane.assets.curl import request_curl


@dataclass(frozen=True, slots=True)
class Request:
    """label: the button's words. path, and texts in body: formatted with the page's own parameters and its filter `q`.

    file: what is sent instead of JSON; versioned: it needs If-Match; once: it takes an Idempotency-Key.
    """

    label: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    file: str = ""
    versioned: bool = False
    once: bool = False

    def line(self, site: str, given: Mapping[str, Any]) -> str:
        """With a token from the environment: the line holds no secret."""
        path = self.path.format_map({name: quote(str(value), safe="/@") for name, value in given.items()})
        body = None if self.body is None else _filled(self.body, given)
        file = self.file.format_map({name: str(value).replace("/", "-") for name, value in given.items()})
        return request_curl(
            url=site + path,
            method=self.method,
            body=body,
            file=file,
            versioned=self.versioned,
            once=self.once,
        )


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    """Any: JSON. Only a text that is one parameter as a whole is filled in; what people wrote may hold braces."""
    if isinstance(value, Mapping):
        return {name: _filled(one, given) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, given) for one in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return given[value[1:-1]]
    return value


def _get(label: str, path: str) -> Request:
    return Request(label, "GET", path)


def _post(label: str, path: str, body: Mapping[str, Any] | None = None, *, once: bool = False) -> Request:
    return Request(label, "POST", path, body, once=once)


def _change(label: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Request:
    return Request(label, method, path, body, versioned=True)


_RULE = {"name": "memory of the shop", "measure": "rss", "shape": "threshold", "bound": 5e8, "tree": "shop"}
_ISSUE_RULE = {"name": "new in the shop", "trigger": "new", "project": "shop"}
_OWNER = {"match": [["path", "*/billing/*"]], "team": "billing"}
_GROUPING = {"match": [["type", "TimeoutError"]], "fingerprint": ["timeout"]}
_OBJECTIVE = {"name": "the shop is up", "indicator": "availability", "target": 99.9, "tree": "shop"}
_CONFIG = "agent_configs/{namespace}/{name}"
_SAVED = _post("Save view", "views", {"list": "procs", "name": "Trouble", "filter": "{q}"})
_BULK = "error_issues/bulk"
_ISSUE = "error_issues/{short_id}"
_PLAN = "remediation_plans/{id}"

REQUESTS: Mapping[str, tuple[Request, ...]] = {
    "processes": (
        _post("Restart one", "commands", {"verb": "restart", "key": "shop/web", "reason": "why"}, once=True),
        _post("What that reaches", "commands", {"verb": "restart", "key": "shop/web", "dry_run": True}),
        _SAVED,
    ),
    "errors": (
        _post("Count what matches", _BULK, {"filter": "{q}", "status": "resolved"}),
        *(
            _post(label, _BULK, {"filter": "{q}", "status": status, "dry_run": False})
            for label, status in (
                ("Resolve", "resolved"),
                ("Archive", "archived"),
                ("Mute", "muted"),
                ("Open again", "ongoing"),
            )
        ),
    ),
    "error-issue": (
        _change("Resolve", "PATCH", _ISSUE, {"status": "resolved"}),
        _change("Archive", "PATCH", _ISSUE, {"status": "archived"}),
        _change("Open again", "PATCH", _ISSUE, {"status": "ongoing"}),
        _change("Mute", "PATCH", _ISSUE, {"status": "muted"}),
        _change("Assign", "PATCH", _ISSUE, {"assignee": "ada"}),
        _change("Assign to a team", "PATCH", _ISSUE, {"team": "billing"}),
        _post("Follow", f"{_ISSUE}/watch", {"watching": True}, once=True),
        _post("Comment", f"{_ISSUE}/comments", {"text": "what was seen"}, once=True),
        _post("Count what a merge brings", f"{_ISSUE}/merge", {"others": ["SHOP-2"]}),
        _post("Merge into it", f"{_ISSUE}/merge", {"others": ["SHOP-2"], "dry_run": False}, once=True),
        _post("Take hashes out", f"{_ISSUE}/part", {"hashes": ["HASH"]}, once=True),
    ),
    "error-owners": (
        _post("Save team", "error_teams", {"slug": "billing", "members": ["ada"]}, once=True),
        _change("Remove a team", "DELETE", "error_teams/billing"),
        _change("Save rules", "PUT", "error_projects/shop/owners", {"owners": [_OWNER]}),
    ),
    "error-grouping": (
        _change("Save rules", "PUT", "error_projects/shop/grouping", {"rules": [_GROUPING]}),
        _post("Try on the newest events", "error_projects/shop/grouping/plan", {"rules": [_GROUPING]}),
    ),
    "finding": (
        _change("Owner", "PATCH", "audit_findings/{id}", {"owner": "ada"}),
        _change("Test", "PATCH", "audit_findings/{id}", {"test": "tests.test_jobs::test_it_is_joined"}),
        _change(
            "Leave it", "PATCH", "audit_findings/{id}", {"wont_fix": {"reason": "why", "until": "2027-01-31"}}
        ),
        _change("To be fixed after all", "PATCH", "audit_findings/{id}", {"wont_fix": None}),
    ),
    "audit-project": (
        _post("Scan now", "audit_projects/{name}/scan"),
        Request("Upload a report", "POST", "audit_projects/{name}/runs", file="report.json"),
    ),
    "remediation": (Request("Write a plan", "POST", "remediation_plans", file="plan.yaml", once=True),),
    "remediation-plan": (
        _post("Check now", f"{_PLAN}/check"),
        _post("Begin a phase", f"{_PLAN}/phases/1/start", {}),
        _post("Take it back", f"{_PLAN}/phases/1/rollback", {"reason": "why"}),
        _post("Give the plan up", f"{_PLAN}/abandon", {"reason": "why"}),
    ),
    "issue-rules": (
        _post("New rule", "issue_rules", _ISSUE_RULE, once=True),
        _change("On or off", "PUT", "issue_rules/ID", {**_ISSUE_RULE, "enabled": False}),
    ),
    "issue-rule-new": (_post("Make the rule", "issue_rules", _ISSUE_RULE, once=True),),
    "issue-rule": (
        _change("Save", "PUT", "issue_rules/{id}", _ISSUE_RULE),
        _change("Remove", "DELETE", "issue_rules/{id}"),
    ),
    "rule-new": (_post("Make the rule", "rules", _RULE, once=True),),
    "rule": (_change("Save", "PUT", "rules/{id}", _RULE), _change("Remove", "DELETE", "rules/{id}")),
    "objective-new": (_post("Make the objective", "objectives", _OBJECTIVE, once=True),),
    "objective": (
        _change("Save", "PUT", "objectives/{id}", _OBJECTIVE),
        _change("Remove", "DELETE", "objectives/{id}"),
    ),
    "tree-new": (
        Request("Plan", "POST", "plan", file="tree.yaml"),
        Request("Apply", "PUT", "trees/NAME?message=first", file="tree.yaml"),
    ),
    "tree-editor": (
        Request("Plan", "POST", "plan", file="{name}.yaml"),
        Request("Apply", "PUT", "trees/{name}?message=why", file="{name}.yaml", versioned=True),
        _change("Delete", "DELETE", "trees/{name}"),
    ),
    "tree-rollback": (_change("Roll back", "POST", "trees/{name}/rollback", {"to": "{number}"}),),
    "config-new": (
        Request("Make it", "PUT", "agent_configs/NAMESPACE/NAME?message=first", file="config.yaml"),
    ),
    "config": (
        Request("Plan", "POST", f"{_CONFIG}/plan", file="{name}.yaml"),
        Request("Apply", "PUT", f"{_CONFIG}?message=why", file="{name}.yaml", versioned=True),
        Request(
            "One agent first", "PUT", f"{_CONFIG}?message=why&canary=true", file="{name}.yaml", versioned=True
        ),
        _change("Stop trying it", "DELETE", f"{_CONFIG}/canary"),
    ),
    "config-history": (_change("Roll back", "POST", f"{_CONFIG}/rollback", {"to": 1}),),
    "kind": (
        _post("Plan", "agent_kinds/{name}/plan", {"schema": {}}),
        _change("Apply", "PUT", "agent_kinds/{name}", {"schema": {}, "description": ""}),
    ),
    "settings": (
        _post("Change password", "me/password", {"password": "NEW", "current": "OLD"}),
        _post(
            "Make a token", "tokens", {"name": "ci", "scopes": ["read"], "expires_at": "2027-01-31T00:00:00Z"}
        ),
        _change("Revoke a token", "DELETE", "tokens/ID"),
        _post("Add a user", "users", {"name": "ada", "grants": [{"role": "operator", "tree": "shop"}]}),
        _change("Change grants", "PATCH", "users/ID", {"grants": [{"role": "viewer", "tree": ""}]}),
        _change("Deactivate", "PATCH", "users/ID", {"active": False}),
        _post("Login link", "users/ID/login_link"),
    ),
    "views": (
        _SAVED,
        _change("Change", "PUT", "views/ID", {"list": "procs", "name": "Trouble", "filter": "state:failed"}),
        _change("Delete", "DELETE", "views/ID"),
    ),
    "audit": (
        _get("Export", "audit/export?as=csv"),
        _get("Follow the whole chain", "audit/verify"),
    ),
}
"""By the page's slug."""


def requests_of(slug: str, site: str, given: Mapping[str, Any]) -> list[dict[str, str]]:
    """Label and line of each request of the page."""
    return [{"label": one.label, "line": one.line(site, given)} for one in REQUESTS.get(slug, ())]


_ALL_TREES = {"verb": "{verb}", "args": {"seconds": 3600}, "reason": "why"}
_STRAY = {"verb": "{verb}", "node": "{node}", "args": {"pid": "{pid}"}}
ACTIONS: Mapping[str, Request] = {
    "acknowledge": _post("Acknowledge", "alerts/{key}/acknowledge", {}),
    "resolve": _post("Resolve", "alerts/{key}/resolve", {}),
    "silence": _post(
        "Silence",
        "silences",
        {"kind": "{kind}", "subject": "{subject}", "tree": "{tree}", "minutes": 60, "reason": "why"},
    ),
    "end_silence": Request("End", "DELETE", "silences/{key}"),
    "drain": _post("Drain", "nodes/{key}/drain", {}),
    "undrain": _post("Take work again", "nodes/{key}/undrain", {}),
    "hold_all": _post("Hold everything", "commands", _ALL_TREES),
    "release_all": _post("Release everything", "commands", {"verb": "{verb}"}),
    "end_stray": _post("End", "commands", _STRAY),
    "adopt_stray": _post("Adopt", "commands", {**_STRAY, "key": "shop/web"}),
}
"""What is confirmed on the page `act` and is about no child: by its verb, with what the page knows of it."""

_POOL = {"tree": "{tree}", "path": "{path}", "reason": "why"}
_QUEUE = {"app": "{app}", "queue": "{queue}"}
TASKS: Mapping[str, Request] = {
    "revoke": _post("Revoke", "tasks/{id}/revoke", {"reason": "why"}),
    "replay": _post("Replay", "tasks/{id}/replay", {"reason": "why"}),
    "replay-all": _post(
        "Replay all", "tasks/replay", {"name": "{name}", "queue": "{queue}", "reason": "why"}
    ),
    "scale-pool": _post("Scale", "task-pools/scale", {**_POOL, "workers": 2}),
    "restart-pool": _post("Restart one by one", "task-pools/restart", _POOL),
    "drain-pool": _post("Drain", "task-pools/drain", _POOL),
    "resume-pool": _post("Resume", "task-pools/resume", _POOL),
    "peek": _post("Look", "task-queues/peek", _QUEUE),
    "purge": _post("Purge", "task-queues/purge", {**_QUEUE, "reason": "why"}),
}
"""What is confirmed on the page `task-act`."""


def line_of(known: Mapping[str, Request], verb: str, site: str, given: Mapping[str, Any]) -> str:
    """The request of a verb; empty for one that is not known."""
    return known[verb].line(site, {**given, "verb": verb}) if verb in known else ""
