"""One small fleet in rows, as the API sees it: two trees on one node, each with a supervisor and a child."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from supervision.alerts.models import Alert, Channel, Silence
from supervision.auditlog.actor import Actor
from supervision.auditruns.documents import parse
from supervision.auditruns.ingesting import take_report
from supervision.auditruns.models import AuditFinding, AuditProject, AuditRun
from supervision.auditruns.projects import create_project
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, ObservedTree, Stray
from supervision.remediation.documents import read
from supervision.remediation.models import RemediationPlan
from supervision.remediation.services import create_plan
from supervision.tasks.models import TaskRun, TaskWorker, WorkerRequest
from supervision.trees import services
from supervision.trees.models import Placement, Tree
from tests.supervision.auditruns.support import document as document_of
from tests.supervision.auditruns.support import finding

NODE = "n" * 32
MAKER = Actor.local(0, "test")


def document(name: str, *children: str, command: str = "/bin/true") -> dict[str, Any]:
    """A valid tree."""
    return {
        "version": 1,
        "tree": name,
        "supervisor": {
            "children": [{"id": child, "process": {"command": [command]}} for child in children or ("web",)]
        },
    }


def applied(name: str, *children: str, message: str = "") -> Tree:
    return services.apply_tree(document=document(name, *children), message=message, actor=MAKER).tree


def node(identity: str = NODE, **facts: Any) -> Node:
    now = timezone.now()
    return Node.objects.create(
        id=identity,
        name=facts.pop("name", "host"),
        joined_at=now,
        started_at=now,
        renewed_at=now,
        pid=1,
        **facts,
    )


def observed(on: Node, tree: str, *children: str, state: str = "running") -> None:
    """Rows of a tree that runs on a node."""
    now = timezone.now()
    ObservedTree.objects.create(
        node=on, name=tree, revision=1, digest="d", state="running", applied_at=now, seq=1
    )
    ObservedChild.objects.create(
        node=on,
        tree=tree,
        key=tree,
        child_id=tree,
        is_supervisor=True,
        kind="supervisor",
        state="running",
        strategy="one_for_one",
        intensity=3,
        period=5,
        window_used=0,
        stop="ordered",
        since=now,
        seq=1,
    )
    for position, child in enumerate(children or ("web",), start=1):
        key = f"{tree}/{child}"
        ObservedChild.objects.create(
            node=on, tree=tree, key=key, parent=tree, position=position, child_id=child, state=state, pid=100 + position,
            incarnation=1, since=now, command=["/bin/true"], seq=1,
        )  # fmt: skip
        Incarnation.objects.create(
            node=on, tree=tree, key=key, number=1, pid=100 + position, started_at=now, cause={}, seq=1
        )


def event(on: Node, seq: int, *, tree: str = "", key: str = "", kind: str = "command", **body: Any) -> None:
    now: datetime = timezone.now()
    JournalRecord.objects.create(
        node_id=on.id,
        stream_epoch=1,
        seq=seq,
        at=now,
        boot=1.0,
        kind=kind,
        tree=tree,
        key=key,
        body=body,
        received_at=now,
    )


def world() -> Node:
    """shop and bank are applied, placed and run; a stray is about."""
    host = node()
    for name in ("shop", "bank"):
        tree = applied(name)
        assert tree.head is not None
        Placement.objects.create(tree=tree, node=host, revision=tree.head, assigned_at=timezone.now())
        observed(host, name)
        event(host, 1 if name == "shop" else 2, tree=name, key=f"{name}/web")
    event(host, 3, kind="node", what="started")
    Stray.objects.create(node=host, pid=4711, start_time=1, first_seen=timezone.now(), command=["sleep", "9"])
    return host


def channel(name: str) -> dict[str, Any]:
    """A body."""
    return {"name": name, "kind": "webhook", "target": "https://hooks.example/x"}


def alert(tree: str) -> Alert:
    now = timezone.now()
    return Alert.objects.create(
        kind="supervisor_gave_up",
        subject=tree,
        tree=tree,
        severity="critical",
        title="t",
        raised_at=now,
        last_at=now,
    )


def report(*names: str) -> dict[str, Any]:
    """A report of the audit with a finding for each name."""
    return document_of(*(finding(name) for name in names or ("a",)))


def audited(tree: str) -> AuditFinding:
    """A project of that name and tree with two runs; its finding."""
    now = timezone.now()
    project = create_project(name=tree, fields={"tree": tree, "path": "/srv"}, actor=MAKER, now=now)
    for names in (("a", "b"), ("a",)):
        take_report(
            project_id=project.pk,
            report=parse(report(*names)),
            source=AuditRun.Source.UPLOAD,
            actor=MAKER,
            now=now,
        )
    planned(project)
    return AuditFinding.objects.get(project=project, symbol="a")


def plan(project: str) -> dict[str, Any]:
    """A body: one phase, whose criterion does not hold of `audited`."""
    criterion = {"kind": "rule_count", "rule": "SUP101", "at_most": 0}
    phase = {
        "title": "Keep handles", "estimate_days": 2, "risk": "low", "rollback": "revert", "criteria": [criterion]
    }  # fmt: skip
    return {"project": project, "title": "No thread lost", "owner": "ada", "risk": "low", "phases": [phase]}


def planned(project: AuditProject) -> RemediationPlan:
    body = plan(project.name)
    del body["project"]
    return create_plan(project=project, written=read(body), actor=MAKER, now=timezone.now())


def told() -> dict[str, int]:
    """An alert, a channel and a silence of shop: their numbers."""
    until = timezone.now() + timedelta(hours=1)
    return {
        "alert": alert("shop").pk,
        "finding": audited("shop").pk,
        "plan": RemediationPlan.objects.get(project__name="shop").pk,
        "channel": Channel.objects.create(name="c", kind="email", target="a@example.com").pk,
        "silence": Silence.objects.create(tree="shop", until=until, reason="r", created_by="x").pk,
    }


def tasks(tree: str) -> dict[str, Any]:
    """A running task, a dead letter, a worker and a request of a tree: what they are known by."""
    now = timezone.now()
    common = {"name": "shop.mail", "tree": tree, "supervisor": tree, "created_at": now, "changed_at": now}
    TaskRun.objects.create(id=f"{tree}-running", state="running", attempt=1, epoch=1, **common)
    TaskRun.objects.create(id=f"{tree}-dead", state="failed", ended_at=now, **common)
    holder = f"{NODE}/{tree}/worker@1/1/5"
    TaskWorker.objects.create(
        holder=holder,
        node_id=NODE,
        key=f"{tree}/worker@1",
        tree=tree,
        incarnation=1,
        pid=5,
        started_at=now,
        seen_at=now,
    )
    asked = WorkerRequest.objects.create(
        kind="peek", app="shop", queue="mail", requested_by="ada", created_at=now, deadline_at=now
    )
    return {"running": f"{tree}-running", "dead": f"{tree}-dead", "request": asked.pk}
