"""Reports as the intake leaves them, made by hand."""

import datetime as dt
from typing import Any

from supervision.errors.store.bodies import packed
from supervision.errors.store.models import ErrorIntake, ErrorProject

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)


def an_event(
    kind: str = "KeyError", value: str = "'a'", function: str = "load", **more: Any
) -> dict[str, Any]:
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
    ErrorIntake.objects.create(
        project=project,
        kind=kind,
        event_id=f"{number:032x}",
        body=packed(body),
        received_at=at,
        child=child,
        incarnation=7 if child else None,
    )
