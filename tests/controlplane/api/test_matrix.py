"""Every endpoint against everybody who may ask. A route without a row here fails, and so does a row without a route."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker

from agents.configs import kinds
from controlplane.access.models import Token
from controlplane.access.policy import Permission, Role, Scope
from controlplane.api.urls import urlpatterns
from supervision.auditlog.models import AuditEntry
from supervision.trees import commands
from tests.agents import config_rows
from tests.controlplane.api import world
from tests.controlplane.api.asking import ASKERS, VIEW, Asker, Row, ask, expected, special, undone
from tests.support import people
from tests.support.kept_rows import kept_rows

pytestmark = pytest.mark.django_db

OPERATE, ADMIN = Permission.OPERATE, Permission.ADMIN
UPLOAD = Permission.UPLOAD
SHOP = "shop"
ANY = {"HTTP_IF_MATCH": "*"}
SERVICE = {"namespace": "ours", "name": "prices"}
CONFIG = {"namespace": "ours", "name": "crawler"}


TABLE: dict[tuple[str, str], Row] = {
    ("index", "get"): Row(None),
    ("me", "get"): Row(None),
    ("my-password", "post"): Row(None, status=204, body={"password": "a long enough passphrase"}),
    ("tokens", "get"): Row(None),
    ("tokens", "post"): Row(None, status=201, body={"name": "n", "scopes": ["read"]}),
    ("token", "get"): Row(ADMIN, own=True),
    ("token", "delete"): Row(ADMIN, own=True, status=204, headers=ANY),
    ("users", "get"): Row(ADMIN),
    ("users", "post"): Row(ADMIN, status=201, body={"name": "new"}),
    ("user", "get"): Row(ADMIN),
    ("user", "patch"): Row(ADMIN, body={"active": False}, headers=ANY),
    ("user", "delete"): Row(ADMIN, status=204, headers=ANY),
    ("user-login-link", "post"): Row(ADMIN, status=201),
    ("trees", "get"): Row(None),
    ("tree", "get"): Row(VIEW, SHOP, path={"tree": "shop"}),
    ("tree", "put"): Row(ADMIN, SHOP, path={"tree": "shop"}, body=world.document("shop", "b"), headers=ANY),
    ("tree", "delete"): Row(ADMIN, SHOP, status=202, path={"tree": "shop"}, headers=ANY),
    ("tree-export", "get"): Row(VIEW, SHOP, path={"tree": "shop"}),
    ("revisions", "get"): Row(VIEW, SHOP, path={"tree": "shop"}),
    ("revision", "get"): Row(VIEW, SHOP, path={"tree": "shop", "number": 1}),
    ("diff", "get"): Row(VIEW, SHOP, path={"tree": "shop"}),
    ("rollback", "post"): Row(ADMIN, SHOP, path={"tree": "shop"}, body={"to": 1}, headers=ANY),
    ("plan", "post"): Row(VIEW, SHOP, body=world.document("shop", "b")),
    ("validate", "post"): Row(None, body=world.document("shop", "b")),
    ("tree-schema", "get"): Row(None),
    ("rollouts", "get"): Row(None),
    ("rollout", "get"): Row(VIEW, SHOP, path={"id": "rollout"}),
    ("agent-kinds", "get"): Row(VIEW),
    ("agent-kind", "get"): Row(VIEW, path={"name": "kind"}),
    ("agent-kind", "put"): Row(ADMIN, path={"name": "kind"}, body={"schema": {}}, headers=ANY),
    ("agent-kind", "delete"): Row(ADMIN, status=204, path={"name": "kind"}, headers=ANY),
    ("agent-kind-plan", "post"): Row(ADMIN, path={"name": "kind"}, body={"schema": {}}),
    ("agent-configs", "get"): Row(VIEW),
    ("agent-config", "get"): Row(VIEW, path=CONFIG),
    ("agent-config", "put"): Row(ADMIN, path=CONFIG, body={"entry_point": "a:B"}, headers=ANY),
    ("agent-config", "delete"): Row(ADMIN, status=204, path=CONFIG, headers=ANY),
    ("agent-config-revisions", "get"): Row(VIEW, path=CONFIG),
    ("agent-config-revision", "get"): Row(VIEW, path={**CONFIG, "number": 1}),
    ("agent-config-diff", "get"): Row(VIEW, path=CONFIG),
    ("agent-config-rollback", "post"): Row(ADMIN, path=CONFIG, body={"to": 1}, headers=ANY),
    ("agent-config-canary", "delete"): Row(ADMIN, status=404, path=CONFIG, headers=ANY),
    ("agent-config-plan", "post"): Row(ADMIN, path=CONFIG, body={"entry_point": "a:B"}),
    ("registrations", "get"): Row(None),
    ("registrations", "post"): Row(OPERATE, status=201, body={"key": "new"}),
    ("registration", "get"): Row(VIEW, SHOP, path={"namespace": "default", "key": "web"}),
    ("registration", "patch"): Row(
        OPERATE, path={"namespace": "default", "key": "cron"}, body={}, headers=ANY
    ),
    ("registration", "delete"): Row(
        OPERATE, status=204, path={"namespace": "default", "key": "cron"}, headers=ANY
    ),
    ("checkpoints", "get"): Row(None),
    ("checkpoint", "get"): Row(VIEW, SHOP, path={"id": "checkpoint"}),
    ("checkpoint", "delete"): Row(ADMIN, SHOP, status=204, path={"id": "checkpoint"}, headers=ANY),
    ("checkpoint-state", "get"): Row(ADMIN, SHOP, path={"id": "checkpoint"}),
    ("services", "get"): Row(VIEW),
    ("service", "get"): Row(VIEW, path=SERVICE),
    ("service", "put"): Row(ADMIN, path=SERVICE, body={}, headers=ANY),
    ("service", "delete"): Row(ADMIN, status=204, path=SERVICE, headers=ANY),
    ("service-ready", "get"): Row(VIEW, path=SERVICE),
    ("nodes", "get"): Row(VIEW),
    ("node", "get"): Row(VIEW, path={"node": world.NODE}),
    ("node", "delete"): Row(ADMIN, status=204, path={"node": world.NODE}, headers=ANY),
    ("node-drain", "post"): Row(ADMIN, path={"node": world.NODE}, body={}),
    ("node-undrain", "post"): Row(ADMIN, path={"node": world.NODE}, body={}),
    ("strays", "get"): Row(VIEW),
    ("observed", "get"): Row(VIEW, SHOP, query="tree=shop"),
    ("counts", "get"): Row(None),
    ("children", "get"): Row(None),
    ("child", "get"): Row(VIEW, SHOP, path={"key": "shop/web"}),
    ("incarnations", "get"): Row(None),
    ("events", "get"): Row(None),
    ("logs", "get"): Row(VIEW, SHOP, status=503, query="key=shop/web"),
    ("logs-follow", "get"): Row(VIEW, SHOP, status=503, query="key=shop/web"),
    ("samples", "get"): Row(VIEW, SHOP, query="key=shop/web"),
    ("leaks", "get"): Row(None),
    ("leak", "get"): Row(VIEW, SHOP, path={"id": "leak"}),
    ("shared-leaks", "get"): Row(VIEW),
    ("health-checks", "get"): Row(None),
    ("coverage", "get"): Row(VIEW),
    ("explain", "get"): Row(VIEW, SHOP, query="key=shop/web"),
    ("what-if", "get"): Row(VIEW, SHOP, query="key=shop/web"),
    ("commands", "post"): Row(OPERATE, SHOP, status=202, body={"verb": "stop", "key": "shop/web"}),
    ("operations", "get"): Row(None),
    ("operation", "get"): Row(VIEW, SHOP, path={"id": "operation"}),
    ("operation", "delete"): Row(OPERATE, SHOP, status=204, path={"id": "operation"}, headers=ANY),
    ("alerts", "get"): Row(None),
    ("alert", "get"): Row(VIEW, SHOP, path={"id": "alert"}),
    ("alert-acknowledge", "post"): Row(OPERATE, SHOP, path={"id": "alert"}, body={}),
    ("alert-resolve", "post"): Row(OPERATE, SHOP, path={"id": "alert"}, body={}),
    ("deliveries", "get"): Row(ADMIN),
    ("channels", "get"): Row(ADMIN),
    ("channels", "post"): Row(ADMIN, status=201, body=world.channel("new")),
    ("channel", "get"): Row(ADMIN, path={"id": "channel"}),
    ("channel", "put"): Row(ADMIN, path={"id": "channel"}, body=world.channel("other"), headers=ANY),
    ("channel", "delete"): Row(ADMIN, status=204, path={"id": "channel"}, headers=ANY),
    ("channel-key", "get"): Row(ADMIN, path={"id": "channel"}),
    ("channel-test", "post"): Row(ADMIN, status=202, path={"id": "channel"}),
    ("silences", "get"): Row(VIEW),
    ("silences", "post"): Row(OPERATE, SHOP, status=201, body={"tree": "shop", "minutes": 5, "reason": "r"}),
    ("silence", "delete"): Row(OPERATE, SHOP, status=204, path={"id": "silence"}),
    ("views", "get"): Row(None),
    ("views", "post"): Row(None, status=201, body={"list": "procs", "name": "new"}),
    ("view", "get"): Row(None, path={"id": "view"}),
    ("view", "put"): Row(
        None, status=403, path={"id": "view"}, body={"list": "procs", "name": "n"}, headers=ANY
    ),
    ("view", "delete"): Row(None, status=204, path={"id": "view"}, headers=ANY),
    ("rules", "get"): Row(None),
    ("rules", "post"): Row(ADMIN, SHOP, status=201, body=world.rule("new")),
    ("rule", "get"): Row(VIEW, SHOP, path={"id": "rule"}),
    ("rule", "put"): Row(ADMIN, SHOP, path={"id": "rule"}, body=world.rule("other"), headers=ANY),
    ("rule", "delete"): Row(ADMIN, SHOP, status=204, path={"id": "rule"}, headers=ANY),
    ("rule-crossings", "get"): Row(VIEW, SHOP, path={"id": "rule"}),
    ("issue-rules", "get"): Row(None),
    ("issue-rules", "post"): Row(ADMIN, status=201, body=world.issue_rule("new")),
    ("issue-rule", "get"): Row(VIEW, SHOP, path={"id": "issue_rule"}),
    ("issue-rule", "put"): Row(
        ADMIN, SHOP, path={"id": "issue_rule"}, body=world.issue_rule("other", "shop"), headers=ANY
    ),
    ("issue-rule", "delete"): Row(ADMIN, SHOP, status=204, path={"id": "issue_rule"}, headers=ANY),
    ("objectives", "get"): Row(None),
    ("objectives", "post"): Row(ADMIN, SHOP, status=201, body=world.objective("new")),
    ("objective", "get"): Row(VIEW, SHOP, path={"id": "objective"}),
    ("objective", "put"): Row(
        ADMIN, SHOP, path={"id": "objective"}, body=world.objective("other"), headers=ANY
    ),
    ("objective", "delete"): Row(ADMIN, SHOP, status=204, path={"id": "objective"}, headers=ANY),
    ("audit-projects", "get"): Row(None),
    ("audit-projects", "post"): Row(ADMIN, status=201, body={"name": "new"}),
    ("audit-project", "get"): Row(VIEW, SHOP, path={"name": "shop"}),
    ("audit-project", "patch"): Row(ADMIN, path={"name": "shop"}, body={"is_ratchet": False}, headers=ANY),
    ("audit-project", "delete"): Row(ADMIN, status=204, path={"name": "shop"}, headers=ANY),
    ("audit-project-scan", "post"): Row(OPERATE, SHOP, status=202, path={"name": "shop"}),
    ("audit-runs", "get"): Row(VIEW, SHOP, path={"name": "shop"}),
    ("audit-runs", "post"): Row(UPLOAD, SHOP, status=201, path={"name": "shop"}, body=world.report()),
    ("audit-run", "get"): Row(VIEW, SHOP, path={"name": "shop", "number": 1}),
    ("audit-compare", "get"): Row(VIEW, SHOP, path={"name": "shop"}),
    ("audit-tests", "get"): Row(VIEW, SHOP, path={"name": "shop"}),
    ("audit-tests", "post"): Row(UPLOAD, SHOP, status=400, path={"name": "shop"}, body={"no": "xml"}),
    ("audit-measures", "get"): Row(VIEW, SHOP, path={"name": "shop"}),
    ("audit-measures", "post"): Row(UPLOAD, SHOP, path={"name": "shop"}, body={"name": "m", "value": 1}),
    ("supervision-coverage", "get"): Row(VIEW, SHOP, path={"name": "shop"}),
    ("remediation-plans", "get"): Row(None),
    ("remediation-plans", "post"): Row(OPERATE, SHOP, status=201, body=world.plan("shop")),
    ("remediation-plan", "get"): Row(VIEW, SHOP, path={"id": "plan"}),
    ("remediation-plan", "put"): Row(
        OPERATE, SHOP, path={"id": "plan"}, body=world.plan("shop"), headers=ANY
    ),
    ("remediation-check", "post"): Row(OPERATE, SHOP, path={"id": "plan"}),
    ("remediation-abandon", "post"): Row(OPERATE, SHOP, path={"id": "plan"}, body={"reason": "r"}),
    ("remediation-report", "get"): Row(VIEW, SHOP, path={"id": "plan"}),
    ("remediation-start", "post"): Row(OPERATE, SHOP, path={"id": "plan", "position": 1}),
    ("remediation-rollback", "post"): Row(
        OPERATE, SHOP, status=409, path={"id": "plan", "position": 1}, body={"reason": "r"}
    ),
    ("audit-findings", "get"): Row(None),
    ("audit-finding", "get"): Row(VIEW, SHOP, path={"id": "finding"}),
    ("audit-finding", "patch"): Row(
        OPERATE, SHOP, path={"id": "finding"}, body={"owner": "ada"}, headers=ANY
    ),
    ("error-issues", "get"): Row(None),
    ("error-issues-bulk", "post"): Row(None, body={"filter": "project:shop", "status": "resolved"}),
    ("error-issue", "get"): Row(VIEW, SHOP, path={"short_id": "issue"}),
    ("error-issue", "patch"): Row(
        OPERATE, SHOP, path={"short_id": "issue"}, body={"status": "resolved"}, headers=ANY
    ),
    ("error-issue-comments", "post"): Row(
        OPERATE, SHOP, status=201, path={"short_id": "issue"}, body={"text": "t"}
    ),
    ("error-issue-merge", "post"): Row(
        OPERATE, SHOP, path={"short_id": "issue"}, body={"others": ["SHOP-1"]}
    ),
    ("error-issue-part", "post"): Row(
        OPERATE, SHOP, status=400, path={"short_id": "issue"}, body={"hashes": ["0"]}
    ),
    ("error-issue-history", "get"): Row(VIEW, SHOP, path={"short_id": "issue"}),
    ("error-events", "get"): Row(VIEW, SHOP, path={"short_id": "issue"}),
    ("error-event", "get"): Row(VIEW, SHOP, path={"short_id": "issue", "event_id": "event"}),
    ("error-issue-watch", "post"): Row(VIEW, SHOP, path={"short_id": "issue"}, body={"watching": True}),
    ("error-owners", "get"): Row(VIEW, SHOP, path={"slug": "shop"}),
    ("error-owners", "put"): Row(
        ADMIN,
        SHOP,
        path={"slug": "shop"},
        body={"owners": [{"match": [["path", "*"]], "team": "billing"}]},
        headers=ANY,
    ),
    ("error-grouping", "get"): Row(VIEW, SHOP, path={"slug": "shop"}),
    ("error-grouping", "put"): Row(
        ADMIN,
        SHOP,
        path={"slug": "shop"},
        body={"rules": [{"match": [["type", "KeyError"]], "fingerprint": ["all"]}]},
        headers=ANY,
    ),
    ("error-grouping-plan", "post"): Row(
        ADMIN, SHOP, path={"slug": "shop"}, body={"rules": [{"match": [["type", "KeyError"]], "title": "x"}]}
    ),
    ("error-teams", "get"): Row(None),
    ("error-teams", "post"): Row(ADMIN, status=201, body={"slug": "other", "members": ["victim"]}),
    ("error-team", "get"): Row(None, path={"slug": "error_team"}),
    ("error-team", "put"): Row(ADMIN, path={"slug": "error_team"}, body={"slug": "billing"}, headers=ANY),
    ("error-team", "delete"): Row(ADMIN, status=204, path={"slug": "error_team"}, headers=ANY),
    ("error-projects", "get"): Row(None),
    ("error-projects", "post"): Row(ADMIN, status=201, body={"slug": "other"}),
    ("error-project", "get"): Row(VIEW, SHOP, path={"slug": "shop"}),
    ("error-project", "patch"): Row(
        ADMIN, SHOP, path={"slug": "shop"}, body={"retention_days": 30}, headers=ANY
    ),
    ("error-discards", "get"): Row(VIEW, SHOP, path={"slug": "shop"}),
    ("error-keys", "post"): Row(ADMIN, SHOP, status=201, path={"slug": "shop"}, body={}),
    ("error-key", "delete"): Row(
        ADMIN, SHOP, status=204, path={"slug": "shop", "id": "error_key"}, headers=ANY
    ),
    ("error-releases", "get"): Row(None),
    ("error-transactions", "get"): Row(None),
    ("error-attachment", "get"): Row(VIEW, SHOP, path={"id": "attachment"}),
    ("monitors", "get"): Row(None),
    ("check-ins", "get"): Row(VIEW, SHOP, path={"id": "monitor"}),
    ("tasks", "get"): Row(None),
    ("tasks-replay", "post"): Row(OPERATE, status=202, body={"name": "shop.mail"}),
    ("task", "get"): Row(VIEW, SHOP, path={"id": "running"}),
    ("task-revoke", "post"): Row(OPERATE, SHOP, status=202, path={"id": "running"}, body={}),
    ("task-replay", "post"): Row(OPERATE, SHOP, status=202, path={"id": "dead"}, body={}),
    ("task-latencies", "get"): Row(None),
    ("task-workers", "get"): Row(None),
    ("task-pools", "get"): Row(None),
    ("task-pool-scale", "post"): Row(OPERATE, SHOP, status=202, body={**world.POOL, "workers": 2}),
    ("task-pool-drain", "post"): Row(OPERATE, SHOP, status=202, body=world.POOL),
    ("task-pool-resume", "post"): Row(OPERATE, SHOP, status=202, body=world.POOL),
    ("task-pool-restart", "post"): Row(OPERATE, SHOP, status=202, body=world.POOL),
    ("task-queues", "get"): Row(VIEW),
    ("queue-peek", "post"): Row(OPERATE, status=202, body={"app": "shop", "queue": "mail"}),
    ("queue-purge", "post"): Row(ADMIN, status=202, body={"app": "shop", "queue": "mail"}),
    ("task-request", "get"): Row(OPERATE, path={"id": "request"}),
    ("audit", "get"): Row(None),
    ("audit-entry", "get"): Row(VIEW, SHOP, path={"seq": "entry"}),
    ("audit-export", "get"): Row(VIEW),
    ("audit-verify", "get"): Row(VIEW),
}


def routes() -> Iterator[tuple[str, str]]:
    """(name, method) of everything that is routed."""
    for pattern in urlpatterns:
        view = pattern.callback.view_class  # type: ignore[attr-defined]  # as_view() says which class it is of
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield str(pattern.name), method


def test_the_table_has_every_route_and_no_other() -> None:
    assert set(TABLE) == set(routes())


def test_every_method_says_what_it_needs() -> None:
    for pattern in urlpatterns:
        view = pattern.callback.view_class  # type: ignore[attr-defined]  # as above
        methods = {method.upper() for name, method in routes() if name == pattern.name}
        assert set(view.needs) == methods, pattern.name


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No courier is there: nobody is asked for long."""
    for limit in ("output.ANSWER_S", "output.LEAST_ANSWER_S", "output.LATE_S", "planning.PREFLIGHT_S"):
        monkeypatch.setattr(f"controlplane.api.{limit}", 0.05)


def family(name: str) -> str:
    """Routes of one family are asked in one test, because some need rows that others must not see."""
    word = name.partition("-")[0].removesuffix("s")
    return word if word in ("task", "registration", "service") else word[0]


@dataclass(frozen=True)
class Asked:
    """What is asked about, by the names that TABLE has for it, and who asks."""

    ids: dict[str, Any]
    clients: list[tuple[Asker, Client]]


@pytest.fixture(scope="module")
def asked(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Asked]:
    with kept_rows(django_db_blocker):
        yield make_what_is_asked_about()


@pytest.fixture
def clients(asked: Asked) -> Iterator[list[tuple[Asker, Client]]]:
    """Who asks; a session that was given up for another is theirs again, like its row."""
    cookies = [copy.copy(client.cookies) for _asker, client in asked.clients]
    yield asked.clients
    for (_asker, client), before in zip(asked.clients, cookies, strict=True):
        client.cookies = before


def make_what_is_asked_about() -> Asked:
    world.world()
    people.admin("root")
    victim = people.user("victim", (Role.VIEWER, ""))
    people.token(victim, Scope.READ)
    made = commands.request_command(verb="stop", key="shop/web", actor=people.SOMEBODY)
    rolled = world.applied("shop", "a").rollouts.get()
    config_rows.put(namespace="ours", arguments={"n": 1})
    kinds.put_kind(name="kind", schema={}, description="", actor=people.SOMEBODY)
    entry = AuditEntry.objects.filter(tree="shop").order_by("seq").values_list("seq", flat=True).first()
    ids = {
        "token": Token.objects.get(user=victim).pk,
        "user": victim.pk,
        "operation": made[0].pk,
        "rollout": rolled.pk,
        "entry": entry,
        "checkpoint": config_rows.checkpoint("shop/web", world.NODE).pk,
        "view": world.view(victim).pk,
        **world.told(),
        **world.tasks("shop"),
        **world.watched("shop"),
        **world.errors("shop"),
    }
    return Asked(ids, [(asker, asker.client()) for asker in ASKERS])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("word", sorted({family(name) for name, _ in TABLE}))
def test_everybody_gets_what_the_policy_says(
    word: str, asked: Asked, clients: list[tuple[Asker, Client]]
) -> None:
    if word == "task":
        world.pool("shop")
    if word in ("registration", "service"):
        config_rows.registrations(world.NODE)  # with a node whose lease runs, which is not forgotten
    wrong: list[str] = []
    for name, method in sorted(route for route in TABLE if family(route[0]) == word):
        row = TABLE[name, method]
        for asker, client in clients:
            with undone():
                before = AuditEntry.objects.count()
                answer = ask(client, name, method, row, asked.ids)
                wanted = special(name, method, asker, expected(row, asker))
                who = f"{method} {name} by {asker.name}"
                if answer.status_code != wanted:
                    wrong.append(f"{who}: {answer.status_code} for {wanted} {answer.content[:200]!r}")
                if answer.status_code >= 400:
                    assert answer["Content-Type"] == "application/problem+json", who
                    assert AuditEntry.objects.count() == before, f"{who} left a trace"
    assert not wrong, "\n".join(wrong)
