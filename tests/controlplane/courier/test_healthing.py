"""Health of real children, from their node to rows: what is asked, and that nobody is looking when nobody is."""

import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from supervision.health.models import HealthCheck
from supervision.journal.models import ObservedChild
from tests.controlplane.courier.joined import WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import child, python, tree
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engine(stores: TestStores, transactional_db: None) -> Iterator[Joined]:
    with joined(stores) as started:
        yield started


def check(key: str) -> HealthCheck | None:
    return HealthCheck.objects.filter(key=key).first()


def test_checks_become_rows_and_a_monitor_that_is_stopped_makes_them_stale_until_it_goes_on(
    engine: Joined,
) -> None:
    health = [{"exec": {"command": ["/bin/true"]}, "interval": "300ms", "timeout": "600ms"}]
    engine.apply(tree("shop", child("a", process={"health": health}), child("b")))

    def current() -> HealthCheck | None:
        row = check("shop/a")
        fresh = row is not None and row.state == "healthy" and not row.is_stale(timezone.now())
        return row if fresh else None

    row = wait_for(current, timeout=WAIT_S, what=f"a current row; {engine.log()[-2000:]}")
    assert (row.tree, row.kind, row.on_unhealthy) == ("shop", "exec", "none")
    node = int(engine.call("status")["pid"])
    os.kill(node, signal.SIGSTOP)
    try:

        def stale() -> HealthCheck | None:
            found = check("shop/a")
            return found if found is not None and found.is_stale(timezone.now()) else None

        silent = wait_for(stale, timeout=WAIT_S, what="nobody looks")
        assert silent.checked_at is not None
        assert silent.is_stale(silent.checked_at + timedelta(seconds=1.3))  # two time-outs
        assert silent.state == "healthy"  # as it was found, which is not what is shown
    finally:
        with contextlib.suppress(ProcessLookupError):  # its guardian may have replaced it by now
            os.kill(node, signal.SIGCONT)
    wait_for(current, timeout=WAIT_S, what=f"it goes on; {engine.log()[-2000:]}")
    engine.call("stop", key="shop/a")
    wait_for(lambda: check("shop/a") is None, timeout=WAIT_S, what="what does not run has no health")


def test_what_a_child_says_of_itself_becomes_a_row_and_is_over_with_it(engine: Joined) -> None:
    says = "import os, socket, time\n" + (
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.sendto(b'READY=1\\nSTATUS=12 connections', os.environ['NOTIFY_SOCKET'])\n"
        "time.sleep(3600)\n"
    )
    engine.apply(tree("shop", child("a", python(says), process={"readiness": {"notify": True}})))

    def line() -> str:
        return ObservedChild.objects.filter(key="shop/a").values_list("status", flat=True).first() or ""

    wait_for(lambda: line() == "12 connections", timeout=WAIT_S, what=f"its line; {engine.log()[-2000:]}")
    engine.call("stop", key="shop/a")
    wait_for(lambda: line() == "", timeout=WAIT_S, what="who does not run says nothing")
