"""At least one row of everything in the error store, made the way it is made in use."""

import datetime as dt
from typing import Any

from supervision.auditlog.actor import Actor
from supervision.errors.store.bodies import packed
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIntake, ErrorProject, ErrorRule
from supervision.errors.store.projects import create_project

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
ACTOR = Actor.system("test")


def event(kind: str = "KeyError", value: str = "'a'", function: str = "load", **more: Any) -> dict[str, Any]:
    frame = {"module": "shop", "function": function, "lineno": 3, "context_line": "x()", "in_app": True}
    return {
        "exception": {"values": [{"type": kind, "value": value, "stacktrace": {"frames": [frame]}}]},
        **more,
    }


def accepted(
    project: ErrorProject,
    body: dict[str, Any],
    *,
    number: int = 1,
    kind: str = "event",
    at: dt.datetime = NOW,
    child: str = "",
) -> None:
    """A report that waits to be digested."""
    ErrorIntake.objects.create(
        project=project,
        kind=kind,
        event_id=f"{number:032x}",
        body=packed(body),
        received_at=at,
        child=child,
        incarnation=7 if child else None,
    )


def put() -> ErrorProject:
    project = create_project(slug="shop", tree="shop", actor=ACTOR)
    ErrorRule.objects.create(project=project, match=[["type", "Never"]], title="never")
    accepted(project, event(release="1.0", tags={"region": "eu"}), child="shop/web")
    accepted(project, {"monitor_slug": "nightly", "status": "ok", "check_in_id": "a" * 32}, kind="check_in")
    report = {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 7}]}
    accepted(project, report, kind="client_report")
    ErrorIntake.objects.create(
        project=project, kind="event", event_id="f" * 32, body=b"broken", received_at=NOW
    )
    digest(now=NOW)
    return project
