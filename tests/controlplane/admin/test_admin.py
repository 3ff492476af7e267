"""Every row can be looked at by an admin, by nobody else; what an admin does goes through the services."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from agents.checkpoints.models import CheckpointFault
from agents.configs import kinds
from agents.measures.models import AgentCounter, AgentGauge
from controlplane.access.models import LoginAllowance, LoginLink, Token
from controlplane.access.policy import Role, Scope
from controlplane.admin.index import site
from controlplane.api.models import IdempotencyKey
from controlplane.operations.models import ActionLatency, PeriodicJob, RestartCount
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery, Silence
from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry, AuditSegment
from supervision.auditruns.models import AuditMeasure, AuditProject, AuditTest
from supervision.fleet.models import Leadership, Node
from supervision.journal.facts import Batch, Changes, StrayFact
from supervision.journal.models import ObservedChild, StreamBase
from supervision.journal.services import ingest
from supervision.programs.models import ProgramCursor
from supervision.remediation.models import RemediationPlan
from supervision.remediation.services import start_phase
from supervision.rules.models import Crossing, MeasureRule, Objective, ObjectiveMinute, QueueMinute
from supervision.samples.models import SampleHour, SampleMinute
from supervision.tasks.models import PoolScale, TaskAttempt, TaskQueue, TaskRun, TaskWorker, WorkerRequest
from supervision.trees import commands, services
from supervision.trees.models import Command, Placement, Tree
from tests.agents import config_rows
from tests.controlplane.api.world import audited, pool, view, watched
from tests.supervision.errors.store import error_rows
from tests.support.kept_rows import kept_rows
from tests.support.people import admin, browser, token, user

pytestmark = pytest.mark.django_db
QUERIES = 14
"""A list takes no more, however many rows it has: session, user, grants, the rows, their number, what filters offer."""
ACTOR = Actor.system("test")


def document(command: str = "one") -> dict[str, Any]:
    child = {"id": "web", "process": {"command": ["/bin/echo", command]}}
    return {"version": 1, "tree": "shop", "supervisor": {"children": [child]}}


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """At least one row of every kind."""
    with kept_rows(django_db_blocker):
        make_rows()
        yield


def make_rows() -> None:
    now = timezone.now()
    node = Node.objects.create(id="n" * 32, name="web-1", joined_at=now)
    changes = Changes(
        members={"shop/web": {"tree": "shop", "key": "shop/web", "child_id": "web", "state": "running"}},
        trees={"shop": {"name": "shop", "revision": 1, "digest": "d", "state": "running"}},
        strays={(7, 9): StrayFact(7, 9, ["sleep"], 1, now.timestamp(), "found")},
    )
    changes.life("shop/web", 1).started_at = now.timestamp()
    record = {"seq": 1, "t": now.timestamp(), "b": 1.0, "k": "node", "what": "started"}
    ingest(node_id=node.id, stream_epoch=1, epoch=1, batch=Batch([record], changes))
    applied = services.apply_tree(document=document(), message="first", actor=ACTOR)
    Placement.objects.create(tree=applied.tree, node=node, revision=applied.revision, assigned_at=now)
    services.apply_tree(document=document("two"), message="second", actor=ACTOR)
    commands.request_command(verb="stop", key="shop/web", actor=ACTOR)
    Leadership.objects.create(name="controller", holder="here", term=1, until=now)
    audited("shop")
    plan = RemediationPlan.objects.get()
    start_phase(plan_id=plan.pk, position=1, actor=ACTOR, now=now)
    AuditTest.objects.create(project=AuditProject.objects.get(), name="t", outcome="passed", at=now)
    AuditMeasure.objects.create(project=AuditProject.objects.get(), name="m", value=1, at=now)
    AuditSegment.objects.create(first_seq=-2, last_seq=-1, closing_hash="0" * 64, dropped_at=now)
    token(user("eve", (Role.VIEWER, "shop")), Scope.READ)
    LoginLink.objects.create(
        user=User.objects.get(username="eve"),
        token_hash="h",
        created_at=now,
        expires_at=now + timedelta(minutes=1),
    )
    alert = Alert.objects.create(
        kind="node_lost", subject="n", severity="critical", title="t", raised_at=now, last_at=now
    )
    channel = Channel.objects.create(name="c", kind="email", target="a@example.com")
    Delivery.objects.create(alert=alert, channel=channel, event="raised", next_at=now)
    Silence.objects.create(until=now, reason="r", created_by="ada")
    watched("shop")
    view(User.objects.get(username="eve"))
    about = {"since": now, "measured_at": now, "alert_subject": "a", "words": "w"}
    Crossing.objects.create(rule=MeasureRule.objects.get(), subject="shop/web on host", **about)
    ObjectiveMinute.objects.create(objective=Objective.objects.get(), at=now, good=1, total=2)
    QueueMinute.objects.create(app="shop", name="mail", at=now, length=1)
    AlertRule.objects.create(kind="node_lost", severity="critical")
    PeriodicJob.objects.create(name="j", next_at=now)
    RestartCount.objects.create(supervisor="shop", reason="exit", total=1)
    ActionLatency.objects.create(verb="stop", bucket=3, total=1, seconds=0.3)
    LoginAllowance.objects.create(key="eve", spent_until=now)
    ProgramCursor.objects.create(node=node, spool_epoch=1)
    StreamBase.objects.create(node_id=node.id, stream_epoch=1, seq=1, at=now, boot=1.0, body={})
    run = TaskRun.objects.create(
        id="t",
        name="shop.mail",
        supervisor="shop",
        state="failed",
        created_at=now,
        changed_at=now,
        ended_at=now,
    )
    TaskAttempt.objects.create(run=run, number=1, started_at=now)
    TaskWorker.objects.create(
        holder="h",
        node_id=node.id,
        key="shop/w",
        tree="shop",
        incarnation=1,
        pid=1,
        started_at=now,
        seen_at=now,
    )
    TaskQueue.objects.create(app="shop", name="mail", seen_at=now)
    WorkerRequest.objects.create(kind="peek", app="shop", requested_by="ada", created_at=now, deadline_at=now)
    PoolScale.objects.create(tree="shop", path="w", workers=1, changed_at=now)
    span = {"node": node, "key": "shop/web", "at": now, "n": 1}
    SampleMinute.objects.create(**span)
    SampleHour.objects.create(**span)
    config_rows.put()
    kinds.put_kind(name="crawler", schema={}, description="", actor=ACTOR)
    config_rows.registrations(node.id)
    config_rows.checkpoint("shop/web", node.id)
    CheckpointFault.objects.create(
        node_id=node.id, tree="shop", key="shop/web", incarnation=1, version=2, why="checksum", at=now
    )
    AgentCounter.objects.create(kind="crawler", name="pages", total=1, changed_at=now)
    AgentGauge.objects.create(
        node=node, kind="crawler", name="queue", agents=1, total=1, least=1, most=1, at=now
    )
    error_rows.put()
    IdempotencyKey.objects.create(principal="user:1", route="r", key="k", fingerprint="f", claimed_at=now)


MODELS = sorted(site._registry, key=lambda model: model._meta.label)


def test_every_model_of_ours_is_there() -> None:
    ours = {
        model
        for label in ("supervision", "controlplane")
        for model in apps.get_app_config(label).get_models()
    }
    assert ours <= set(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_list_and_a_page_render(model: Any, rows: None, django_assert_max_num_queries: Any) -> None:
    ada = browser(admin())
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    with django_assert_max_num_queries(QUERIES):
        listed = ada.get(reverse(f"{name}_changelist"))
    assert listed.status_code == 200
    row = model.objects.first()
    assert row is not None
    page = ada.get(reverse(f"{name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert Token.objects.first().token_hash not in page.content.decode()  # type: ignore[union-attr]  # there is one


def test_nothing_can_be_added_changed_or_deleted_by_hand(rows: None) -> None:
    ada = browser(admin())
    tree = Tree.objects.get()
    assert ada.get(reverse("admin:supervision_tree_add")).status_code == 403
    assert (
        ada.post(reverse("admin:supervision_tree_change", args=[tree.pk]), {"name": "x"}).status_code == 403
    )
    assert (
        ada.post(reverse("admin:supervision_tree_delete", args=[tree.pk]), {"post": "yes"}).status_code == 403
    )


def act(model: str, action: str, pk: Any) -> None:
    chosen = {"action": action, "_selected_action": [str(pk)], "confirmed": "1"}
    answer = browser(admin()).post(reverse(f"admin:{model}_changelist"), chosen, follow=True)
    assert answer.status_code == 200


def test_what_takes_much_down_is_asked_first_and_nothing_is_done_until_then(rows: None) -> None:
    tree, ada = Tree.objects.get(), browser(admin())
    before = AuditEntry.objects.count()
    for model, action, pk in (
        ("supervision_tree", "delete_trees", tree.pk),
        ("supervision_treerevision", "roll_back", tree.revisions.get(number=1).pk),
    ):
        chosen = {"action": action, "_selected_action": [str(pk)]}
        page = ada.post(reverse(f"admin:{model}_changelist"), chosen).content.decode()
        assert f'name="action" value="{action}"' in page
        assert f'name="_selected_action" value="{pk}"' in page
        assert 'name="confirmed"' in page
    assert AuditEntry.objects.count() == before
    tree.refresh_from_db()
    assert tree.deleted_at is None


def test_the_index_names_the_product_leads_back_and_groups_its_rows(rows: None, settings: Any) -> None:
    settings.FORCE_SCRIPT_NAME = None
    page = browser(admin()).get(reverse("admin:index")).content.decode()
    assert '<a class="overstory-back" href="/">Back to the pages</a>' in page
    assert "Overstory" in page
    for words in ("Trees and commands", "People and tokens", "Deliveries"):
        assert words in page
    for model in MODELS:
        assert reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") in page


def test_what_an_admin_does_is_in_the_audit_log(rows: None) -> None:
    tree = Tree.objects.get()
    act("supervision_treerevision", "roll_back", tree.revisions.get(number=1).pk)
    tree.refresh_from_db()
    assert tree.head is not None
    assert (tree.head.number, tree.head.document) == (3, tree.revisions.get(number=1).document)
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.actor_name) == ("tree.rollback", "ada")


@pytest.mark.parametrize(
    ("model", "action", "audited"),
    [
        ("supervision_node", "drain", "node.drain"),
        ("supervision_tree", "delete_trees", "tree.delete"),
        ("supervision_taskrun", "replay", "task.replay"),
        ("supervision_poolscale", "one_more", "pool.set_workers"),
        ("supervision_poolscale", "drain", "pool.drain"),
        ("supervision_poolscale", "resume", "pool.resume"),
        ("supervision_poolscale", "restart", "pool.restart"),
        ("supervision_command", "cancel", "command.cancel"),
        ("controlplane_token", "revoke", "token.revoke"),
        ("auth_user", "deactivate", "user.deactivate"),
    ],
)
def test_each_action_reaches_its_service(rows: None, model: str, action: str, audited: str) -> None:
    if model == "supervision_poolscale":
        pool("shop")
        PoolScale.objects.update(path="mail")
    subject = {
        "supervision_poolscale": PoolScale.objects.get().pk,
        "supervision_node": Node.objects.get().pk,
        "supervision_tree": Tree.objects.get().pk,
        "supervision_command": Command.objects.get().pk,
        "supervision_taskrun": "t",
        "controlplane_token": Token.objects.get().pk,
        "auth_user": User.objects.get(username="eve").pk,
    }[model]
    act(model, action, subject)
    assert AuditEntry.objects.filter(action=audited, actor_name="ada").exists()


def test_who_does_not_administer_every_tree_stays_outside(rows: None) -> None:
    for name, role, tree in (
        ("viv", Role.VIEWER, ""),
        ("oz", Role.OPERATOR, ""),
        ("ann", Role.ADMIN, "shop"),
    ):
        answer = browser(user(name, (role, tree))).get(reverse("admin:index"), follow=True)
        assert answer.status_code == 403
    assert browser().get(reverse("admin:index")).status_code in (302, 401)
    assert ObservedChild.objects.get().state == "running"


def test_logging_out_ends_the_session_and_needs_a_post() -> None:
    ada = browser(admin())
    assert ada.get("/admin/logout/").status_code == 302
    assert ada.get("/admin/").status_code == 200
    assert ada.post("/admin/logout/").headers["Location"] == reverse("login")
    assert ada.get("/admin/").status_code == 401
    assert AuditEntry.objects.filter(action="logout").count() == 1
