"""Tasks as children of a tree, run by real workers: `one_for_all` over tasks means what it says."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from controlplane.embedded.connections import Connections
from supervision.runtime.observed import Child
from supervision.runtime.paths import Paths
from tests.acceptance.workers.instance import Running
from tests.support.celery_lab import ROOT, SDK
from tests.support.waiting import wait_for

PROGRAMS = ROOT / "tests/support/task_programs"
SLOW = 180


class Shop(Running):
    """And what the tests of this file do with it."""

    def section(self, **more: Any) -> dict[str, Any]:
        environment = {"PYTHONPATH": f"{SDK}:{PROGRAMS}", "SHOP_BROKER": self.lab.broker}
        return {
            "app": "shop",
            "cwd": str(PROGRAMS),
            "python": sys.executable,
            "environment": environment,
            **more,
        }

    def apply(self, tree: str, *children: dict[str, Any], **supervisor: Any) -> None:
        document = {"version": 1, "tree": tree, "supervisor": {"children": [*children], **supervisor}}
        file = self.lab.directory / f"{tree}.json"
        file.write_text(json.dumps(document))
        self.manage("apply", str(file), "--yes", "--no-wait")

    def task(self, child_id: str, name: str, **fields: Any) -> dict[str, Any]:
        common = {name: fields.pop(name) for name in ("restart",) if name in fields}
        return {"id": child_id, "shutdown": "10s", "celery_task": self.section(task=name, **fields), **common}

    def child(self, key: str) -> Child:
        found = self.instance.observed().find(key)
        assert isinstance(found, Child), key
        return found

    def until(self, key: str, state: str, incarnation: int) -> Child:
        def there() -> Child | None:
            found = self.instance.observed().find(key)
            is_so = isinstance(found, Child) and (found.state, found.incarnation) == (state, incarnation)
            return found if is_so and isinstance(found, Child) else None

        try:
            return wait_for(there, timeout=SLOW, what=f"{key} is {state} in life {incarnation}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.instance.observed().find(key)}") from None

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        url = Connections.from_environment(Paths(self.instance.data_dir), {}).database_url
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def run(self, key: str) -> tuple[Any, ...]:
        """id, state, attempt, epoch, pid."""
        [row] = self.rows(
            "SELECT id, state, attempt, epoch, pid FROM supervision_taskrun WHERE key = %s", key
        )
        return row


@pytest.fixture(scope="module")
def shop(running: Running) -> Iterator[Shop]:
    made = Shop(running.instance, running.lab)
    worker = made.section(concurrency=4, queues=["shop"])
    made.apply("work", {"id": "w", "shutdown": "10s", "celery_worker": worker})
    made.until("work/w", "running", 1)
    yield made
    made.manage("delete", "work", "--yes")


def test_a_pool_child_that_is_killed_takes_its_siblings_tasks_along(shop: Shop) -> None:
    """One for all: the same ids, new attempts, new epochs; what the old attempts say does not count."""
    pair = [shop.task(child_id, "shop.slow", args=[]) for child_id in ("a", "b")]
    shop.apply("pair", *pair, strategy="one_for_all", intensity=3, period="60s")
    for key in ("pair/a", "pair/b"):
        shop.until(key, "running", 1)
    before = {key: shop.run(key) for key in ("pair/a", "pair/b")}
    assert all(row[1:4] == ("running", 1, 1) for row in before.values())
    os.kill(int(before["pair/a"][4]), signal.SIGKILL)
    for key in ("pair/a", "pair/b"):
        shop.until(key, "running", 2)
    after = {key: shop.run(key) for key in ("pair/a", "pair/b")}
    assert {key: row[:4] for key, row in after.items()} == {
        key: (row[0], "running", 2, 2) for key, row in before.items()
    }
    last = {key: shop.child(key).last_exit for key in after}
    assert [last["pair/a"] and last["pair/a"].reason, last["pair/b"] and last["pair/b"].reason] == [
        "signal(9)", "shutdown",
    ]  # fmt: skip
    assert not Path(f"/proc/{before['pair/b'][4]}").exists()  # its worker killed what ran
    assert shop.child("work/w").incarnation == 1

    shop.manage("stop", "pair")
    states = dict(shop.rows("SELECT key, state FROM supervision_taskrun WHERE tree = 'pair'"))
    assert states == {"pair/a": "revoked", "pair/b": "revoked"}
    assert not any(Path(f"/proc/{row[4]}").exists() for row in after.values())
    shop.manage("delete", "pair", "--yes")


def test_a_task_ends_as_its_child_and_a_transient_one_is_not_run_again(shop: Shop) -> None:
    good = shop.task("good", "shop.work", args=[21], restart="transient")
    bad = shop.task("bad", "shop.work", args=[13], restart="temporary")
    plain = shop.task("plain", "shop.plain", args=[1], restart="temporary")
    nobody = shop.task("nobody", "shop.work", args=[1], queue="empty", start_within="2s", restart="temporary")
    shop.apply("ends", good, bad, plain, nobody)
    shop.until("ends/good", "completed", 1)
    shop.until("ends/nobody", "failed", 1)
    shop.until("ends/bad", "failed", 1)
    shop.until("ends/plain", "failed", 1)
    reasons = {key: shop.child(f"ends/{key}").last_exit for key in ("good", "bad", "plain", "nobody")}
    assert {key: one and one.reason for key, one in reasons.items()} == {
        "good": "normal",
        "bad": "exception(ValueError)",
        "plain": "start_failed(shop.plain is no supervised task: write @supervised or base=SupervisedTask)",
        "nobody": "start_failed(no worker took it within 2 s)",
    }
    assert shop.rows("SELECT result FROM supervision_taskrun WHERE key = 'ends/good'") == [(42,)]
    shop.manage("delete", "ends", "--yes")


def test_the_process_that_stands_for_a_task_is_killed_and_two_attempts_never_run_at_once(shop: Shop) -> None:
    shop.apply("alone", shop.task("a", "shop.slow"), intensity=3, period="60s")
    first = shop.until("alone/a", "running", 1)
    before = shop.run("alone/a")
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    shop.until("alone/a", "running", 2)
    after = shop.run("alone/a")
    assert after[:4] == (before[0], "running", 2, 2)
    assert not Path(f"/proc/{before[4]}").exists()
    outcomes = shop.rows(
        "SELECT outcome FROM supervision_taskattempt WHERE run_id = %s ORDER BY number", before[0]
    )
    assert outcomes == [("revoked",), ("running",)] or outcomes == [("lost",), ("running",)]
    shop.manage("delete", "alone", "--yes")
