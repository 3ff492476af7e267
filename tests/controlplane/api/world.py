"""One small fleet in rows, as the API sees it: two trees on one node, each with a supervisor and a child."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from controlplane.filters.issues import issue_condition
from controlplane.savedviews.models import SavedView
from controlplane.savedviews.services import ViewFields, save_view
from supervision.alerts.models import Alert, Channel, Silence
from supervision.auditlog.actor import Actor
from supervision.auditruns.documents import parse
from supervision.auditruns.ingesting import take_report
from supervision.auditruns.models import AuditFinding, AuditProject, AuditRun
from supervision.auditruns.projects import create_project
from supervision.errors.store import owning
from supervision.errors.store import projects as error_projects
from supervision.errors.store.digesting import digest
from supervision.errors.store.monitor_models import Monitor
from supervision.errors.store.release_models import ErrorAttachment
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, ObservedTree, Stray
from supervision.remediation.documents import read
from supervision.remediation.models import RemediationPlan
from supervision.remediation.services import create_plan
from supervision.rules.issues.services import IssueRuleFields
from supervision.rules.issues.services import save_rule as save_issue_rule
from supervision.rules.services import ObjectiveFields, RuleFields, save_objective, save_rule
from supervision.tasks.models import TaskRun, TaskWorker, WorkerRequest
from supervision.trees import services
from supervision.trees.models import Placement, Tree
from tests.supervision.auditruns.support import document as document_of
from tests.supervision.auditruns.support import finding
from tests.supervision.errors.store import error_rows
from tests.supervision.leakwatch_rows import make_check, make_leak, make_shared_leak
from tests.support import people

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


def view(owner: User) -> SavedView:
    """One that is shared."""
    fields = ViewFields(list="procs", name="trouble", q="state:failed", is_shared=True)
    return save_view(view=None, owner_id=owner.pk, fields=fields, actor=MAKER)


def rule(name: str, tree: str = "shop") -> dict[str, Any]:
    """A body."""
    return {"name": name, "measure": "rss", "shape": "threshold", "bound": 1e9, "tree": tree}


def issue_rule(name: str, project: str = "") -> dict[str, Any]:
    """A body."""
    return {"name": name, "trigger": "new", "project": project}


def objective(name: str, tree: str = "shop") -> dict[str, Any]:
    """A body."""
    return {"name": name, "indicator": "availability", "target": 99.9, "tree": tree}


def watched(tree: str) -> dict[str, int]:
    """A rule and an objective about a tree; what leaks in it, and how well it is."""
    now = timezone.now()
    fields = RuleFields(**rule(f"rule of {tree}", tree))
    goal = ObjectiveFields(**objective(f"objective of {tree}", tree))
    host = Node.objects.order_by("id")[0]
    make_check(host, f"{tree}/web")
    make_shared_leak(f"cart:{tree}:*")
    return {
        "leak": make_leak(host, f"{tree}/web").pk,
        "rule": save_rule(rule=None, fields=fields, actor=people.SOMEBODY, now=now).pk,
        "objective": save_objective(objective=None, fields=goal, actor=people.SOMEBODY, now=now).pk,
    }


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


POOL = {"tree": "shop", "path": "mail"}
"""Of `pool`, in a body."""


def pool(tree: str) -> Tree:
    """The tree has a pool of Celery workers, too."""
    whole = document(tree, "a")
    worker = {"app": "shop", "queues": ["mail"], "scale": {"min": 1, "max": 3, "queue_length": 10}}
    whole["supervisor"]["children"].append({"id": "mail", "celery_worker": worker})
    return services.apply_tree(document=whole, message="a pool", actor=MAKER).tree


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


def errors(tree: str) -> dict[str, Any]:
    """A project of that name and tree with an issue and a monitor: what they are known by."""
    project = error_projects.create_project(slug=tree, tree=tree, actor=MAKER)
    now = timezone.now()
    error_rows.accepted(project, error_rows.event(), number=1, at=now, child=f"{tree}/web")
    nightly = {"monitor_slug": "nightly", "status": "ok", "check_in_id": "a" * 32}
    error_rows.accepted(project, nightly, kind="check_in", number=2, at=now)
    runs = {
        "attrs": {"release": f"{tree}@1", "environment": "staging"},
        "aggregates": [{"exited": 9, "crashed": 1}],
    }
    error_rows.accepted(project, runs, kind="sessions", at=now)
    ran = {"name": "/orders", "op": "http.server", "ms": 12.5, "failed": False}
    error_rows.accepted(project, ran, kind="transaction", at=now)
    file = {"name": "shop.log", "content_type": "text/plain", "data": "aGVsbG8="}
    error_rows.accepted(project, file, kind="attachment", number=1, at=now)
    digest(now=now)
    watching = IssueRuleFields(**issue_rule(f"issues of {tree}", tree))
    rule = save_issue_rule(
        rule=None, fields=watching, accepts=issue_condition, actor=people.SOMEBODY, now=now
    )
    if owning.team_called("billing") is None:
        owning.save_team(team=None, slug="billing", members=(), actor=people.SOMEBODY)
    return {
        "error_team": "billing",
        "issue_rule": rule.pk,
        "attachment": ErrorAttachment.objects.get(project=project).pk,
        "issue": f"{tree.upper()}-1",
        "event": f"{1:032x}",
        "error_key": project.keys.get().pk,
        "monitor": Monitor.objects.get(project=project).pk,
    }
