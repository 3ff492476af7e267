"""Two hosts on one machine against one PostgreSQL and one Redis: placement, lost hosts, fences, drains, revisions.

The clocks of docs/fleet.md are the real ones: a lost host is taken over from 8 s after its last renewal.
"""

import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from supervision.fleet import services as fleet
from supervision.journal.models import ObservedChild
from supervision.trees.commands import request_command
from supervision.trees.models import Rollout, Tree
from tests.controlplane.controller.controllers import controllers
from tests.support.database import TestStores
from tests.support.engine import child, tree
from tests.support.fleet import ADA, TAKE_OVER_S, WAIT_S, Fleet, Host, Watch, apply, hosts, other, token_tree
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def url(stores: TestStores) -> str:
    """Of pytest-django's database."""
    name = str(connection.settings_dict["NAME"])
    return stores.database_url.replace("/overstory?", f"/{name}?")


@pytest.fixture
def two(stores: TestStores, url: str) -> Iterator[Fleet]:
    a = Host("a", database_url=url, redis_url=stores.redis_url, labels={"zone": "a"})
    b = Host("b", database_url=url, redis_url=stores.redis_url, labels={"zone": "b"})
    with short_directory() as directory, controllers(1, url, directory), hosts(a, b):
        made = Fleet(a, b, directory)
        made.joined()
        yield made


SINGLETON = {"placement": {"singleton": True}}


def test_trees_are_placed_by_label_and_move_when_the_label_they_ask_for_changes(two: Fleet) -> None:
    for zone in ("a", "b"):
        apply(token_tree(f"in-{zone}", f"token-{zone}", placement={"labels": {"zone": zone}}))
    apply(token_tree("both", "token-both", placement={"mode": "every"}))
    for zone in ("a", "b"):
        two.settled(f"in-{zone}", on=zone)
        assert two.host(zone).child(f"in-{zone}/run")["state"] == "running"
        assert f"in-{other(zone)}/run" not in two.host(zone).views()
    wait_for(lambda: all("both/run" in host.views() for host in (two.a, two.b)), timeout=WAIT_S)
    with Watch("token-a") as watch:
        apply(token_tree("in-a", "token-a", placement={"labels": {"zone": "b"}}))
        two.settled("in-a", on="b")
        wait_for(lambda: "in-a/run" not in two.a.views(), timeout=WAIT_S)
    assert watch.least(watch.seen[0][0]) >= 1, "added before it was removed"
    apply(token_tree("nowhere", "token-n", placement={"labels": {"zone": "c"}}))
    wait_for(
        lambda: Tree.objects.get(name="nowhere").problem == "no node has the labels zone=c", timeout=WAIT_S
    )


def test_a_host_that_dies_is_taken_over_from_once_with_what_was_stopped_and_added_there(two: Fleet) -> None:
    document = token_tree("ledger", "token-ledger", **SINGLETON)
    document["supervisor"]["children"].append(child("extra"))
    apply(document)
    place = two.settled("ledger")
    wait_for(lambda: two.host(place).views()["ledger/extra"]["state"] == "running", timeout=WAIT_S)
    request_command(verb="stop", key="ledger/extra", actor=ADA)
    wait_for(lambda: two.host(place).views()["ledger/extra"]["wanted"] == "down", timeout=WAIT_S)
    wait_for(lambda: observed_wanted("ledger/extra") == "down", timeout=WAIT_S)
    request_command(verb="start_child", key="ledger", args={"child": child("added")}, actor=ADA)
    wait_for(lambda: observed_wanted("ledger/added") == "up", timeout=WAIT_S, what=two.told())
    with Watch("token-ledger") as watch:
        wait_for(watch.ever, timeout=WAIT_S)
        two.host(place).die()
        died = time.monotonic()
        wait_for(lambda: len(watch.ever()) > 1, timeout=WAIT_S, what=f"it runs again; {two.told()}")
        took_s = time.monotonic() - died
    assert watch.most() == 1
    assert TAKE_OVER_S - 2.5 < took_s < TAKE_OVER_S + 20
    assert len(watch.ever()) == 2, "once there, once here"
    survivor = two.host(other(place))
    survivor.wait_state("ledger/extra", "stopped", wanted="down")
    survivor.wait_state("ledger/added", "running", dynamic=True)
    two.host(place).start()
    wait_for(lambda: two.is_up(place), timeout=WAIT_S)
    two.settled("ledger", on=other(place))
    assert "ledger/run" not in two.host(place).views()


def observed_wanted(key: str) -> str:
    return str(ObservedChild.objects.filter(key=key, removed=False).values_list("wanted", flat=True).first())


def test_a_host_that_is_paused_past_its_lease_fences_when_it_wakes_and_its_epoch_is_refused(
    two: Fleet,
) -> None:
    apply(token_tree("ledger", "token-fenced", **SINGLETON))
    place = two.settled("ledger")
    node = two.node(place)
    assert node is not None
    [old] = Watch("token-fenced").now()
    paused = two.host(place).signal_all(signal.SIGSTOP)
    assert old in paused
    began = time.monotonic()
    wait_for(lambda: len(Watch("token-fenced").now()) == 2, timeout=WAIT_S, what=f"taken over; {two.told()}")
    assert time.monotonic() - began > TAKE_OVER_S - 2.5
    assert fleet.renew_lease(node_id=node.pk, epoch=node.epoch) is None, "its epoch is over"
    with Watch("token-fenced") as watch:
        two.host(place).signal_all(signal.SIGCONT)
        woke = time.monotonic()
        wait_for(lambda: old not in watch.now(), timeout=WAIT_S, what="the old one is killed")
        assert time.monotonic() - woke < 5
    two.settled("ledger", on=other(place))
    wait_for(lambda: "ledger/run" not in two.host(place).views(), timeout=WAIT_S)
    again = two.node(place)
    assert again is not None
    assert again.epoch > node.epoch
    assert len(Watch("token-fenced").now()) == 1


def test_a_drain_adds_before_it_removes_and_stops_singletons_first(two: Fleet) -> None:
    """Both begin on `a`: the label says so, until it is taken away again."""
    for placement in ({"labels": {"zone": "a"}}, {}):
        apply(token_tree("shop", "token-shop", placement=placement))
        apply(token_tree("ledger", "token-single", placement={"singleton": True, **placement}))
        two.settled("shop", on="a")
        two.settled("ledger", on="a")
    with Watch("token-shop") as shop, Watch("token-single") as ledger:
        wait_for(lambda: shop.now() and ledger.now(), timeout=WAIT_S)
        began = time.monotonic()
        node = two.node("a")
        assert node is not None
        fleet.drain_node(node_id=node.pk, actor=ADA, reason="maintenance")
        two.settled("shop", on="b")
        two.settled("ledger", on="b")
        wait_for(lambda: state_of(two, "a") == "drained", timeout=WAIT_S, what=two.told())
    assert shop.least(began) >= 1
    assert ledger.most() == 1


def state_of(two: Fleet, name: str) -> str:
    node = two.node(name)
    return "" if node is None else node.state


def test_a_revision_that_never_becomes_ready_goes_back_by_itself(two: Fleet) -> None:
    rollout = {"ready_deadline": "4s", "auto_rollback": True}
    placement = {"mode": "every"}

    def revision(code: str) -> dict[str, Any]:
        process = {"readiness": {"exec": {"command": ["/bin/sh", "-c", code]}, "interval": "100ms"}}
        one = child(
            "web", [sys.executable, "-I", "-S", "-c", "import time; time.sleep(9999)"], process=process
        )
        return {**tree("shop", one), "placement": placement, "rollout": rollout}

    apply(revision("true"))
    for host in (two.a, two.b):
        host.wait_state("shop/web", "running")
    pids = {host.name: host.child("shop/web")["pid"] for host in (two.a, two.b)}
    apply(revision("false"))
    failed = wait_for(
        lambda: Rollout.objects.filter(state="rolled_back").first(), timeout=WAIT_S, what=two.told()
    )
    assert "not ready after 4 s: shop/web is starting" in failed.reason
    for host in (two.a, two.b):
        host.wait_state("shop/web", "running")
    wait_for(lambda: not Rollout.objects.filter(state="running").exists(), timeout=WAIT_S)
    head = Tree.objects.get(name="shop").head
    assert head is not None
    assert head.number == 3
    kept = [host.name for host in (two.a, two.b) if host.child("shop/web")["pid"] == pids[host.name]]
    assert len(kept) == 1, "the other host never left the revision that works"
