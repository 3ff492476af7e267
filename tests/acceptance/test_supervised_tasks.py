"""Supervised tasks in a running instance: streams, restarts, poison, timeouts that kill, and a row of every one."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from controlplane.embedded.connections import Connections
from controlplane.embedded.redis_server import RedisServer
from supervision.runtime.paths import Paths
from tests.support.foreground import RUNNING, Up, up
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests/support/task_programs"
SHORT, LONG = 300, 10_000


@dataclass(frozen=True)
class Shop:
    """What the mapper said, by part, and where the instance is."""

    instance: Up
    said: dict[str, dict[str, Any]]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            Connections.from_environment(Paths(self.instance.data_dir), {}).database_url
        ) as connection:
            return connection.execute(query.encode()).fetchall()


def document(broker: str, items: int) -> dict[str, Any]:
    environment = {
        "PYTHONPATH": f"{ROOT / 'agents/sdk/src'}:{PROGRAMS}", "SHOP_BROKER": broker, "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    worker = [
        sys.executable,
        "-m",
        "overstory.celery",
        "-A",
        "shop",
        "worker",
        "--concurrency=4",
        "--loglevel=INFO",
    ]
    return {
        "version": 1,
        "tree": "shop",
        "supervisor": {
            "children": [
                {
                    "id": "worker",
                    "shutdown": "20s",
                    "process": {
                        "command": worker,
                        "environment": environment,
                        "readiness": {"notify": True, "deadline": "60s"},
                    },
                },
                {
                    "id": "beat",
                    "process": {
                        "command": [
                            *(sys.executable, "-m", "celery", "-A", "shop"),
                            *("beat", "-S", "celery.beat.Scheduler"),
                        ],
                        "environment": environment,
                    },
                },
                {
                    "id": "mapper",
                    "restart": "temporary",
                    "depends_on": ["worker"],
                    "process": {
                        "command": [sys.executable, str(PROGRAMS / "mapper.py"), str(items)],
                        "environment": environment,
                    },
                },
            ]
        },
    }


def said_by(log: Path) -> dict[str, dict[str, Any]]:
    """The mapper's lines; whatever else it wrote fails the test."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(log.rglob("*")):
        if path.is_file():
            for line in path.read_bytes().decode(errors="replace").splitlines():
                if "Traceback" in line:
                    raise AssertionError(path.read_text(errors="replace")[-3000:])
                if (at := line.find('{"part"')) >= 0:
                    with contextlib.suppress(ValueError):
                        part = json.loads(line[at:])
                        found[part["part"]] = part
    return found


@contextlib.contextmanager
def shop(items: int, within_s: float) -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="ovt-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        (directory / "redis").mkdir()
        server = RedisServer.of(data_dir=directory / "redis", socket_dir=directory / "redis")
        server.prepare()
        redis = subprocess.Popen(
            [str(server.binaries / "redis-server"), str(server.settings_file)], stdout=subprocess.DEVNULL
        )
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        file = directory / "shop.yaml"
        file.write_text(json.dumps(document(f"redis+socket://{server.socket}?virtual_host=0", items)))
        instance = stack.enter_context(up(directory / "data", "--no-examples"))
        instance.until(RUNNING)
        subprocess.run(
            [sys.executable, "manage.py", "apply", str(file), "--yes"], cwd=ROOT, check=True, capture_output=True,
            env={**os.environ, "OVERSTORY_DATA_DIR": str(instance.data_dir)},
        )  # fmt: skip
        log = Paths(instance.data_dir).logs_dir / "shop/mapper"
        wait_for(
            lambda: "end" in said_by(log) if log.exists() else False, timeout=within_s, what="the mapper ends"
        )
        yield Shop(instance, said_by(log))


@pytest.fixture(scope="module")
def short() -> Iterator[Shop]:
    with shop(SHORT, 240) as made:
        yield made


def no_sleeper_is_left(made: Shop) -> bool:
    """What a task that hung had started."""
    for pid in processes_of(str(made.instance.data_dir)):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
                return False
    return True


def check_stream(made: Shop, items: int) -> None:
    stream = made.said["stream"]
    assert (stream["outcomes"], stream["wrong"], stream["most"]) == (items, [], 4)
    wait_for(lambda: no_sleeper_is_left(made), timeout=20, what="nothing of a killed task is left")
    states = dict(
        made.rows("SELECT state, count(*) FROM supervision_taskrun WHERE name = 'shop.work' GROUP BY 1")
    )
    bad = items // 100 * 2
    assert states["failed"] == bad
    assert states["done"] >= items - bad  # and those of the pool


def test_a_stream_has_one_outcome_for_each_item_in_order(short: Shop) -> None:
    check_stream(short, SHORT)


def test_a_task_that_kills_its_processes_is_parked(short: Shop) -> None:
    assert short.said["poison"]["outcome"] == ["parked", "signal(9)"]


def test_a_task_that_keeps_failing_is_parked_past_its_intensity(short: Shop) -> None:
    assert short.said["fails"]["outcome"] == ["parked", "exception(KeyError)"]
    [(attempts, traceback)] = short.rows(
        "SELECT attempt, traceback FROM supervision_taskrun WHERE name = 'shop.fails'"
    )
    assert attempts == 3
    assert "KeyError" in traceback


def test_an_attempt_knows_its_number_and_epoch(short: Shop) -> None:
    assert short.said["counts"]["outcome"] == ["ok", [3, 3]]


def test_what_is_not_wanted_any_more_is_killed(short: Shop) -> None:
    assert short.said["shutdown"]["outcome"][0] == "revoked"


def test_a_full_pool_refuses_by_name(short: Shop) -> None:
    assert short.said["pool"]["refused"]


def test_a_supervised_task_is_never_started_by_itself(short: Shop) -> None:
    assert short.said["delay"]["error"].startswith("shop.work is a supervised task")


def test_plain_tasks_have_rows_too(short: Shop) -> None:
    def all_are_done() -> bool:
        rows = short.rows(
            "SELECT state, count(*) FROM supervision_taskrun WHERE name = 'shop.plain' GROUP BY 1"
        )
        return rows == [("done", 50)]

    wait_for(all_are_done, timeout=60, what="a row of every plain task, done")


def test_the_worker_and_its_queue_are_told(short: Shop) -> None:
    [(key, pool, concurrency)] = short.rows("SELECT key, pool, concurrency FROM supervision_taskworker")
    assert (key, pool, concurrency) == ("shop/worker", "prefork", 4)
    assert short.rows("SELECT name FROM supervision_taskqueue") == [("shop",)]


def test_an_entry_of_its_beat_is_a_monitored_job_by_itself(short: Shop) -> None:
    """A real beat, a real worker, and nothing said of monitors: the entry has one, and its runs are check-ins."""

    def told() -> list[tuple[Any, ...]]:
        return short.rows(
            "SELECT m.slug, m.status, e.tree FROM supervision_monitor AS m "
            "JOIN supervision_errorproject AS e ON e.id = m.project_id WHERE e.tree <> ''"  # not Overstory's own jobs
        )

    wait_for(
        lambda: told() == [("tidy-up", "ok", "shop")],
        timeout=120,
        every=0.5,
        what=f"a monitor that is ok: {told()}",
    )


@pytest.mark.soak
def test_ten_thousand_items(capsys: pytest.CaptureFixture[str]) -> None:
    with shop(LONG, 1800) as made:
        check_stream(made, LONG)
        with capsys.disabled():
            print(f"\n{made.said['stream']}")
