"""/metrics, read by Prometheus' own parsers."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from django.utils import timezone
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from agents.measures.models import AgentCounter, AgentGauge
from controlplane.access.policy import Role, Scope
from controlplane.operations import traffic, views
from controlplane.operations.checks import Check, Checks
from controlplane.operations.latency import count_action
from controlplane.operations.models import RestartCount
from controlplane.operations.traffic import Traffic
from supervision.alerts.addresses import parse_networks
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild
from supervision.rules.models import Objective, ObjectiveMinute
from supervision.rules.watching import watch_rules
from supervision.samples.models import SampleMinute
from supervision.tasks.models import TaskQueue
from supervision.tasks.workers import Report, take_report
from tests.controlplane.api import world
from tests.supervision.leakwatch_rows import make_check, make_leak, make_shared_leak
from tests.support import people
from tests.support.database import TestStores

pytestmark = pytest.mark.django_db
parse_open: Any = open_parser.text_string_to_metric_families
parse_text: Any = parser.text_string_to_metric_families  # Any: half typed
OPEN = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(autouse=True)
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    async def fine() -> str:
        return ""

    made = Checks([Check("db", fine, decides=True)])
    monkeypatch.setattr(views, "readiness", lambda: made)
    yield made
    made.stop()


@pytest.fixture
def client() -> Client:
    return people.bearer(people.token(people.user("prometheus", (Role.VIEWER, "")), Scope.READ))


def samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(answer.content.decode())
        for sample in family.samples
    }


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    return found[f"overstory_{name}", tuple(sorted(labels.items()))]


def test_both_formats_are_read_by_their_parsers(client: Client) -> None:
    world.world()
    plain = client.get("/metrics")
    assert plain["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert list(parse_text(plain.content.decode()))
    answer = client.get("/metrics", headers={"Accept": OPEN})
    assert answer["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.content.endswith(b"# EOF\n")
    assert list(parse_open(answer.content.decode()))


def test_it_says_what_the_rows_say(client: Client) -> None:
    node = world.world()
    RestartCount.objects.create(supervisor="shop", reason="exit", total=7)
    SampleMinute.objects.create(node=node, key="shop/web", at=timezone.now(), n=60, rss_avg=1000)
    ObservedChild.objects.filter(key="shop").update(window_used=1, intensity=4)
    found = samples(client)
    assert value(found, "children", node="host", state="running") == 2
    assert value(found, "children", node="host", state="failed") == 0, (
        "a number that is known is there, also when it is 0"
    )
    assert value(found, "restarts_total", supervisor="shop", reason="exit") == 7
    assert value(found, "child_memory_bytes", node="host", supervisor="shop") == 1000
    assert value(found, "restart_intensity_ratio", node="host", supervisor="shop") == 0.25
    assert value(found, "strays") == 1
    assert value(found, "node_state", node="host", state="up") == 1


def test_it_says_what_waits_for_workers_and_what_they_run(client: Client) -> None:
    world.world()
    world.tasks("shop")
    queues = {"mail": {"length": 7, "oldest_s": 2.5}}
    take_report(report=Report("n/shop/w/1/5", app="shop", queues=queues), now=timezone.now())
    found = samples(client)
    assert (value(found, "tasks", state="running"), value(found, "tasks", state="parked")) == (1, 0)
    assert value(found, "task_queue_messages", app="shop", queue="mail") == 7
    assert value(found, "task_queue_oldest_seconds", app="shop", queue="mail") == 2.5
    assert value(found, "task_workers", consumes="true") == 2
    TaskQueue.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    assert not [name for name, _ in samples(client) if name == "overstory_task_queue_messages"]


def test_it_says_of_pools_how_many_workers_they_have_and_are_to_have(client: Client) -> None:
    world.world()
    world.pool("shop")
    queues = {"mail": {"length": 7, "oldest_s": 2.5}}
    take_report(report=Report(f"{world.NODE}/shop/mail@1/1/5", app="shop", queues=queues), now=timezone.now())
    found = samples(client)
    labels = {"tree": "shop", "pool": "mail"}
    assert value(found, "task_pool_workers", **labels) == 1
    assert value(found, "task_pool_workers_wanted", **labels) == 1
    assert value(found, "task_pool_messages", **labels) == 7
    assert value(found, "task_pool_oldest_seconds", **labels) == 2.5
    TaskQueue.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    left = {name for name, _ in samples(client)}
    assert "overstory_task_pool_messages" not in left, "not known is not none"
    assert "overstory_task_pool_workers" in left


def test_it_says_how_rules_and_objectives_stand(client: Client) -> None:
    host = world.world()
    world.watched("shop")
    goal = Objective.objects.get()
    for minute in (1, 2):
        at = timezone.now() - timedelta(minutes=minute)
        SampleMinute.objects.create(node=host, key="shop/web", at=at, n=60, rss_avg=2 * 10**9)
        ObjectiveMinute.objects.create(objective=goal, at=at, good=59.97, total=60)
    watch_rules()
    found = samples(client)
    assert value(found, "rule_crossed", rule="rule of shop") == 1
    assert value(found, "objective_budget_left_ratio", objective="objective of shop") == pytest.approx(0.5)
    assert value(found, "objective_burn_rate", objective="objective of shop", window="3600") == pytest.approx(
        0.5
    )


def test_series_of_a_node_that_was_removed_are_gone(client: Client) -> None:
    world.world()
    Node.objects.all().delete()
    assert not [labels for _, labels in samples(client) if dict(labels).get("node")]


def test_two_hosts_of_one_name_are_told_apart(client: Client) -> None:
    world.world()
    world.node("m" * 32)
    names = {dict(labels).get("node") for _, labels in samples(client)} - {None}
    assert names == {"host-nnnnnnnn", "host-mmmmmmmm"}


def test_no_label_is_a_pid_or_a_key_of_a_child(client: Client) -> None:
    world.world()
    for _, labels in samples(client):
        assert set(dict(labels)) <= {
            "node", "state", "supervisor", "reason", "check", "kind", "role", "job", "quantile", "version", "code",
            "process", "verb", "le", "app", "queue", "consumes", "rule", "objective", "window", "resource", "action",
            "measure",
        }  # fmt: skip
        assert dict(labels).get("supervisor") != "shop/web"


def test_what_every_web_process_sends_to_pages_is_told_by_whichever_answers(
    client: Client, stores: TestStores, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.world()
    settings.LIVE_REDIS_URL = stores.redis_url
    monkeypatch.setenv("OVERSTORY_NODE", world.NODE)
    with redis.Redis.from_url(stores.redis_url) as store:
        store.delete(traffic.KEY)
        for process, clients in (("web@1", 3), ("web@2", 1)):
            monkeypatch.setenv("OVERSTORY_CHILD", f"system/{process}")
            counted = Traffic(clients=clients, resyncs=1, frames=10, bytes=2048)
            with contextlib.suppress(TimeoutError):
                asyncio.run(asyncio.wait_for(traffic.publish(stores.redis_url, counted), 0.5))
        long_gone = {"node": world.NODE, "process": "web@9", "at": 1.0, "counts": asdict(Traffic(9, 9, 9, 9))}
        store.hset(traffic.KEY, f"{world.NODE}/web@9", json.dumps(long_gone))
        found = samples(client)
        assert b"web@9" not in b"".join(store.hkeys(traffic.KEY)), "what is long gone is forgotten"
    assert value(found, "ws_clients", node="host", process="web@1") == 3
    assert value(found, "ws_clients", node="host", process="web@2") == 1
    assert value(found, "ws_frames_total", node="host", process="web@1") == 10
    assert value(found, "ws_sent_bytes_total", node="host", process="web@2") == 2048
    assert value(found, "ws_resyncs_total", node="host", process="web@2") == 1
    assert not [labels for _, labels in found if dict(labels).get("process") == "web@9"]


def test_how_long_actions_took_is_a_histogram_that_only_grows(client: Client) -> None:
    now = timezone.now()
    for seconds in (0.01, 0.3, 0.3, 100.0):
        count_action(verb="stop", since=now - timedelta(seconds=seconds))
    found = samples(client)
    counts = {
        le: value(found, "action_seconds_bucket", verb="stop", le=le)
        for le in ("0.25", "0.5", "60.0", "+Inf")
    }
    assert list(counts.values()) == [1, 3, 3, 4]
    assert value(found, "action_seconds_count", verb="stop") == 4
    assert 100 < value(found, "action_seconds_sum", verb="stop") < 120


def test_its_cost_does_not_grow_with_what_there_is(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    world.world()
    with django_assert_max_num_queries(28):
        client.get("/metrics")


def test_with_the_database_away_it_says_so_and_nothing_wrong(
    client: Client, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> str:
        raise ConnectionError

    gone = Checks([Check("db", away, decides=True)])
    monkeypatch.setattr(views, "readiness", lambda: gone)
    try:
        found = samples(client)
        assert value(found, "check_ok", check="db") == 0
        assert not [name for name, _ in found if name.startswith("overstory_children")]
    finally:
        gone.stop()


def test_it_is_for_who_may_see_everything_and_for_listed_networks(settings: Any) -> None:
    assert Client().get("/metrics").status_code == 401
    some = people.bearer(people.token(people.user("some", (Role.VIEWER, "shop")), Scope.READ))
    assert some.get("/metrics").status_code == 403
    settings.METRICS_NETWORKS = parse_networks("127.0.0.0/8")
    assert Client().get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="10.0.0.1").get("/metrics").status_code == 401


def test_it_says_how_many_checks_fail_and_how_much_leaks(client: Client) -> None:
    node = world.world()
    make_check(node, "shop/web", state="unhealthy")
    make_check(node, "shop/api", checked_at=timezone.now() - timedelta(minutes=5))
    make_leak(node, "shop/web", action="recycle", limit_at=timezone.now() + timedelta(minutes=10))
    make_leak(node, "shop/api", ended_at=timezone.now(), deed_state="done")
    make_shared_leak("cart:*")
    found = samples(client)
    assert value(found, "health_checks", kind="http", state="unhealthy") == 1
    assert value(found, "health_checks", kind="http", state="healthy") == 0
    assert value(found, "health_checks_stale") == 1
    assert value(found, "leaks", resource="rss", action="recycle") == 1
    assert value(found, "leaks", resource="fds", action="watch") == 0
    assert value(found, "leak_recycles", state="done") == 1
    assert value(found, "leak_recycles", state="refused") == 0
    assert value(found, "shared_leaks", kind="keys") == 1
    assert 500 < value(found, "leak_limit_seconds") <= 600


def test_it_says_what_agents_counted_and_what_they_have_by_kind(client: Client) -> None:
    host, now = world.world(), timezone.now()
    AgentCounter.objects.create(kind="crawler", name="pages", total=7.5, changed_at=now)
    AgentCounter.objects.create(kind="crawler", name="", total=3, changed_at=now)
    known: dict[str, Any] = {
        "node": host,
        "kind": "crawler",
        "agents": 2,
        "total": 9.0,
        "least": -1.0,
        "most": 10.0,
    }
    AgentGauge.objects.create(name="queue", at=now, **known)
    AgentGauge.objects.create(name="long_gone", at=now - timedelta(minutes=10), **known)
    found = samples(client)
    assert value(found, "agent_counter_total", kind="crawler", measure="pages") == 7.5
    assert value(found, "agent_measures_left_out_total", kind="crawler") == 3
    gauges = {
        name: value(found, name, kind="crawler", measure="queue")
        for name in ("agent_gauge", "agent_gauge_min", "agent_gauge_max")
    }
    assert gauges == {"agent_gauge": 9, "agent_gauge_min": -1, "agent_gauge_max": 10}
    assert not [labels for _, labels in found if dict(labels).get("measure") == "long_gone"]
    assert list(parse_open(client.get("/metrics", headers={"Accept": OPEN}).content.decode()))
