"""Celery workers as children of a tree: one node with its gateway, one Redis, workers whose application asks for nothing."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.celery_contenders import Slots
from tests.support.celery_lab import PROGRAMS, SDK, CeleryLab, celery_lab
from tests.support.engine import Engine, alive, tree
from tests.support.waiting import wait_for

SLOW = 120
EVERY_S = 1.5
"""Of the task that beat fires."""


@dataclass(slots=True)
class Pool:
    """What the tests share."""

    engine: Engine
    lab: CeleryLab

    def worker(
        self, child_id: str, *, environment: dict[str, str] | None = None, **fields: Any
    ) -> dict[str, Any]:
        common: dict[str, Any] = {
            name: fields.pop(name) for name in ("shutdown", "instances", "restart") if name in fields
        }
        section = {
            "app": "shop", "cwd": str(PROGRAMS), "python": sys.executable, "concurrency": 2, **fields,
            "environment": {"BROKER": self.lab.broker, "RUNS": str(self.lab.runs), **(environment or {})},
        }  # fmt: skip
        return {"id": child_id, "celery_worker": section, **common}

    def pid(self, key: str) -> int:
        return int(self.engine.wait_state(key, "running", timeout=SLOW)["pid"])

    def reason(self, key: str) -> str:
        """What its last incarnation ended with."""
        return str(self.engine.child(key)["last_exit"]["reason"])


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with celery_lab() as lab, Engine() as engine:
        made = Pool(engine, lab)
        engine.apply(tree("mail", made.worker("w", instances=2, shutdown="6s"), intensity=100))
        for number in (1, 2):
            engine.wait_state(f"mail/w@{number}", "running", timeout=SLOW)
        yield made


def test_a_worker_is_ready_when_it_consumes_and_its_application_changes_nothing(pool: Pool) -> None:
    pool.lab.shop.nap.delay(1, 0.5)
    pool.lab.wait_lines("start", 1)
    (holder,) = pool.lab.redis.hvals("overstory.holders")
    assert holder.decode().startswith(f"{pool.engine.node_id()}/mail/w@")
    assert "consumes celery" in str(pool.engine.child("mail/w@1"))
    pool.lab.wait_lines("end", 1)


def test_a_worker_that_is_killed_leaves_its_tasks_to_the_other_and_comes_back(pool: Pool) -> None:
    pool.lab.shop.nap.delay(2, 1.0)
    (first,) = pool.lab.wait_lines("start", 2)
    (holder,) = pool.lab.redis.hvals("overstory.holders")
    key = holder.decode().split("/", 1)[1].rsplit("/", 2)[0]
    before = pool.engine.child(key)
    os.kill(before["pid"], signal.SIGKILL)
    again = pool.lab.wait_lines("start", 2, count=2)[1]
    assert not alive(first.pid)
    pool.engine.wait_incarnation(key, before["incarnation"], timeout=SLOW)
    pool.lab.wait_lines("end", 2)
    assert len(pool.lab.lines("end", 2)) == 1
    assert again.at - first.at < 5.0


def test_a_worker_that_is_asked_to_stop_lets_its_tasks_end(pool: Pool) -> None:
    pool.lab.shop.nap.delay(3, 1.5)
    pool.lab.wait_lines("start", 3)
    pool.engine.call("restart", key="mail/w@1")
    pool.engine.call("restart", key="mail/w@2")
    pool.lab.wait_lines("end", 3)
    assert len(pool.lab.lines("start", 3)) == 1
    for number in (1, 2):
        pool.engine.wait_state(f"mail/w@{number}", "running", timeout=SLOW)


def test_what_does_not_end_in_time_goes_back_and_is_no_loss(pool: Pool) -> None:
    """Soft shutdown: the time the child's `shutdown` leaves, then the message is in its queue again, uncounted."""
    pool.lab.shop.nap.delay(4, 6.0)
    pool.lab.wait_lines("start", 4)
    (holder,) = pool.lab.redis.hvals("overstory.holders")
    key = holder.decode().split("/", 1)[1].rsplit("/", 2)[0]
    pool.engine.call("stop", key=key)
    pool.lab.wait_lines("start", 4, count=2)
    held = pool.lab.redis.hvals("unacked")
    assert all(b'"lost": 0' in message for message in held), held
    pool.engine.call("start", key=key)
    pool.lab.wait_lines("end", 4)
    pool.engine.wait_state(key, "running", timeout=SLOW)


def test_a_worker_that_takes_nothing_while_its_queue_grows_is_unhealthy(pool: Pool) -> None:
    deaf = pool.worker(
        "deaf", queues=["deaf"], stalled_after="2s", environment={"DEAF": "1", "QUEUE": "deaf"}
    )
    pool.engine.apply(tree("deaf", deaf, intensity=100))
    first = pool.engine.wait_state("deaf/deaf", "running", timeout=SLOW)
    pool.lab.shop.nap.apply_async((5,), queue="deaf")
    pool.engine.wait_incarnation("deaf/deaf", first["incarnation"], timeout=SLOW)
    assert pool.reason("deaf/deaf") == "unhealthy"
    pool.engine.call("delete", tree="deaf")


def test_what_looks_for_a_pool_without_workers_takes_nothing_and_gives_way_to_a_worker(pool: Pool) -> None:
    environment = {"QUEUE": "idle"}
    looks = pool.worker("idle", queues=["idle"], instances=1, looks_only=True, environment=environment)
    pool.engine.apply(tree("idle", looks))
    first = pool.engine.wait_state("idle/idle@1", "running", timeout=SLOW)
    assert "looks at idle" in str(first)
    pool.lab.shop.nap.apply_async((6,), queue="idle")
    works = pool.worker("idle", queues=["idle"], instances=1, environment=environment)
    pool.engine.apply(tree("idle", works))
    pool.engine.wait_incarnation("idle/idle@1", first["incarnation"], timeout=SLOW)
    pool.lab.wait_lines("end", 6)
    pool.engine.call("delete", tree="idle")


def test_a_worker_that_stands_still_is_unhealthy(pool: Pool) -> None:
    asked = [{"consumes": True, "interval": "100ms", "fall": 1, "rise": 1}]
    still = pool.worker("still", queues=["still"], watchdog="4s", health=asked)
    pool.engine.apply(tree("still", still, intensity=100))
    first = pool.engine.wait_state("still/still", "running", timeout=SLOW)

    def consumes(state: str) -> str:
        """What the check answered, once it is in the state."""
        checks = pool.engine.call("health", since=0)["checks"]
        wanted = ("still/still", "consumes", state)
        return next(
            (one["detail"] for one in checks if (one["key"], one["kind"], one["state"]) == wanted), ""
        )

    assert "takes tasks" in wait_for(lambda: consumes("healthy"), timeout=SLOW)
    os.kill(first["pid"], signal.SIGSTOP)
    said = wait_for(lambda: consumes("unresponsive"), timeout=SLOW, every=0.05)  # before its watchdog ends it
    assert said.startswith("takes nothing")
    pool.engine.wait_incarnation("still/still", first["incarnation"], timeout=SLOW)
    assert pool.reason("still/still") == "unhealthy"
    pool.engine.call("delete", tree="still")


def test_with_another_broker_workers_are_supervised_and_recovery_is_off_aloud(pool: Pool) -> None:
    directory = pool.lab.directory / "broker"
    directory.mkdir()
    elsewhere = {"BROKER": "filesystem://", "FILES": str(directory)}
    pool.engine.apply(tree("files", pool.worker("files", environment=elsewhere), intensity=100))
    first = pool.engine.wait_state("files/files", "running", timeout=SLOW)
    output = pool.engine.data_dir / "logs" / "files"

    def is_said() -> bool:
        texts = [path.read_text(errors="replace") for path in output.rglob("*") if path.is_file()]
        return any("recovery of lost tasks is off" in text for text in texts)

    wait_for(is_said, timeout=SLOW, what="it is said")
    os.kill(first["pid"], signal.SIGKILL)
    pool.engine.wait_incarnation("files/files", first["incarnation"], timeout=SLOW)
    assert pool.reason("files/files") == "signal(9)"
    pool.engine.call("delete", tree="files")


@pytest.mark.parametrize(
    ("kills", "bound_s"), [(2, 30.0), pytest.param(50, 3.0, id="long", marks=pytest.mark.soak)]
)
def test_a_beat_that_is_killed_fires_the_slot_it_missed(
    pool: Pool, kills: int, bound_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each slot once. `late_s`: from when a slot was due, just after a kill, until it or one after it is fired."""
    environment = {
        "BROKER": pool.lab.broker, "RUNS": str(pool.lab.runs), "SUPERVISE": "1", "EVERY_S": str(EVERY_S),
        "PYTHONPATH": f"{SDK}:{PROGRAMS}",
    }  # fmt: skip
    command = [sys.executable, "-m", "celery", "-A", "shop", "beat", "-S", "celery.beat.Scheduler"]
    beat = {"id": "b", "process": {"command": command, "environment": environment}}
    late_s: list[float] = []
    with Slots(pool.lab) as slots:
        pool.engine.apply(tree("beat", beat, intensity=1000))
        wait_for(lambda: slots.seen, timeout=SLOW, what="it fires")
        for _ in range(kills):
            before = slots.newest
            due = before / 1000 + EVERY_S
            wait_for(lambda: time.time() > due - 0.2, timeout=SLOW, what="the next slot is near")  # noqa: B023
            os.kill(pool.pid("beat/b"), signal.SIGKILL)
            wait_for(lambda: slots.newest > before, timeout=SLOW, what="it fires again")  # noqa: B023  called here
            late_s.append(time.time() - due)
        pool.engine.call("delete", tree="beat")
        wait_for(lambda: "beat/b" not in pool.engine.views(), timeout=SLOW, what="it has ended")
        fired = len(slots.seen)
        wait_for(lambda: len(pool.lab.lines("end", 0)) >= fired, timeout=SLOW, what="each firing runs")
    assert len(pool.lab.lines("end", 0)) == fired, "no slot twice"
    with capsys.disabled():
        print(f"\nbeat killed {kills} times, late by {sorted(round(each, 2) for each in late_s)} s")
    assert sorted(late_s)[int(len(late_s) * 0.95)] < bound_s
