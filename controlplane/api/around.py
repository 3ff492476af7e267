"""What surrounds an error in its tree: the life it came from, how that ended, what its supervisor decided and restarted, and
what happened in the tree before and after. From the journal's rows; nothing is asked of a node."""

import datetime as dt
from typing import Any

from django.db.models import Q

from supervision.errors.store.models import ErrorEvent
from supervision.explain.chain import Chains
from supervision.explain.history import History
from supervision.explain.narration import ROUTINE, narrate
from supervision.explain.records import JournalRecord as Record
from supervision.explain.records import Step
from supervision.journal.models import Incarnation, JournalRecord

BEFORE, AFTER = dt.timedelta(minutes=10), dt.timedelta(minutes=2)
RECORDS = 600
"""The newest of a tree in that time that are read."""
SHOWN_BEFORE, SHOWN_AFTER = 6, 8
SAME = dt.timedelta(seconds=15)
"""A report of the crash, and the end of the life that it tells of, are no further apart."""
Around = dict[str, Any]
"""JSON; times are Unix seconds."""


def around(event: ErrorEvent) -> Around | None:
    """None for an event that names no child, or one whose life the journal does not know (any more)."""
    if not event.child:
        return None
    life = _life(event)
    if life is None and event.incarnation is not None:
        return None
    ended = life.ended_at if life is not None else event.at
    moment = ended if ended is not None and ended - event.at < SAME else event.at
    node = life.node_id if life is not None else None
    tree = event.child.partition("/")[0]
    records = _records(tree, node, moment)
    history = History.of(records, tree)
    end = _end(history, event, is_over=ended is not None)
    chain = Chains(history, lambda uid: f"uid {uid}")
    return {
        "key": event.child,
        "incarnation": event.incarnation,
        "node": node,
        "node_name": life.node.name if life is not None else "",
        "pid": life.pid if life is not None else None,
        "started_at": _seconds(life.started_at) if life is not None else None,
        "ended_at": _seconds(life.ended_at) if life is not None else None,
        "reason": life.reason if life is not None else "",
        "chain": [
            link.to_json() for link in chain.of_end(event.child, end, supervisor=event.incarnation is None)
        ]
        if end is not None
        else [],
        "restarted": _restarted(history, end),
        **_lines(records, moment),
    }


def _life(event: ErrorEvent) -> Incarnation | None:
    """Of several nodes on which a child had this number, the one where it ran then."""
    if event.incarnation is None:
        return None
    lives = Incarnation.objects.select_related("node").filter(key=event.child, number=event.incarnation)
    at = event.at + SAME
    found = sorted(
        lives[:20], key=lambda life: (life.started_at is not None and life.started_at <= at, life.pk)
    )
    return found[-1] if found else None


def _records(tree: str, node: str | None, moment: dt.datetime) -> list[Record]:
    """Oldest first."""
    about = Q(tree=tree) | Q(tree="", kind__in=("command", "node", "exit"))
    rows = JournalRecord.objects.filter(about, at__gte=moment - BEFORE, at__lte=moment + AFTER)
    if node is not None:
        rows = rows.filter(node_id=node)
    return [
        {**row.body, "seq": row.seq, "t": row.at.timestamp(), "b": row.boot, "k": row.kind, "tree": row.tree}
        for row in reversed(rows.exclude(kind="snapshot").order_by("-id")[:RECORDS])
    ]


def _end(history: History, event: ErrorEvent, *, is_over: bool) -> Step | None:
    """The step in which that life ended, if this error was its last word."""
    if event.incarnation is None:
        return history.last_end(event.child)
    if not is_over:
        return None
    return next(
        (
            step
            for step in reversed(history.steps)
            if step.tag in ("exited", "start_failed")
            and (step.key, step.incarnation) == (event.child, event.incarnation)
        ),
        None,
    )


def _restarted(history: History, end: Step | None) -> list[str]:
    """Keys that the supervisor restarted because of the end, without the one that ended."""
    if end is None:
        return []
    decisions = [
        decision
        for step, decision in history.decisions_about(end.key, since=end.seq)
        if decision.kind == "restart"
    ]
    return [key for key in decisions[0].affected if key != end.key] if decisions else []


def _lines(records: list[Record], moment: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """What happened in the tree just before, and just after."""
    edge = moment.timestamp()
    before: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    for record in records:
        if record["k"] in ROUTINE:
            continue
        line = narrate(record, who=lambda uid: f"uid {uid}")
        told = {"at": record["t"], "severity": line.severity, "text": line.text, "key": line.subject}
        (before if record["t"] < edge - 0.0005 else after).append(told)
    return {"before": before[-SHOWN_BEFORE:], "after": after[:SHOWN_AFTER]}


def _seconds(at: dt.datetime | None) -> float | None:
    return None if at is None else at.timestamp()
