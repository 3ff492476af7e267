"""Pool children, workers, whole hosts and the broker are killed under load: every task ends once, and soon runs again.

What ended, and how, is taken from the rows in PostgreSQL.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import connection

from supervision.tasks.models import TaskRun
from tests.controlplane.controller.controllers import controllers
from tests.support.celery_chaos import Chaos, Found
from tests.support.celery_contenders import Fault, Joined, Plain, Slots
from tests.support.celery_lab import celery_lab
from tests.support.database import TestStores
from tests.support.fleet import Fleet, hosts
from tests.support.lone_host import LoneHost
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS: tuple[Fault, ...] = ("child", "worker", "broker", "host")
LONG_ROUNDS, LONG_BURST = 50, 100
"""Of each fault: together 200 kills over 20,000 tasks."""
PIECE = 10
TTL_S = 6.0
BOUNDS_S = {"child": 1.0, "worker": 1.0, "host": TTL_S + 3, "beat": TTL_S + 6}
PLAIN_ROUNDS, PLAIN_PATIENCE_S = 5, 12.0


@pytest.fixture
def fleet(stores: TestStores) -> Iterator[Fleet]:
    """Two hosts that cannot look into one another, over pytest-django's database."""
    name = str(connection.settings_dict["NAME"])
    url = stores.database_url.replace("/overstory?", f"/{name}?")
    a, b = (
        LoneHost(host, database_url=url, redis_url=stores.redis_url, labels={"host": host}) for host in "ab"
    )
    with short_directory() as directory, controllers(1, url, directory), hosts(a, b):
        made = Fleet(a, b, directory)
        made.joined()
        yield made


def strike(fleet: Fleet, rounds: dict[Fault, int], *, burst: int) -> Found:
    """Kill so often, and see that each task has one end in the rows: that which it was to have."""
    with celery_lab() as lab, Slots(lab) as slots:
        joined = Joined(lab, fleet)
        chaos = Chaos(lab, joined)
        for fault, count in rounds.items():
            chaos.run(fault, count, burst=burst)
        joined.settled()
        joined.end_beat()
        found = chaos.finish()
        assert found.lost == [], f"{found}\n{chaos.stories()}\n{logs_of(fleet)}"
        wait_for(lambda: not any(lab.left.values()), timeout=60, what=f"nothing is left: {lab.left}")
        wait_for(
            lambda: not _amiss(chaos.expected), timeout=60, every=0.5, what="each has its end in the rows"
        )
        fired = set(TaskRun.objects.filter(name="shop.tick").values_list("pk", flat=True))
        assert len(fired) == len(slots.seen), "each slot of beat was fired once"
        return found


def logs_of(fleet: Fleet) -> str:
    """What the workers of both hosts wrote last."""
    paths = [path for host in (fleet.a, fleet.b) for path in (host.data_dir / "logs/pool").rglob("*.err")]
    return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-6000:]}" for path in paths)


def _amiss(expected: dict[str, str]) -> dict[str, str]:
    """Tasks whose row says otherwise."""
    rows = dict(TaskRun.objects.exclude(name="shop.tick").values_list("pk", "state"))
    assert rows.keys() <= expected.keys()
    return {
        task_id: rows.get(task_id, "no row") for task_id, end in expected.items() if rows.get(task_id) != end
    }


def test_every_task_ends_once_whatever_is_killed(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    found = strike(fleet, {"child": 2, "worker": 2, "broker": 2, "host": 1}, burst=30)
    with capsys.disabled():
        print(f"\n{found}")
    assert all(wait is not None for waits in found.waits.values() for wait in waits), found


@pytest.mark.soak
@pytest.mark.parametrize("piece", range(LONG_ROUNDS // PIECE))
@pytest.mark.parametrize("fault", FAULTS)
def test_fifty_times_each(fleet: Fleet, fault: Fault, piece: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = strike(fleet, {fault: PIECE}, burst=LONG_BURST)
    states = Counter(TaskRun.objects.exclude(name="shop.tick").values_list("state", flat=True))
    with capsys.disabled():
        print(f"\n{fault}, piece {piece + 1}: {dict(states)}; {found}")
    for what, bound_s in BOUNDS_S.items():
        if what in found.waits:
            assert found.p95(what) < bound_s, found


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_same_kills_cost_plain_celery(
    fleet: Fleet, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = strike(fleet, {fault: PLAIN_ROUNDS}, burst=30)
    with celery_lab() as lab:
        chaos = Chaos(lab, Plain(lab), patience_s=PLAIN_PATIENCE_S)
        chaos.run(fault, PLAIN_ROUNDS, burst=30)
        plain = chaos.finish()
    with capsys.disabled():
        print(f"\n{fault}, supervised: {ours}\n{fault}, plain: {plain}")
