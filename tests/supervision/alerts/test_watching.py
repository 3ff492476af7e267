"""What raises alerts and what ends them: from records and from rows."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from supervision.alerts.kinds import Kind
from supervision.alerts.models import Alert
from supervision.alerts.watching import raise_from_records, watch_rows
from supervision.fleet.models import Node, NodeState
from supervision.journal.facts import Batch, Changes
from supervision.journal.handlers import _HANDLERS, Ingested
from supervision.journal.models import ObservedChild, Stray
from supervision.trees.models import Rollout, RolloutState, Tree, TreeRevision

pytestmark = pytest.mark.django_db
LONG_AGO = dt.timedelta(hours=1)


@pytest.fixture
def node() -> Node:
    return Node.objects.create(id="a" * 32, name="alpha", joined_at=timezone.now())


def take(node: Node, *records: dict[str, Any]) -> None:
    numbered = [{"seq": number, "t": 1e9, "b": 1.0, **record} for number, record in enumerate(records, 1)]
    raise_from_records(Ingested(node, numbered, Batch(numbered, Changes())))


def gave_up(supervisor: str = "shop/web", parent: str | None = "shop") -> dict[str, Any]:
    detail = {"restarts": 4, "intensity": 3, "period": 5.0, "parent": parent}
    report = ["report", "shutdown", supervisor, "api", "reached_max_restart_intensity", detail]
    return {
        "k": "step",
        "tree": "shop",
        "event": ["exited", f"{supervisor}/api", 4, "exit(1)"],
        "actions": [report],
    }


def test_it_is_registered_with_the_journal() -> None:
    assert raise_from_records in _HANDLERS


def test_a_supervisor_that_gives_up_is_one_alert_with_what_it_means(node: Node) -> None:
    take(node, gave_up(), {"k": "step", "event": ["tick", None], "actions": [["start", "x", 1, {}]]})
    alert = Alert.objects.get()
    assert (alert.kind, alert.tree, alert.title) == (
        Kind.SUPERVISOR_GAVE_UP,
        "shop",
        "shop/web gave up on alpha",
    )
    assert "3 in 5.0 s" in alert.body
    assert "shop decides" in alert.body


def test_a_supervisor_that_fails_for_an_ill_child_is_the_same_alert_with_its_own_words(node: Node) -> None:
    report = ["report", "escalated", "shop/web", "api", "http: 503", {"incarnation": 2, "parent": "shop"}]
    take(node, {**gave_up(), "actions": [report]})
    alert = Alert.objects.get()
    assert alert.kind == Kind.SUPERVISOR_GAVE_UP
    assert alert.body.startswith("Its child api is not healthy (http: 503), and its check says")
    assert "shop decides" in alert.body


def test_it_gives_up_again_and_the_alert_counts(node: Node) -> None:
    take(node, gave_up(), gave_up(), gave_up("shop", None))
    assert dict(Alert.objects.values_list("title", "count")) == {
        "shop/web gave up on alpha": 2,
        "shop gave up on alpha": 1,
    }


def test_it_is_over_when_the_supervisor_has_run_for_a_minute_or_is_gone(node: Node) -> None:
    take(node, gave_up())
    row = ObservedChild.objects.create(
        node=node, tree="shop", key="shop/web", child_id="web", is_supervisor=True, state="failed", seq=1,
        since=timezone.now() - LONG_AGO,
    )  # fmt: skip
    assert watch_rows() == 0
    row.state = "running"
    row.save()
    assert watch_rows() == 1
    assert Alert.objects.get().resolved_by == "it runs again"
    take(node, gave_up())
    row.delete()
    assert watch_rows() == 1
    assert Alert.objects.filter(resolved_at=None).count() == 0


def test_strays_of_a_node_are_one_alert_that_ends_with_the_last_of_them(node: Node) -> None:
    stray = Stray.objects.create(node=node, pid=77, start_time=1, first_seen=timezone.now())
    found = {"k": "stray", "what": "found", "pid": 77, "start_time": 1, "command": ["sleep", "9"], "ppid": 1}
    take(node, found, {**found, "pid": 78}, {**found, "what": "ended"})
    alert = Alert.objects.get()
    assert (alert.kind, alert.count) == (Kind.STRAY_FOUND, 2)
    assert "sleep 9" in alert.body
    assert watch_rows() == 0
    stray.state = Stray.State.ENDED
    stray.save()
    assert watch_rows() == 1


def test_lost_records_are_told(node: Node) -> None:
    take(node, {"k": "damage", "first": 10, "last": 20})
    assert "10 to 20" in Alert.objects.get().body


def test_a_lost_node_is_told_once_for_each_epoch_and_ends_with_its_return(node: Node) -> None:
    node.state, node.renewed_at = NodeState.DOWN, timezone.now()
    node.save()
    assert watch_rows() == 1
    assert watch_rows() == 0
    alert = Alert.objects.get()
    assert alert.title == "node alpha is lost"
    node.state = NodeState.UP
    node.save()
    assert watch_rows() == 1
    node.state = NodeState.DOWN
    node.save()
    assert watch_rows() == 0, "this epoch was told"
    node.epoch += 1
    node.save()
    assert watch_rows() == 1
    node.delete()
    assert watch_rows() == 1
    assert Alert.objects.filter(resolved_at=None).count() == 0


def test_a_rollout_that_was_rolled_back_is_told_once_and_ends_with_one_that_is_done() -> None:
    now = timezone.now()
    tree = Tree.objects.create(name="shop", created_at=now)
    revision = TreeRevision.objects.create(
        tree=tree, number=2, document={}, digest="d", message="", author="ann", source="api", created_at=now
    )
    Rollout.objects.create(
        tree=tree, to_revision=revision, state=RolloutState.ROLLED_BACK, reason="api@1 did not become ready",
        started_at=now, finished_at=now,
    )  # fmt: skip
    assert watch_rows() == 1
    assert watch_rows() == 0
    alert = Alert.objects.get()
    assert (alert.title, alert.body) == ("revision 2 of shop was rolled back", "api@1 did not become ready")
    Rollout.objects.create(
        tree=tree, to_revision=revision, state=RolloutState.DONE, started_at=now, finished_at=now
    )
    assert watch_rows() == 1
