"""Two controllers: one leads; killed or stopped, the other does, and the old one writes nothing."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from supervision.fleet import services as fleet
from supervision.fleet.leading import LEADER_TTL_S
from supervision.fleet.models import Leadership, Node
from supervision.trees.models import Command, Placement
from tests.controlplane.controller.controllers import controllers, leader_pid, leader_row, logs
from tests.supervision.trees.fleet_rows import ADA, apply, node, placed, silence
from tests.support.database import TestStores
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
SLACK_S = 8.0
"""For a busy machine."""


@pytest.fixture
def url(stores: TestStores) -> str:
    """Of pytest-django's database."""
    name = str(connection.settings_dict["NAME"])
    return stores.database_url.replace("/overstory?", f"/{name}?")


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


def lasting(name: str) -> Node:
    """A node that need not renew while the test runs."""
    made = node(name)
    Node.objects.filter(name=name).update(lease_until=fleet.database_now() + timedelta(hours=1))
    return made


def idle_backends() -> list[int]:
    """One that is stopped inside a transaction keeps its locks until it goes on: nobody can lead meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'overstory controller' AND state = 'idle' "
            "AND query NOT LIKE '%%leadership%%'"
        )
        return [int(row[0]) for row in cursor.fetchall()]


def test_the_other_leads_after_the_leader_was_killed(url: str, directory: Path) -> None:
    lasting("a")
    with controllers(2, url, directory) as both:
        first = wait_for(lambda: leader_pid(url), timeout=60, what=f"somebody leads; {logs(directory)}")
        row = leader_row(url)
        assert row is not None
        apply()
        wait_for(lambda: placed() == [("a", "assigned")], timeout=30, what=logs(directory))
        os.kill(first, signal.SIGKILL)
        began = time.monotonic()
        [other] = [process.pid for process in both if process.pid != first]
        wait_for(lambda: leader_pid(url) == other, timeout=60, what="the other leads")
        assert time.monotonic() - began < LEADER_TTL_S + 2 + SLACK_S
        later = leader_row(url)
        assert later is not None
        assert later[1] == row[1] + 1


def test_a_leader_that_ends_hands_over_at_once(url: str, directory: Path) -> None:
    with controllers(1, url, directory) as [only]:
        wait_for(lambda: leader_pid(url), timeout=60, what=f"it leads; {logs(directory)}")
        only.terminate()
        assert only.wait(30) == 0, logs(directory)
        assert leader_pid(url) is None


def test_a_leader_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    url: str, directory: Path
) -> None:
    lasting("a")
    with controllers(2, url, directory) as both:
        first = wait_for(lambda: leader_pid(url), timeout=60, what=f"somebody leads; {logs(directory)}")
        os.kill(first, signal.SIGSTOP)
        [other] = [process.pid for process in both if process.pid != first]
        wait_for(lambda: leader_pid(url) == other, timeout=60, what=f"the other leads; {logs(directory)}")
        apply()
        wait_for(lambda: placed() == [("a", "assigned")], timeout=30, what=logs(directory))
        os.kill(first, signal.SIGCONT)
        wait_for(lambda: "follows: another controller leads" in logs(directory)
                 or "does not lead in term" in logs(directory), timeout=60, what="the old one sees it")  # fmt: skip
        assert leader_pid(url) == other
        assert Placement.objects.count() == 1


def test_marks_silent_nodes_takes_over_and_expires_commands(url: str, directory: Path) -> None:
    a = lasting("a")
    apply()
    with controllers(1, url, directory):
        wait_for(lambda: placed() == [("a", "assigned")], timeout=60, what=logs(directory))
        now = fleet.database_now()
        Command.objects.create(
            verb="stop", tree="shop", key="shop/web", node=a, actor_kind="user", actor_id=ADA.id, actor_name=ADA.name,
            created_at=now, deadline_at=now + timedelta(seconds=0.5),
        )  # fmt: skip
        wait_for(lambda: Command.objects.get().state == "expired", timeout=30, what="the command is expired")
        lasting("b")
        silence("a", 3)
        wait_for(lambda: placed() == [("a", "removing"), ("b", "assigned")], timeout=30, what=logs(directory))
        assert Node.objects.get(name="a").state == "down"


def test_waits_while_the_database_backend_is_stopped_and_goes_on(url: str, directory: Path) -> None:
    lasting("a")
    with controllers(1, url, directory) as [only]:
        wait_for(lambda: leader_pid(url), timeout=60, what=f"it leads; {logs(directory)}")
        backends = wait_for(idle_backends, timeout=30, what="its backend is between two ticks")
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: "does not answer" in logs(directory), timeout=60, what="it says so")
            apply()
            wait_for(lambda: placed() == [("a", "assigned")], timeout=60, what="another connection serves it")
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)
        assert only.poll() is None
        assert Leadership.objects.get().term >= 1
