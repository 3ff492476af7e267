"""What Overstory saw itself, filed as an error: a child that died or was replaced for a leak, a supervisor that gave up, a
task that failed.

Each occurrence has a name of its own, and an event's id is made of that: told again it counts once. An SDK may have told
the same; the digest waits a moment for it, and then leaves ours out.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervision.errors.event import Frame, Raised
from supervision.errors.protocol.cleaning import clean
from supervision.errors.scrubbing.options import NOTHING_OWN, Options
from supervision.errors.scrubbing.values import scrub
from supervision.errors.store.bodies import packed
from supervision.errors.store.models import ErrorIntake, ErrorProject

SDK = "overstory"
"""As which we speak in an event's `sdk`."""
OUTPUT, TASK = "output", "celery"
"""Mechanisms of exceptions that were read from a child's output, or told by a worker."""
TASK_TAG = "celery_task_id"
"""As the SDK's integration of Celery calls it: by it the two reports of one failure are told to be one."""
LEAK_TAG = "leak"
"""The number of the finding for which a life was replaced."""
PATIENCE = dt.timedelta(seconds=3)
"""How long a digest waits for an SDK's report of the same. It is sent before a process ends, and committed at once."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One occurrence, called `name`, at `at` in `tree`. Any: fields of an event, JSON.

    With `raised` it is an exception that happened in a program; else `kind` and `value` are its words, and `fingerprint`
    what makes it one with others.
    """

    name: str
    tree: str
    at: dt.datetime
    child: str = ""
    incarnation: int | None = None
    raised: Sequence[Raised] = ()
    mechanism: str = OUTPUT
    kind: str = ""
    value: str = ""
    fingerprint: tuple[str, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)

    def body(self, scrubbing: Options = NOTHING_OWN) -> dict[str, Any]:
        """The event, scrubbed as its project wants it."""
        values = [_value(each, self.mechanism) for each in self.raised]
        event: dict[str, Any] = {
            "event_id": self.event_id,
            "timestamp": self.at.timestamp(),
            "level": "fatal",
            "platform": "python" if values else "other",
            "sdk": {"name": SDK},
            "exception": {"values": values or [{"type": self.kind, "value": self.value}]},
            **({} if values else {"fingerprint": list(self.fingerprint)}),
            **self.fields,
        }
        safe: dict[str, Any] = scrub(clean(event).value, scrubbing).value
        return safe

    @property
    def event_id(self) -> str:
        return uuid.uuid5(uuid.NAMESPACE_OID, self.name).hex


def file(seen: Iterable[Seen]) -> int:
    """Into the intake, in the caller's transaction; how many. What happened in a tree that has no project is not filed."""
    every = list(seen)
    if not every:
        return 0
    found = ErrorProject.objects.filter(tree__in={each.tree for each in every}).order_by("-pk")
    projects = {project.tree: project for project in found}
    rows = [
        ErrorIntake(
            project=projects[each.tree],
            kind=ErrorIntake.Kind.SEEN,
            event_id=each.event_id,
            body=packed(each.body(projects[each.tree].scrubbing)),
            child=each.child[:2300],
            incarnation=each.incarnation,
            received_at=each.at,
        )
        for each in every
        if each.tree in projects
    ]
    ErrorIntake.objects.bulk_create(rows)
    return len(rows)


def _value(raised: Raised, mechanism: str) -> dict[str, Any]:
    return {
        "type": raised.type,
        "value": raised.value,
        "module": raised.module,
        "mechanism": {
            "type": mechanism,
            "handled": False,
            "exception_id": raised.id,
            "parent_id": raised.parent,
            "source": raised.source,
            "is_exception_group": raised.is_group,
        },
        "stacktrace": {"frames": [_frame(frame) for frame in raised.frames]},
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "function": frame.function,
        "abs_path": frame.path,
        "filename": frame.path,
        "lineno": frame.line,
        "context_line": frame.context_line,
    }
