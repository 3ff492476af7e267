"""Children that died without telling anybody: their last output, filed as an error.

From a node's record of an abnormal exit, in the transaction that takes it in, and so exactly once. A traceback in the
output is read; without one the end itself is the error. An SDK in the child may have reported the same crash: then that
report counts, and the digest leaves this one out.
"""

import datetime as dt
import re
import uuid
from typing import Any

from supervision.auditlog.actor import Actor
from supervision.errors.event import Frame, Raised
from supervision.errors.protocol.cleaning import clean
from supervision.errors.scrubbing.values import scrub
from supervision.errors.store.bodies import packed
from supervision.errors.store.models import ErrorIntake, ErrorProject
from supervision.errors.store.projects import project_of_tree
from supervision.errors.tracebacks import read_traceback
from supervision.journal.facts import Record
from supervision.journal.handlers import Ingested
from supervision.trees.models import Tree

MECHANISM = "output"
ASKED_FOR = frozenset({"signal(9)", "signal(15)", "signal(2)"})
"""Ends that somebody outside brought about: filed only where the program said why it died."""
_FILED = re.compile(r"exit\(|start_failed\(|signal\(|oom$|exception\(")
LAST_LINES = 5


def file_crashes(ingested: Ingested) -> None:
    """Called for each batch of a node's records. Trees without a project get one from `give_projects`, soon."""
    exits = [record for record in ingested.records if record["k"] == "exit" and record.get("key")]
    if not exits:
        return
    trees = {str(record["key"]).partition("/")[0] for record in exits}
    projects = {
        project.tree: project for project in ErrorProject.objects.filter(tree__in=trees).order_by("-pk")
    }
    rows = []
    for record in exits:
        project = projects.get(str(record["key"]).partition("/")[0])
        body = None if project is None else report_of(record)
        if project is not None and body is not None:
            rows.append(
                ErrorIntake(
                    project=project,
                    kind=ErrorIntake.Kind.EVENT,
                    event_id=body["event_id"],
                    body=packed(body),
                    child=str(record["key"])[:2300],
                    incarnation=int(record.get("incarnation") or 0),
                    received_at=dt.datetime.fromtimestamp(record["t"], tz=dt.UTC),
                )
            )
    ErrorIntake.objects.bulk_create(rows)


def give_projects() -> int:
    """A project for each tree that has none; how many were made. The system tree is nobody's program."""
    known = set(ErrorProject.objects.values_list("tree", flat=True))
    names = [
        name
        for name in Tree.objects.filter(deleted_at=None).values_list("name", flat=True)
        if name not in known
    ]
    for name in names[:100]:
        project_of_tree(name, actor=Actor.system("error store"))
    return len(names[:100])


def report_of(record: Record) -> dict[str, Any] | None:
    """The event of an abnormal exit, scrubbed; None where there is nothing to tell."""
    reason, key = str(record.get("reason") or ""), str(record["key"])
    lines = [str(line) for line in record.get("traceback") or record.get("stderr") or ()]
    raised = read_traceback("\n".join(lines))
    if not raised and (reason in ASKED_FOR or not _FILED.match(reason)):
        return None
    last = [line for line in lines if line.strip()][-LAST_LINES:]
    event: dict[str, Any] = {
        "event_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{key}#{record.get('incarnation')}#{record['t']}").hex,
        "timestamp": record["t"],
        "level": "fatal",
        "platform": "python" if raised else "other",
        "logger": key,
        "tags": {"reason": reason},
        "extra": {"stderr": last},
    }
    if raised:
        event["exception"] = {"values": [_value(each) for each in raised]}
    else:
        event["logentry"] = {"message": f"ended: {reason}", "formatted": f"{key} ended: {reason}"}
    safe: dict[str, Any] = scrub(clean(event).value).value
    return safe


def _value(raised: Raised) -> dict[str, Any]:
    mechanism = {
        "type": MECHANISM,
        "handled": False,
        "exception_id": raised.id,
        "parent_id": raised.parent,
        "source": raised.source,
        "is_exception_group": raised.is_group,
    }
    return {
        "type": raised.type,
        "value": raised.value,
        "module": raised.module,
        "mechanism": mechanism,
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


def is_of_output(body: dict[str, Any]) -> bool:
    """Whether a report was made here from a child's output."""
    exception = body.get("exception")
    values = exception.get("values") if isinstance(exception, dict) else None
    mechanism = (
        values[-1].get("mechanism")
        if isinstance(values, list) and values and isinstance(values[-1], dict)
        else None
    )
    return isinstance(mechanism, dict) and mechanism.get("type") == MECHANISM


SAME_WITHIN = dt.timedelta(seconds=10)
"""An SDK's report of the crash, and ours of the same life: no further apart."""
