"""Pools of Celery workers in a running instance: scaled, recycled, drained, restarted, and no task lost."""

import json
import sys
import uuid
from typing import Any

import psycopg
import pytest

from controlplane.embedded.connections import Connections
from supervision.runtime import journal_reader
from supervision.runtime.observed import Child
from supervision.runtime.paths import Paths
from tests.acceptance.workers.instance import Running
from tests.support.celery_lab import PROGRAMS, SDK
from tests.support.waiting import wait_for

SLOW = 180


class Shop(Running):
    """And what the tests of this file do with it."""

    def apply(self, tree: str, queue: str, *, instances: int | None = None, **section: Any) -> None:
        environment = {
            "BROKER": self.lab.broker, "RUNS": str(self.lab.runs), "QUEUE": queue,
            "PYTHONPATH": f"{SDK}:{PROGRAMS}",
        }  # fmt: skip
        worker = {
            "app": "shop", "cwd": str(PROGRAMS), "python": sys.executable, "concurrency": 1, "queues": [queue],
            "environment": environment, **section,
        }  # fmt: skip
        child: dict[str, Any] = {"id": "w", "shutdown": "8s", "celery_worker": worker}
        if instances is not None:
            child["instances"] = instances
        document = {"version": 1, "tree": tree, "supervisor": {"children": [child]}}
        file = self.lab.directory / f"{tree}.json"
        file.write_text(json.dumps(document))
        self.manage("apply", str(file), "--yes")

    def children(self, tree: str) -> dict[str, Child]:
        everything = self.instance.observed().walk()
        return {
            one.key: one for one in everything if isinstance(one, Child) and one.key.startswith(f"{tree}/")
        }

    def lives(self, tree: str) -> dict[str, int]:
        """Incarnations of what runs, by key."""
        return {key: one.incarnation for key, one in self.children(tree).items() if one.state == "running"}

    def until(self, tree: str, lives: dict[str, int], what: str) -> None:
        """Exactly these run, and nobody stands in for anybody."""

        def there() -> bool:
            return self.lives(tree) == lives and self.children(tree).keys() == lives.keys()

        try:
            wait_for(there, timeout=SLOW, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.children(tree)}\n{self.instance.log}") from None

    def pool(self, tree: str) -> dict[str, Any]:
        [found] = [one for one in self.manage("workers", "pools")["pools"] if one["tree"] == tree]
        return dict(found)

    def changes(self, tree: str) -> list[str]:
        """Why the number of its workers changed, oldest first, as the audit log has it."""
        url = Connections.from_environment(Paths(self.instance.data_dir), {}).database_url
        query = (
            "SELECT reason FROM supervision_auditentry WHERE action = 'pool.scale' AND tree = %s ORDER BY seq"
        )
        with psycopg.connect(url) as connection:
            return [str(row[0]) for row in connection.execute(query, [tree])]

    def reports(self, kind: str, tree: str) -> list[str]:
        """Reasons of what the supervisor of `tree` reported."""
        return [
            str(action[4])
            for record in journal_reader.read(Paths(self.instance.data_dir).journal_dir)
            if record["k"] == "step" and record["tree"] == tree
            for action in record["actions"]
            if action[0] == "report" and action[1] == kind
        ]


@pytest.fixture(scope="module")
def shop(running: Running) -> Shop:
    return Shop(running.instance, running.lab)


def ran_once(shop: Shop, numbers: range) -> None:
    """Every task ended, and was begun once: who drains puts back what it has not begun, and lets the rest end."""
    shop.lab.wait_lines("end", count=1)
    for number in numbers:
        shop.lab.wait_lines("end", number)
        assert len(shop.lab.lines("start", number)) == 1, number


def test_a_pool_grows_with_its_queue_and_shrinks_behind_it_and_no_task_is_lost(shop: Shop) -> None:
    scale = {"min": 1, "max": 2, "queue_length": 3, "cooldown": "1s"}
    shop.apply("mail", "mail", scale=scale)
    shop.until("mail", {"mail/w@1": 1}, "the fewest work")
    for number in range(100, 120):
        shop.lab.shop.nap.apply_async((number, 0.6), queue="mail")
    shop.until("mail", {"mail/w@1": 1, "mail/w@2": 1}, "one more works")
    ran_once(shop, range(100, 120))
    shop.until("mail", {"mail/w@1": 1}, "one less works")
    changes = shop.changes("mail")
    assert "wait, more than 3 for each of 1" in changes[0]
    assert "one less is enough" in changes[1]
    shop.manage("workers", "scale", "mail/w", "--workers", "2", "--reason", "sale")
    wait_for(lambda: "mail/w@2" in shop.lives("mail"), timeout=SLOW, what="as many as an operator says")
    assert shop.pool("mail")["decides"] == "by hand"
    shop.manage("delete", "mail", "--yes")


def test_a_worker_that_has_run_its_tasks_is_replaced_while_tasks_run_on(shop: Shop) -> None:
    shop.apply("old", "old", instances=1, recycle={"tasks": 4})
    shop.until("old", {"old/w@1": 1}, "it works")
    for number in range(200, 212):
        shop.lab.shop.nap.apply_async((number, 0.5), queue="old")
    ran_once(shop, range(200, 212))
    wait_for(lambda: shop.reports("recycled", "old"), timeout=SLOW, what="it is recycled")
    assert all(reason.startswith("tasks: ") for reason in shop.reports("recycle", "old"))
    assert shop.reports("restart", "old") == []
    shop.manage("delete", "old", "--yes")


def test_a_worker_that_uses_too_much_memory_is_replaced_and_says_why(shop: Shop) -> None:
    fat = f"fat-{uuid.uuid4().hex[:6]}"  # another try begins anew
    shop.apply(fat, fat, instances=1, recycle={"memory": "400MiB"})
    shop.until(fat, {f"{fat}/w@1": 1}, "it works")
    shop.lab.shop.bloat.apply_async((300, 400), queue=fat)
    shop.until(fat, {f"{fat}/w@1": 2}, "it is replaced")
    [reason] = shop.reports("recycled", fat)
    assert reason.startswith("memory: ")
    row = wait_for(lambda: shop.pool(fat)["last_recycled"], timeout=SLOW, what="its row says so")
    assert row["key"] == f"{fat}/w@1"
    told = shop.manage("explain", f"{fat}/w@1")
    assert "memory: " in json.dumps(told)
    shop.manage("delete", fat, "--yes")


def test_a_worker_that_is_old_is_replaced_and_all_are_on_request_and_none_is_left_by_a_drain(
    shop: Shop,
) -> None:
    shop.apply("aged", "aged", instances=2, recycle={"age": "1h"})
    shop.until("aged", {"aged/w@1": 1, "aged/w@2": 1}, "they work")
    shop.manage("workers", "restart", "aged/w", "--reason", "certificates")
    shop.until("aged", {"aged/w@1": 2, "aged/w@2": 2}, "each is replaced")
    assert all("certificates" in reason for reason in shop.reports("recycled", "aged"))
    shop.manage("workers", "drain", "aged/w", "--yes")
    wait_for(lambda: not shop.children("aged"), timeout=SLOW, what="no worker is left")
    shop.lab.shop.nap.apply_async((400, 0.0), queue="aged")
    assert shop.pool("aged")["decides"] == "drained"
    shop.manage("workers", "resume", "aged/w")
    ran_once(shop, range(400, 401))
    shop.apply("aged", "aged", instances=1, recycle={"age": "5s"})
    wait_for(
        lambda: any(reason.startswith("age: ") for reason in shop.reports("recycled", "aged")),
        timeout=SLOW,
        what="it is replaced for its age",
    )
    shop.manage("delete", "aged", "--yes")
