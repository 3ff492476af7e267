"""At least one row of everything in the error store, made the way it is made in use."""

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q

from supervision.auditlog.actor import Actor
from supervision.errors.event import Frame, Raised
from supervision.errors.store.addresses import say_address
from supervision.errors.store.bodies import packed
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorDiscard, ErrorIntake, ErrorIssue, ErrorProject, ErrorRule
from supervision.errors.store.owning import OwnerFields, save_team, set_owners, watch
from supervision.errors.store.projects import create_project
from supervision.errors.store.seen import PATIENCE, Seen
from supervision.errors.store.seen import file as saw
from supervision.errors.store.spiking import REASON, look_at_spikes
from supervision.rules.issues.news import tell_news
from supervision.rules.issues.services import IssueRuleFields, save_rule
from supervision.rules.issues.watching import watch_issue_rules

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
ACTOR = Actor.system("test")


def event(kind: str = "KeyError", value: str = "'a'", function: str = "load", **more: Any) -> dict[str, Any]:
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
    """A report that waits to be digested."""
    ErrorIntake.objects.create(
        project=project,
        kind=kind,
        event_id=f"{number:032x}",
        body=packed(body),
        received_at=at,
        child=child,
        incarnation=7 if child else None,
    )


def put() -> ErrorProject:
    discards = {"category": "error", "reason": REASON, "count": 7}
    say_address(local_url="http://127.0.0.1:8400", public_url="", now=NOW)
    project = create_project(slug="shop", tree="shop", actor=ACTOR)
    ErrorRule.objects.create(project=project, match=[["type", "Never"]], title="never")
    eve = User.objects.create(username="owner of errors")
    team = save_team(team=None, slug="owners", members=[eve.username], actor=ACTOR)
    set_owners(project=project, owners=[OwnerFields((("function", "load"),), team=team.slug)], actor=ACTOR)
    accepted(project, event(release="1.0", tags={"region": "eu"}, user={"id": "ada"}), child="shop/web")
    accepted(project, {"monitor_slug": "nightly", "status": "ok", "check_in_id": "a" * 32}, kind="check_in")
    report = {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 7}]}
    accepted(project, report, kind="client_report")
    ErrorIntake.objects.create(
        project=project, kind="event", event_id="f" * 32, body=b"broken", received_at=NOW
    )
    digest(now=NOW)
    watch(issue=ErrorIssue.objects.get(), user=eve, watching=True, now=NOW)
    tell_news(may_see=lambda _user, _tree: True, now=NOW)
    save_rule(
        rule=None,
        fields=IssueRuleFields(name="new ones", trigger="new", project="shop", gather_s=0),
        accepts=lambda _text: Q(),
        actor=ACTOR,
        now=NOW,
    )
    accepted(project, event(function="store", environment="production"), number=2, child="shop/web")
    digest(now=NOW)
    watch_issue_rules(accepts=lambda _text: Q(), now=NOW)
    accepted(project, event(function="drop", environment="production"), number=3, child="shop/web")
    ErrorDiscard.objects.create(project=project, hour=NOW, **discards)
    runs = {"attrs": {"release": "1.0"}, "aggregates": [{"exited": 98, "crashed": 2, "did": "ada"}]}
    accepted(project, runs, kind="sessions")
    ran = {"name": "/orders", "op": "http.server", "ms": 12.5, "failed": False}
    accepted(project, ran, kind="transaction")
    file = {"name": "shop.log", "content_type": "text/plain", "data": "aGVsbG8="}
    accepted(project, file, kind="attachment", number=1)
    look_at_spikes(now=NOW)
    raised = Raised(type="KeyError", mechanism="output", frames=(Frame(function="drop"),))
    saw([Seen("a crash", "shop", NOW - PATIENCE, "shop/web", 8, [raised])])
    digest(now=NOW)  # an occasion that nobody has looked at
    return project
