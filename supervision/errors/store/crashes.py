"""What a node's journal says of errors: children that died or could not start, supervisors that gave up.

From records, in the transaction that takes them in, and so exactly once. A traceback in a dead child's last output is read;
without one the end itself is the error. Instances of one child are one: they run the same program.
"""

import datetime as dt
import re

from supervision.auditlog.actor import Actor
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.projects import project_of_tree
from supervision.errors.store.seen import Seen, file
from supervision.errors.tracebacks import read_traceback
from supervision.journal.facts import Record
from supervision.journal.handlers import Ingested
from supervision.trees.models import Tree

ASKED_FOR = frozenset({"signal(9)", "signal(15)", "signal(2)"})
"""Ends that somebody outside brought about: filed only where the program said why it died."""
_FILED = re.compile(r"exit\(|start_failed\(|signal\(|oom$|exception\(|watchdog$|unhealthy$")
_INSTANCE = re.compile(r"@[^/]*")
LAST_LINES = 5
GAVE_UP = "shutdown"
"""OTP's word for it in a report."""
WORDS = {
    "exit": "Ended",
    "signal": "Ended",
    "start_failed": "StartFailed",
    "oom": "OutOfMemory",
    "exception": "Ended",
    "watchdog": "Watchdog",
    "unhealthy": "Unhealthy",
}
"""Of the reasons of ends, what an issue is called."""


def file_crashes(ingested: Ingested) -> None:
    """Of `exit` records. Trees without a project get one from `give_projects`, soon."""
    file(
        seen for record in ingested.records if record["k"] == "exit" and (seen := of_exit(record)) is not None
    )


def file_failed_supervision(ingested: Ingested) -> None:
    """Of `step` records: starts that came to no process, and supervisors that gave up."""
    file(seen for record in ingested.records for seen in of_step(record, ingested.node.pk))


def tells_of_failed_supervision(record: Record) -> bool:
    """Whether a record is one that `file_failed_supervision` has something of."""
    if record["k"] != "step":
        return False
    return record["event"][0] == "start_failed" or any(
        action[0] == "report" and action[1] == GAVE_UP for action in record["actions"]
    )


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


def of_exit(record: Record) -> Seen | None:
    """The abnormal exit of a child; None where there is nothing to tell."""
    reason, key = str(record.get("reason") or ""), str(record.get("key") or "")
    if not key:
        return None
    lines = [str(line) for line in record.get("traceback") or record.get("stderr") or ()]
    raised = read_traceback("\n".join(lines))
    cause = str(record.get("cause") or "")
    if not raised and (not _FILED.match(reason) or (reason in ASKED_FOR and not cause)):
        return None
    last = [line for line in lines if line.strip()][-LAST_LINES:]
    return Seen(
        name=f"{key}#{record.get('incarnation')}#{record['t']}",
        tree=key.partition("/")[0],
        at=_at(record),
        child=key,
        incarnation=int(record.get("incarnation") or 0),
        raised=raised,
        kind="OutOfMemory" if cause else _word(reason),
        value=f"{declared(key)}: {reason}" + (f", {cause}" if cause else ""),
        fingerprint=(_word(reason), declared(key), reason),
        fields={"tags": {"reason": reason}, "logger": declared(key), "extra": {"stderr": last}},
    )


def of_step(record: Record, node: str) -> list[Seen]:
    """Several supervisors may give up in one step, each above the one before."""
    made = []
    event = record["event"]
    if event[0] == "start_failed":
        made.append(_failed_start(record, str(event[1]), int(event[2]), str(event[3])))
    made += [
        _gave_up(record, node, str(action[2]), str(action[3]), action[5] or {})
        for action in record["actions"]
        if action[0] == "report" and action[1] == GAVE_UP
    ]
    return made


def _failed_start(record: Record, key: str, incarnation: int, reason: str) -> Seen:
    return Seen(
        name=f"{key}#{incarnation}#{record['t']}#start_failed",
        tree=key.partition("/")[0],
        at=_at(record),
        child=key,
        incarnation=incarnation,
        kind="StartFailed",
        value=f"{declared(key)}: {reason}",
        fingerprint=("StartFailed", declared(key), reason),
        fields={"tags": {"reason": reason}, "logger": declared(key)},
    )


def _gave_up(record: Record, node: str, supervisor: str, child: str, detail: dict[str, object]) -> Seen:
    bounds = f"more than {detail.get('intensity')} restarts in {detail.get('period')} s"
    return Seen(
        name=f"{node}#{record['seq']}#{record['t']}#{supervisor}#gave_up",
        tree=supervisor.partition("/")[0],
        at=_at(record),
        child=supervisor,
        kind="SupervisorGaveUp",
        value=f"{supervisor}: {bounds}",
        fingerprint=("SupervisorGaveUp", supervisor),
        fields={
            "logger": supervisor,
            "tags": {"last_child": child},
            "extra": {"last_child": child, "decided_above": detail.get("parent") or ""},
        },
    )


def declared(key: str) -> str:
    """The key without the instances in it."""
    return _INSTANCE.sub("", key)


def _word(reason: str) -> str:
    return WORDS.get(reason.partition("(")[0], "Ended")


def _at(record: Record) -> dt.datetime:
    return dt.datetime.fromtimestamp(record["t"], tz=dt.UTC)
