"""What operators and outages do to tasks: one host with its stores, a real worker, and a broker of its own.

Looking into a queue, emptying it, revoking what runs, replaying what is parked; PostgreSQL and the broker killed while tasks
are started and while they run.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from supervision.tasks import operating
from supervision.tasks.models import PoolScale, TaskAttempt, TaskRun, WorkerRequest
from supervision.trees import services
from tests.controlplane.controller.controllers import controllers
from tests.support.celery_lab import PROGRAMS, SDK, CeleryLab, celery_lab
from tests.support.django_on import django_on
from tests.support.engine import tree
from tests.support.fleet import ADA, Host, apply, hosts
from tests.support.own_stores import OwnStores, own_stores
from tests.support.waiting import wait_for

SLOW = 120
TASKS = PROGRAMS.with_name("task_programs")


@dataclass(slots=True)
class Shop:
    """The host, its stores, and the broker of its one worker, which runs one task at a time."""

    host: Host
    stores: OwnStores
    lab: CeleryLab
    ids: Iterator[int]

    def send(self, name: str, *arguments: Any) -> tuple[int, str]:
        """(number, id) of a task that is published now."""
        number = next(self.ids)
        return number, getattr(self.lab.shop, name).delay(number, *arguments).id

    def busy(self) -> tuple[int, str]:
        """The worker runs a task until it is released, so that what is published now waits."""
        number, task_id = self.send("hold")
        self.lab.wait_lines("start", number)
        self.row(task_id, "running")
        return number, task_id

    def row(self, task_id: str, state: str) -> TaskRun:
        """The task's row once it is in that state."""
        return wait_for(
            lambda: TaskRun.objects.filter(pk=task_id, state=state).first(), timeout=SLOW, every=0.05,
            what=f"{task_id} is {state}: {TaskRun.objects.filter(pk=task_id).values()}",
        )  # fmt: skip

    def answered(self, request: WorkerRequest) -> WorkerRequest:
        """A request once a worker has carried it out."""

        def done() -> WorkerRequest | None:
            found = WorkerRequest.objects.get(pk=request.pk)
            return found if found.state in ("done", "failed") else None

        return wait_for(done, timeout=SLOW, every=0.05, what="a worker answers")


def section(lab: CeleryLab, **more: Any) -> dict[str, Any]:
    """Of a worker that runs one task at a time."""
    environment = {"BROKER": lab.broker, "RUNS": str(lab.runs)}
    common = {"app": "shop", "cwd": str(PROGRAMS), "python": sys.executable, "concurrency": 1}
    return {**common, "environment": environment, **more}


@pytest.fixture(scope="module")
def shop(django_db_blocker: DjangoDbBlocker) -> Iterator[Shop]:
    with celery_lab() as lab, own_stores() as stores:
        host = Host("a", database_url=stores.database_url, redis_url=stores.redis_url)
        with (
            django_on(stores.directory, django_db_blocker),
            controllers(1, stores.database_url, stores.directory),
            hosts(host),
        ):
            apply(tree("pool", {"id": "w", "celery_worker": section(lab)}, intensity=100))
            host.wait_state("pool/w", "running", timeout=SLOW)
            yield Shop(host, stores, lab, iter(range(1, 1000)))


def test_what_waits_is_shown_the_next_one_first(shop: Shop) -> None:
    held, _ = shop.busy()
    waiting = [shop.send("nap", 0.0)[1] for _ in range(3)]
    peeked = shop.answered(
        operating.request_peek(app="shop", queue="celery", limit=2, actor=ADA, now=timezone.now())
    )
    assert peeked.state == "done", peeked.answer
    messages = (peeked.answer or {})["messages"]
    assert [message["id"] for message in messages] == waiting[:2]
    assert {message["name"] for message in messages} == {"shop.nap"}
    shop.lab.release(held)
    for task_id in waiting:
        shop.row(task_id, "done")


def test_a_queue_is_emptied_and_what_was_in_it_never_runs(shop: Shop) -> None:
    held, task_id = shop.busy()
    gone = [shop.send("nap", 0.0)[0] for _ in range(5)]
    purged = shop.answered(
        operating.request_purge(app="shop", queue="celery", actor=ADA, reason="a flood", now=timezone.now())
    )
    assert (purged.state, purged.answer) == ("done", {"purged": 5})
    assert shop.lab.left["queued"] == shop.lab.left["copies"] == 0
    shop.lab.release(held)
    shop.row(task_id, "done")
    number, last = shop.send("nap", 0.0)
    shop.row(last, "done")
    assert shop.lab.lines("start", number)
    assert not [line for line in shop.lab.lines("start") if line.number in gone]


def test_a_plain_task_that_runs_is_revoked_and_its_worker_goes_on(shop: Shop) -> None:
    number, task_id = shop.busy()
    before = shop.host.child("pool/w")["incarnation"]
    operating.revoke_run(run_id=task_id, actor=ADA, reason="not wanted", now=timezone.now())
    row = shop.row(task_id, "revoked")
    assert row.revoked_by == ADA.name
    _, last = shop.send("nap", 0.0)
    shop.row(last, "done")
    assert len(shop.lab.lines("start", number)) == 1, "it did not run again"
    assert shop.host.child("pool/w")["incarnation"] == before
    wait_for(lambda: not any(shop.lab.left.values()), timeout=SLOW, what=f"nothing is left {shop.lab.left}")


def test_a_parked_plain_task_is_replayed_with_no_loss_on_its_account(shop: Shop) -> None:
    number, task_id = shop.send("poison")
    shop.row(task_id, "parked")
    assert len(shop.lab.lines("start", number)) == 3
    operating.replay_run(run_id=task_id, actor=ADA, reason="mended", now=timezone.now())
    shop.lab.wait_lines("start", number, count=6)
    row = shop.row(task_id, "parked")
    assert row.replays == 1
    assert len(shop.lab.lines("start", number)) == 6, "as often as its bound allows, counted anew"


@dataclass(slots=True)
class Starter:
    """A program of the host that starts supervised tasks, which a worker of its own runs; on another database."""

    place: Path
    numbers: Iterator[int]

    def start(self) -> tuple[int, dict[str, Any]]:
        """(number, what it said): the task's id, or an error."""
        number = next(self.numbers)
        (self.place / f"ask.{number}").touch()
        said = self.place / f"said.{number}"
        wait_for(said.exists, timeout=SLOW, what="it is started or refused")
        return number, dict(json.loads(said.read_text()))

    def release(self, number: int) -> None:
        (self.place / f"go.{number}").touch()


@pytest.fixture(scope="module")
def starter(shop: Shop) -> Starter:
    place = shop.lab.directory / "starter"
    place.mkdir()
    environment = {
        "SHOP_BROKER": shop.lab.broker.replace("virtual_host=0", "virtual_host=1"), "PYTHONPATH": f"{SDK}:{TASKS}",
    }  # fmt: skip
    worker = {
        "app": "shop", "cwd": str(TASKS), "python": sys.executable, "concurrency": 2, "queues": ["shop"],
        "environment": environment,
    }  # fmt: skip
    program = {"command": [sys.executable, str(TASKS / "starter.py"), str(place)], "environment": environment}
    document = tree(
        "tasks", {"id": "w", "celery_worker": worker}, {"id": "starter", "process": program}, intensity=100
    )
    apply(document)
    shop.host.wait_state("tasks/w", "running", timeout=SLOW)
    shop.host.wait_state("tasks/starter", "running", timeout=SLOW)
    return Starter(place, iter(range(1, 100)))


def test_a_pool_without_workers_wakes_when_something_waits(shop: Shop) -> None:
    """Nobody consumes the queue: it is looked at from outside."""
    scaled = section(shop.lab, queues=["idle"], scale={"min": 0, "max": 1, "queue_length": 10})
    apply(tree("idle", {"id": "w", "celery_worker": scaled}, intensity=100))
    looks = shop.host.wait_state("idle/w@1", "running", timeout=SLOW)
    assert "looks at idle" in str(looks)
    number = next(shop.ids)
    task_id = shop.lab.shop.nap.apply_async((number,), queue="idle").id
    shop.row(task_id, "done")
    assert PoolScale.objects.get(tree="idle").workers == 1
    services.delete_tree(name="idle", actor=ADA)
    wait_for(lambda: "idle/w@1" not in shop.host.views(), timeout=SLOW, what="its worker ended")


def test_while_the_store_is_away_a_start_fails_by_name_and_what_runs_is_not_lost(
    shop: Shop, starter: Starter
) -> None:
    """A supervised task that ends, and a plain one whose worker dies, meanwhile: both are in the rows afterwards."""
    number, said = starter.start()
    shop.row(said["id"], "running")
    held, plain = shop.busy()
    before = shop.host.child("pool/w")

    shop.stores.kill("postgres")
    connection.close()  # ours too
    _, refused = starter.start()
    assert refused["error"] == "store_unavailable", refused
    assert refused["took_s"] < 50, "it waits for 5 s"
    starter.release(number)
    os.kill(before["pid"], signal.SIGKILL)
    shop.lab.wait_lines("start", held, count=2)
    shop.lab.release(held)
    shop.lab.wait_lines("end", held)
    shop.stores.start_postgres()

    assert shop.row(said["id"], "done").attempt == 1
    row = shop.row(plain, "done")
    assert (row.attempt, row.lost) == (2, 1)
    assert TaskRun.objects.filter(name="shop.until").count() == 1, "what was refused has no row"
    number, said = starter.start()
    starter.release(number)
    shop.row(said["id"], "done")


@pytest.mark.soak  # a starter has 20 s to publish before a worker does
def test_a_start_whose_broker_is_away_is_published_by_a_worker_when_it_is_back(
    shop: Shop, starter: Starter
) -> None:
    shop.lab.kill_redis()
    number, said = starter.start()
    starter.release(number)
    assert "id" in said, said
    shop.lab.start_redis()
    assert shop.row(said["id"], "done").attempt == 1
    assert TaskAttempt.objects.filter(run_id=said["id"]).count() == 1
