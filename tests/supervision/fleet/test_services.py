"""Joining, leases and leadership by the database's clock, with many hands at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.fleet import services
from supervision.fleet.exceptions import FleetError, NodeIsElsewhereError, NoSuchNodeError
from supervision.fleet.models import Leadership, Node
from supervision.fleet.silence import mark_silent_nodes

pytestmark = pytest.mark.django_db
ADA = Actor.system("test")
ID = "a" * 32


def register(known_epoch: int | None = None, **facts: Any) -> Node:
    return services.register_node(
        node_id=ID, name="web-1", labels={"zone": "a"}, facts=facts, known_epoch=known_epoch
    )


def let_lease_end(seconds: float = 1.0) -> None:
    past = services.database_now() - timedelta(seconds=seconds)
    Node.objects.filter(pk=ID).update(lease_until=past)


def test_a_node_joins_with_a_lease_and_its_facts() -> None:
    node = register(version="1", pid=7, stream_epoch=3)
    assert (node.epoch, node.state, node.version, node.pid, node.stream_epoch) == (1, "up", "1", 7, 3)
    assert node.lease_until is not None
    left = (node.lease_until - services.database_now()).total_seconds()
    assert services.LEASE_TTL_S - 5 < left <= services.LEASE_TTL_S


def test_a_courier_that_starts_again_inside_the_lease_keeps_the_epoch() -> None:
    assert register().epoch == 1
    assert register(known_epoch=1).epoch == 1


def test_who_lost_the_lease_or_the_epoch_joins_anew() -> None:
    register()
    let_lease_end()
    assert register(known_epoch=1).epoch == 2
    assert register(known_epoch=None).epoch == 3  # forgot what it was: it may not go on as what it was
    assert register(known_epoch=1).epoch == 4


def test_a_renewal_names_the_epoch_and_says_until_when() -> None:
    node = register()
    renewal = services.renew_lease(node_id=ID, epoch=1)
    assert renewal is not None
    assert (renewal.epoch, renewal.draining) == (1, False)
    assert node.lease_until is not None
    assert renewal.lease_until >= node.lease_until
    assert services.renew_lease(node_id=ID, epoch=2) is None
    assert services.renew_lease(node_id="b" * 32, epoch=1) is None


def test_the_clock_is_the_databases_also_inside_a_long_transaction() -> None:
    """now() stands still in a transaction; a lease that was counted from there would end too early."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        began = cursor.fetchone()[0]
    first, second = services.database_now(), services.database_now()
    assert began < first < second


def test_after_its_epoch_was_ended_a_node_renews_nothing() -> None:
    register()
    let_lease_end(seconds=60)
    mark_silent_nodes()
    assert services.renew_lease(node_id=ID, epoch=1) is None
    assert Node.objects.get().state == "down"


def test_a_copy_of_a_nodes_data_directory_is_refused_while_the_node_keeps_its_lease() -> None:
    here, there = {"place": "/var/lib/overstory on one"}, {"place": "/var/lib/overstory on two"}
    register(data=here, pid=7)
    with pytest.raises(NodeIsElsewhereError, match="as web-1, pid 7, in /var/lib/overstory on one"):
        register(known_epoch=1, data=there)
    assert register(known_epoch=1, data=here).epoch == 1, "its own courier comes back"
    let_lease_end()
    assert register(known_epoch=1, data=there).epoch == 2, "it was moved"


def test_a_node_that_comes_back_draining_is_drained_only_once_nothing_is_left_on_it() -> None:
    register()
    services.drain_node(node_id=ID, actor=ADA)
    assert register(known_epoch=1).state == "up"


def test_a_draining_node_stays_drained_when_it_renews_and_comes_back() -> None:
    register()
    services.drain_node(node_id=ID, actor=ADA, reason="works")
    Node.objects.update(state="drained")  # as the controller says once nothing is left on it
    renewal = services.renew_lease(node_id=ID, epoch=1)
    assert renewal is not None
    assert renewal.draining
    let_lease_end()
    assert register(known_epoch=1).state == "drained"
    assert services.undrain_node(node_id=ID, actor=ADA).state == "up"
    actions = AuditEntry.objects.order_by("seq").values_list("action", "target")
    assert list(actions) == [("node.drain", "web-1"), ("node.undrain", "web-1")]


def test_only_a_node_whose_lease_is_over_can_be_forgotten() -> None:
    register()
    with pytest.raises(FleetError, match="its lease runs"):
        services.forget_node(node_id=ID, actor=ADA)
    let_lease_end()
    services.forget_node(node_id=ID, actor=ADA, reason="scrapped")
    assert not Node.objects.exists()
    assert AuditEntry.objects.get().reason == "scrapped"
    with pytest.raises(NoSuchNodeError):
        services.forget_node(node_id=ID, actor=ADA)


def test_a_leader_leads_until_its_time_is_over_and_terms_only_grow() -> None:
    assert services.acquire(name="controller", holder="one", ttl_s=60) == 1
    assert services.acquire(name="controller", holder="two", ttl_s=60) is None
    assert services.acquire(name="beat", holder="two", ttl_s=60) == 1
    assert services.still_leads(name="controller", holder="one", term=1)
    Leadership.objects.filter(name="controller").update(until=services.database_now() - timedelta(seconds=1))
    assert not services.still_leads(name="controller", holder="one", term=1)
    assert services.renew(name="controller", holder="one", term=1, ttl_s=60)  # late, and nobody came
    services.resign(name="controller", holder="one", term=1)
    assert services.acquire(name="controller", holder="two", ttl_s=60) == 2
    assert not services.renew(name="controller", holder="one", term=1, ttl_s=60)
    services.resign(name="controller", holder="one", term=1)  # of a term that is over: changes nothing
    assert services.still_leads(name="controller", holder="two", term=2)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_want_to_lead_one_does() -> None:
    def want(number: int) -> int | None:
        try:
            return services.acquire(name="controller", holder=f"c{number}", ttl_s=60)
        finally:
            connection.close()

    for term in (1, 2, 3):
        with ThreadPoolExecutor(8) as pool:
            terms = [got for got in pool.map(want, range(8)) if got is not None]
        assert terms == [term]
        Leadership.objects.update(until=services.database_now() - timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_nobody_takes_over_inside_a_leaders_transaction() -> None:
    assert services.acquire(name="controller", holder="one", ttl_s=0.2) == 1

    def want() -> int | None:
        try:
            return services.acquire(name="controller", holder="two", ttl_s=60)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert services.still_leads(name="controller", holder="one", term=1)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.3)")  # past its time
            other = pool.submit(want)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.2)")
            assert not other.done()
        assert other.result(timeout=30) == 2


@pytest.mark.django_db(transaction=True)
def test_couriers_that_join_at_once_are_one_node_each_with_its_own_say() -> None:
    def join(_: int) -> int:
        try:
            return register().epoch
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        epochs = sorted(pool.map(join, range(6)))
    assert epochs == [1, 2, 3, 4, 5, 6]
    assert Node.objects.get().epoch == 6
