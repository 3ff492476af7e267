"""What supervision costs a Celery worker: throughput and the way from publish to start, beside plain Celery in turns.

One worker of as many pool children as there are CPUs for each contender, all of them up at once, each on a database of one
Redis, loaded in turn. Plain Celery has the settings its documentation gives against losing tasks, which supervised workers
have too; beside it, for the record, Celery as it comes, which acknowledges before it runs. A publisher of its own process
publishes while the worker runs, so what a publish costs is in the figure. The supervised contender has the whole control
plane behind it, on the same CPUs: after its runs every task has to have its row in PostgreSQL.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from bench.entry import Entry, Options
from bench.processes import cpu_s
from bench.report import Figure, Result, Table
from bench.samples import Series, p50, quantile, ratio
from controlplane.embedded.connections import Connections
from supervision.runtime.paths import Paths
from supervision.runtime.processes import descendants
from tests.support.celery_lab import PROGRAMS, CeleryLab, celery_lab
from tests.support.foreground import RUNNING, Up, up
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
PUBLISHER = Path(__file__).parent / "programs/celery_publisher.py"
THROUGHPUT_LIMIT, LATENCY_LIMIT_MS = 0.95, 5.0
WAIT_S = 120.0
SUPERVISED, PLAIN, AS_IT_COMES = "supervised", "plain, late acknowledgement", "plain, as it comes"
CHILDREN = os.cpu_count() or 1


@dataclass(slots=True)
class Contender:
    """One worker with its publisher, on a database of its own."""

    name: str
    lab: CeleryLab
    db: int
    publisher: "subprocess.Popen[str]"
    rates: dict[str, Series] = field(default_factory=dict)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    published: int = 0

    @property
    def runs(self) -> Path:
        return self.lab.directory / f"runs{self.db}"

    def publish(self, name: str, count: int) -> None:
        """Have it published, and return when it is."""
        assert self.publisher.stdin is not None
        assert self.publisher.stdout is not None
        self.publisher.stdin.write(f"{name} {count}\n")
        self.publisher.stdin.flush()
        self.publisher.stdout.readline()
        self.published += count

    def is_idle(self) -> bool:
        with contextlib.closing(self.client()) as client:
            return not client.llen("celery") and not client.hlen("unacked")

    def client(self) -> "redis.Redis":
        path = str(self.lab.redis.connection_pool.connection_kwargs["path"])
        return redis.Redis(unix_socket_path=path, db=self.db, socket_timeout=10, socket_connect_timeout=10)

    def rate(self, name: str, count: int, worker: int) -> None:
        """Tasks a second, from before the first is published until the last is acknowledged."""
        pids = [worker, *descendants(worker)]
        used, began = cpu_s(pids), time.monotonic()
        self.publish(name, count)
        wait_for(self.is_idle, timeout=WAIT_S, every=0.002, what=f"{self.name} is done")
        took_s = time.monotonic() - began
        self.rates.setdefault(name, Series(self.name)).begin_run()
        self.rates[name].add(count / took_s)
        self.cpu_ms.setdefault(name, []).append(1000 * (cpu_s(pids) - used) / count)

    def lags_ms(self) -> list[float]:
        """From before the publish to the first line of the task."""
        at: dict[str, dict[int, float]] = {"sent": {}, "lag": {}}
        for line in self.runs.read_text().splitlines():
            what, number, _, when = line.split()
            if what in at:
                at[what][int(number)] = float(when)
        return [1000 * (began - at["sent"][number]) for number, began in at["lag"].items()]


@contextlib.contextmanager
def contender(name: str, lab: CeleryLab, db: int, **environment: str) -> Iterator[Contender]:
    """Its publisher, until the block ends."""
    made = {
        **lab.environment(), "BROKER": lab.broker.replace("virtual_host=0", f"virtual_host={db}"),
        "RUNS": str(lab.directory / f"runs{db}"), **environment,
    }  # fmt: skip
    (lab.directory / f"runs{db}").touch()
    publisher = subprocess.Popen(
        [sys.executable, str(PUBLISHER)], env=made, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Contender(name, lab, db, publisher)
    finally:
        publisher.kill()
        publisher.wait()


@contextlib.contextmanager
def instance(directory: Path, lab: CeleryLab) -> Iterator[Up]:
    """Overstory with one Celery worker on the lab's database 0, consuming."""
    section = {
        "app": "shop", "cwd": str(PROGRAMS), "python": sys.executable, "concurrency": CHILDREN,
        "environment": {"BROKER": lab.broker, "RUNS": str(lab.directory / "runs0")},
    }  # fmt: skip
    document = {
        "version": 1,
        "tree": "bench",
        "supervisor": {"children": [{"id": "w", "celery_worker": section}]},
    }
    file = directory / "tree.json"
    file.write_text(json.dumps(document))
    with up(directory / "data", "--no-examples") as started:
        started.until(RUNNING)
        subprocess.run(
            [sys.executable, "manage.py", "apply", str(file), "--yes"], cwd=ROOT, check=True, capture_output=True,
            timeout=WAIT_S, env={**os.environ, "OVERSTORY_DATA_DIR": str(started.data_dir)},
        )  # fmt: skip
        wait_for(lambda: worker_pid(started), timeout=WAIT_S, what="the worker consumes")
        yield started


def worker_pid(started: Up) -> int:
    """Of the worker once it consumes; 0 before."""
    for child in started.observed().processes():
        if child.key == "bench/w" and child.state == "running":
            return child.pid or 0
    return 0


def rows(started: Up) -> tuple[int, int]:
    """Tasks that have a row, and those whose row says done."""
    url = Connections.from_environment(Paths(started.data_dir), {}).database_url
    with psycopg.connect(url, connect_timeout=10) as connection:
        found = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE state = 'done') FROM supervision_taskrun"
        ).fetchone()
    return (0, 0) if found is None else (int(found[0]), int(found[1]))


def run(options: Options) -> Result:
    """Everything; the contenders in turn, in another order each time."""
    directory = options.work / "celery"
    directory.mkdir()
    rounds, tasks, noops, lags = (4, 300, 600, 60) if options.quick else (10, 600, 2000, 200)
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(celery_lab())
        started = stack.enter_context(instance(directory, lab))
        ours = stack.enter_context(contender(SUPERVISED, lab, 0))
        late = stack.enter_context(contender(PLAIN, lab, 1, SUPERVISE="", AS_DOCUMENTED="1"))
        early = stack.enter_context(contender(AS_IT_COMES, lab, 2, SUPERVISE=""))
        workers = {SUPERVISED: worker_pid(started)}
        for one, documented in ((late, "1"), (early, "")):
            workers[one.name] = lab.worker(
                f"plain{one.db}", concurrency=CHILDREN, SUPERVISE="", OVERSTORY_CHILD="", AS_DOCUMENTED=documented,
                BROKER=lab.broker.replace("virtual_host=0", f"virtual_host={one.db}"), RUNS=str(one.runs),
            ).pid  # fmt: skip
            lab.ready(f"plain{one.db}")
        turn = [ours, late, early]
        for one in turn:
            one.publish("noop", 50)  # connections are there, and what is imported late is
            wait_for(one.is_idle, timeout=WAIT_S, what="warm")
        for number in range(rounds):
            for name, count in (("rest", tasks), ("noop", noops)):
                for one in turn[number % 3 :] + turn[: number % 3]:
                    one.rate(name, count, workers[one.name])
                    wait_for(
                        lambda: rows(started)[1] >= ours.published, timeout=WAIT_S, every=0.1, what="rows"
                    )
        for number in range(4):
            for one in turn[number % 3 :] + turn[: number % 3]:
                one.publish("lag", lags // 4)
                wait_for(one.is_idle, timeout=WAIT_S, what="idle")
        wait_for(
            lambda: rows(started)[1] >= ours.published, timeout=WAIT_S, every=0.1, what="every row is there"
        )
        return _result(turn, ours.published, rows(started)[1])


def _result(turn: list[Contender], published: int, done: int) -> Result:
    ours, late, _ = turn
    result = Result("celery", samples={one.name: {n: s.runs for n, s in one.rates.items()} for one in turn})
    p95 = {one.name: quantile(one.lags_ms(), 0.95) for one in turn}
    share = ratio(ours.rates["rest"], late.rates["rest"], p50)
    added = max(0.0, p95[SUPERVISED] - p95[PLAIN])
    result.figures += [
        Figure("tasks of 10 ms: throughput / plain Celery", share, THROUGHPUT_LIMIT, "x", at_least=True),
        Figure("tasks without a row afterwards", float(published - done), 0.0, ""),
        Figure("publish to start, p95: more than plain Celery", added, LATENCY_LIMIT_MS, " ms"),
    ]
    columns = (
        "contender", "10 ms: tasks/s", "/ plain", "CPU ms", "no-op: tasks/s", "/ plain", "CPU ms", "start p50 ms", "p95 ms",
    )  # fmt: skip
    lines = []
    for one in turn:
        cells: list[str | float | None] = [one.name]
        for name in ("rest", "noop"):
            cells += [
                p50(one.rates[name].samples), ratio(one.rates[name], late.rates[name], p50), p50(one.cpu_ms[name]),
            ]  # fmt: skip
        lines.append((*cells, p50(one.lags_ms()), p95[one.name]))
    title = f"Celery: one worker of {CHILDREN}, published while it runs; medians of {len(ours.cpu_ms['rest'])} runs in turn"
    result.tables.append(
        Table(title, columns, tuple(lines), "CPU: of the worker and its children, for each task.")
    )
    return result


ENTRIES = (Entry("celery", "throughput and start of Celery tasks, supervised and plain", run),)
