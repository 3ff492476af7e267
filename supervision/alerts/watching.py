"""What raises alerts, and what ends them.

From records, in the transaction that takes them in and so exactly once: a supervisor gave up, a stray was found, records
were lost. From rows, asked again and again and told apart by occurrence: a node is lost, a revision was rolled back.
"""

import datetime as dt
from typing import Any

from supervision.alerts.kinds import Kind
from supervision.alerts.models import Alert
from supervision.alerts.services import Subject, raise_alert, resolve_subject
from supervision.errors.store.monitor_models import Monitor
from supervision.errors.store.spike_models import ErrorSpike
from supervision.fleet.models import Node, NodeState
from supervision.fleet.services import database_now
from supervision.journal.columns import moment, storable
from supervision.journal.facts import Record
from supervision.journal.handlers import Ingested
from supervision.journal.models import ObservedChild, Stray
from supervision.trees.models import Rollout, RolloutState
from supervision.trees.rollouts import failures

CALM_S = 60
"""A supervisor that has run so long after it gave up has recovered."""
LOOK_BACK_DAYS = 7
MOST_AT_ONCE = 500

WORDS = {
    Monitor.Status.WAITING: "has not run yet",
    Monitor.Status.OK: "fails now and then",
    Monitor.Status.LATE: "is late",
    Monitor.Status.MISSED: "was missed",
    Monitor.Status.TIMEOUT: "takes too long",
    Monitor.Status.ERROR: "failed",
}
"""Of the states of a monitor."""
GAVE_UP, ESCALATED = "shutdown", "escalated"
"""Of a report: OTP's word for a supervisor past its intensity, and ours for one that fails because a child is ill."""


def raise_from_records(ingested: Ingested) -> None:
    """Called for each batch of a node's records."""
    for record in ingested.records:
        match record["k"]:
            case "step":
                for action in record["actions"]:
                    if action[0] == "report" and action[1] in (GAVE_UP, ESCALATED):
                        _gave_up(ingested.node, record, action)
            case "stray" if record.get("what") == "found":
                _stray_found(ingested.node, record)
            case "damage":
                _records_lost(ingested.node, record)


def watch_rows() -> int:
    """Raise what rows say and end what is over; how many alerts changed. Safe to be called by many, often."""
    now = database_now()
    found = _watch_nodes(now) + _watch_rollouts(now) + _watch_monitors(now) + _watch_spikes(now)
    return found + _end_calm_supervisors(now) + _end_strays(now)


def _gave_up(node: Node, record: Record, action: list[Any]) -> None:
    supervisor, child, detail = str(action[2]), action[3], action[5] or {}
    at = _at(record)
    intensity, period = detail.get("intensity"), detail.get("period")
    above = detail.get("parent")
    raise_alert(
        about=Subject(
            Kind.SUPERVISOR_GAVE_UP,
            f"{supervisor} on {node.name}",
            tree=supervisor.partition("/")[0],
            node_id=node.id,
        ),
        title=f"{supervisor} gave up on {node.name}",
        body=(
            (
                f"Its child {child} is not healthy ({action[4]}), and its check says `on_unhealthy: escalate`. "
                if action[1] == ESCALATED
                else f"Its children needed more restarts than it allows ({intensity} in {period} s); the last to end was "
                f"{child}. "
            )
            + (f"{above} decides what becomes of it." if above else "It is the root of its tree.")
        ),
        data={"supervisor": supervisor, "child": child, "node": node.name, "seq": record["seq"]},
        now=at,
    )


def _stray_found(node: Node, record: Record) -> None:
    command = record.get("command") or []
    words = storable(command if isinstance(command, str) else " ".join(str(word) for word in command))
    raise_alert(
        about=Subject(Kind.STRAY_FOUND, f"strays on {node.name}", node_id=node.id),
        title=f"stray found on {node.name}: pid {record['pid']}",
        body=f"{words[:1000]}\nIt belongs to no child. It is ended after 5 s unless it is adopted.",
        data={"pid": record["pid"], "node": node.name},
        now=_at(record),
    )


def _records_lost(node: Node, record: Record) -> None:
    first, last = record.get("first") or record["seq"], record.get("last") or record["seq"]
    raise_alert(
        about=Subject(Kind.RECORDS_LOST, f"journal of {node.name}", node_id=node.id),
        title=f"journal records of {node.name} were lost",
        body=f"Records {first} to {last} could not be read or went over the bound before they were shipped.",
        data={"first": first, "last": last, "node": node.name},
        now=_at(record),
    )


def _watch_nodes(now: dt.datetime) -> int:
    changed = 0
    for node in Node.objects.filter(state=NodeState.DOWN).order_by("id")[:MOST_AT_ONCE]:
        since = f" since {node.renewed_at:%H:%M:%S} UTC" if node.renewed_at else ""
        changed += (
            raise_alert(
                about=Subject(Kind.NODE_LOST, node.id, occurrence=f"epoch {node.epoch}", node_id=node.id),
                title=f"node {node.name} is lost",
                body=f"Its lease was not renewed{since}. What may run elsewhere is started elsewhere.",
                data={"node": node.name, "epoch": node.epoch},
                now=now,
            )
            is not None
        )
    for alert in _not_resolved(Kind.NODE_LOST):
        state = Node.objects.filter(id=alert.subject).values_list("state", flat=True).first()
        if state in (None, NodeState.UP, NodeState.DRAINED):
            by = "it was removed" if state is None else "it is back"
            changed += resolve_subject(kind=Kind.NODE_LOST, subject=alert.subject, by=by, now=now)
    return changed


def _watch_rollouts(now: dt.datetime) -> int:
    changed = 0
    failed = failures(since=now - dt.timedelta(days=LOOK_BACK_DAYS))
    for rollout in failed[:MOST_AT_ONCE]:
        what = "was rolled back" if rollout.state == RolloutState.ROLLED_BACK else "failed"
        name = rollout.tree.name
        changed += (
            raise_alert(
                about=Subject(Kind.ROLLED_BACK, name, occurrence=f"rollout {rollout.pk}", tree=name),
                title=f"revision {rollout.to_revision.number} of {name} {what}",
                body=rollout.reason,
                data={"tree": name, "rollout": rollout.pk, "revision": rollout.to_revision.number},
                now=now,
            )
            is not None
        )
    for alert in _not_resolved(Kind.ROLLED_BACK):
        newest = Rollout.objects.filter(tree__name=alert.subject).order_by("-id").first()
        if newest is not None and newest.state == RolloutState.DONE:
            by = "a later revision is in place"
            changed += resolve_subject(kind=Kind.ROLLED_BACK, subject=alert.subject, by=by, now=now)
    return changed


def _watch_monitors(now: dt.datetime) -> int:
    """Jobs that failed, were missed or took too long so often in a row as their monitor says."""
    changed = 0
    failing = Monitor.objects.select_related("project").exclude(failing_since=None).order_by("id")
    for monitor in failing[:MOST_AT_ONCE]:
        since = monitor.failing_since
        assert since is not None  # noqa: S101 excluded
        changed += (
            raise_alert(
                about=Subject(
                    Kind.MONITOR_FAILING,
                    f"monitor {monitor.pk}",
                    occurrence=f"since {since.isoformat()}",
                    tree=monitor.project.tree,
                ),
                title=f"{monitor.slug} ({monitor.environment}) {WORDS[Monitor.Status(monitor.status)]}",
                body=f"{monitor.failures} in a row did not go well, since {since:%Y-%m-%d %H:%M} UTC.",
                data={"monitor": monitor.slug, "project": monitor.project.slug, "status": monitor.status},
                now=now,
            )
            is not None
        )
    for alert in _not_resolved(Kind.MONITOR_FAILING):
        pk = alert.subject.removeprefix("monitor ")
        if not failing.filter(pk=int(pk)).exists():
            changed += resolve_subject(
                kind=Kind.MONITOR_FAILING, subject=alert.subject, by="it went well again", now=now
            )
    return changed


def _watch_spikes(now: dt.datetime) -> int:
    """Projects that send far more than they usually do, while what is beyond their limit is turned away."""
    changed = 0
    spikes = ErrorSpike.objects.select_related("project").filter(ended_at=None).order_by("id")
    for spike in spikes[:MOST_AT_ONCE]:
        project = spike.project
        changed += (
            raise_alert(
                about=Subject(
                    Kind.ERROR_SPIKE,
                    f"errors of {project.slug}",
                    occurrence=f"spike {spike.pk}",
                    tree=project.tree,
                ),
                title=f"errors of {project.slug} come in far above the usual",
                body=(
                    f"Usually {spike.usual_per_minute:.3g} a minute. More than {spike.limit_per_minute} a minute are "
                    "turned away and counted, until fewer come."
                ),
                data={"project": project.slug, "limit_per_minute": spike.limit_per_minute},
                now=now,
            )
            is not None
        )
    lasting = {f"errors of {slug}" for slug in spikes.values_list("project__slug", flat=True)}
    for alert in _not_resolved(Kind.ERROR_SPIKE):
        if alert.subject not in lasting:
            by = "fewer come again"
            changed += resolve_subject(kind=Kind.ERROR_SPIKE, subject=alert.subject, by=by, now=now)
    return changed


def _end_calm_supervisors(now: dt.datetime) -> int:
    """A supervisor that runs again for CALM_S, or is no longer there."""
    ended = 0
    calm = now - dt.timedelta(seconds=CALM_S)
    for alert in _not_resolved(Kind.SUPERVISOR_GAVE_UP):
        key = str(alert.data.get("supervisor"))
        row = ObservedChild.objects.filter(node_id=alert.node_id, key=key, removed=False).first()
        if row is None:
            by = "it was removed"
        elif row.state == "running" and row.since is not None and row.since < calm and alert.last_at < calm:
            by = "it runs again"
        else:
            continue
        ended += resolve_subject(kind=Kind.SUPERVISOR_GAVE_UP, subject=alert.subject, by=by, now=now)
    return ended


def _end_strays(now: dt.datetime) -> int:
    ended = 0
    for alert in _not_resolved(Kind.STRAY_FOUND):
        if not Stray.objects.filter(node_id=alert.node_id, state=Stray.State.FOUND).exists():
            by = "they ended or were adopted"
            ended += resolve_subject(kind=Kind.STRAY_FOUND, subject=alert.subject, by=by, now=now)
    return ended


def _not_resolved(kind: Kind) -> list[Alert]:
    return list(Alert.objects.filter(kind=kind, resolved_at=None).order_by("id")[:MOST_AT_ONCE])


def _at(record: Record) -> dt.datetime:
    return moment(float(record["t"])) or database_now()
