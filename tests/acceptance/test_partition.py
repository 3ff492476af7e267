"""The link between two hosts is cut and healed: what is fenced never runs twice, the rest does until it is healed."""

import os
import time
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from supervision.fleet.models import Node
from supervision.trees.models import Placement
from tests.controlplane.controller.controllers import controllers
from tests.support.django_on import django_on
from tests.support.fleet import TAKE_OVER_S, WAIT_S, Fleet, Host, Watch, apply, hosts, token_tree
from tests.support.network import Network, RemoteStores, network, remote_stores
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are root's to make")


@pytest.fixture
def link() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture
def rows(link: Network, django_db_blocker: DjangoDbBlocker) -> Iterator[RemoteStores]:
    """The stores in the near network; Django's connection of this test reaches them by their socket."""
    with (
        short_directory() as directory,
        remote_stores(directory, link) as stores,
        django_on(directory, django_db_blocker),
    ):
        yield stores


@pytest.fixture
def two(link: Network, rows: RemoteStores) -> Iterator[Fleet]:
    """`a` is near the stores, `b` behind the link."""
    reach = {"database_url": rows.database_url, "redis_url": rows.redis_url}
    a = Host("a", **reach, labels={"side": "near"}, within=link.within(link.near))
    b = Host("b", **reach, labels={"side": "far"}, within=link.within(link.far))
    with controllers(1, rows.local_url, rows.directory), hosts(a, b):
        made = Fleet(a, b, rows.directory)
        made.joined()
        yield made


def begin_far(two: Fleet, name: str, token: str, **placement: object) -> None:
    """It runs behind the link, and may run on either side from then on."""
    for labels in ({"side": "far"}, {}):
        apply(token_tree(name, token, placement={"labels": labels, **placement}))
        two.settled(name, on="b")


def test_a_link_that_is_cut_and_healed(two: Fleet, link: Network) -> None:
    begin_far(two, "ledger", "token-cut-single", singleton=True)
    begin_far(two, "shop", "token-cut-shop")
    epoch = Placement.objects.get(tree__name="ledger").epoch
    with Watch("token-cut-single") as ledger, Watch("token-cut-shop") as shop:
        wait_for(lambda: ledger.ever() and shop.ever(), timeout=WAIT_S)
        link.cut()
        cut = time.monotonic()
        wait_for(lambda: not ledger.now(), timeout=WAIT_S, what=f"fenced; {two.b.log()[-3000:]}")
        fenced_s = time.monotonic() - cut
        assert len(shop.now()) == 1, "what is not fenced runs on"
        wait_for(lambda: "ledger/run" in two.a.views() and ledger.now(), timeout=WAIT_S, what=two.told())
        taken_s = time.monotonic() - cut
        wait_for(lambda: len(shop.now()) == 2, timeout=WAIT_S, what="the other one runs on both sides")
        link.heal()
        two.settled("ledger", on="a")
        two.settled("shop", on="a")
        wait_for(lambda: len(shop.now()) == 1, timeout=WAIT_S, what=f"one again; {two.told()}")
        wait_for(lambda: not two.b.views().keys() & {"ledger/run", "shop/run"}, timeout=WAIT_S)
    assert ledger.most() == 1, "a fenced singleton never runs twice"
    assert shop.most() == 2
    assert fenced_s < TAKE_OVER_S - 2
    assert fenced_s < taken_s
    assert taken_s > TAKE_OVER_S - 2.5
    assert Placement.objects.get(tree__name="ledger").epoch > epoch
    assert Node.objects.get(labels__host="b").state == "up"


@pytest.mark.soak
def test_a_link_that_is_cut_again_and_again(two: Fleet, link: Network) -> None:
    begin_far(two, "ledger", "token-often", singleton=True)
    minutes = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "30"))
    ends = time.monotonic() + minutes * 60
    with Watch("token-often") as ledger:
        round_number = 0
        while time.monotonic() < ends:
            round_number += 1
            link.cut()
            time.sleep(round_number * 1.7 % 14)  # before the fence, between fence and take-over, long after
            link.heal()
            wait_for(lambda: len(ledger.now()) == 1, timeout=WAIT_S, what=two.told())
            two.settled("ledger")
    assert ledger.most() == 1
