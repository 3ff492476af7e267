"""Taking in a node's journal: a burst of 1,000 starting children, and single records, into the embedded PostgreSQL.

With the settings that `make run` gives it, so every commit reaches the disk. What is timed is what a courier does with
records that it has read: folding them, and the transaction with their rows.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.engine import EngineError
from bench.entry import Entry, Options
from bench.report import Figure, Result, Table
from bench.samples import p50, p99
from controlplane.embedded.connections import DATABASE, ROLE, postgres_url
from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import choose
from tests.support.waiting import wait_for

PROGRAM = Path(__file__).parent / "programs/ingest.py"
LONGEST_S = 600.0
BURST_LIMIT_S = 2.0
RECORD_LIMIT_MS = 20.0


@contextlib.contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """Its URL, until the block ends."""
    directory.mkdir()
    server = PostgresServer.of(
        data_dir=directory, socket_dir=directory, privileges=choose("bench", directory / "postgres")
    )
    server.prepare()
    argv = [*server.privileges.prefix, str(server.binaries / "bin/postgres"), "-D", str(server.data_dir)]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        start_new_session=True,
    )
    url = postgres_url(directory, role=ROLE, database=DATABASE)

    def answers() -> bool:
        try:
            psycopg.connect(url, connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        wait_for(answers, timeout=60, what="PostgreSQL answers")
        yield url
    finally:
        process.kill()
        process.wait()


def ingest(options: Options) -> Result:
    """Start a PostgreSQL of our own and take in what a node would have sent."""
    rounds = 3 if options.quick else 10
    with postgres(options.work / "pg") as url:
        environment = {**os.environ, "DATABASE_URL": url, "OVERSTORY_DATA_DIR": str(options.work / "data")}
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(rounds)],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
        )
    if done.returncode != 0:
        raise EngineError(f"taking in a journal failed: {done.stderr[-2000:]}")
    times = json.loads(done.stdout)
    singles = [1000 * seconds for seconds in times["singles"]]
    burst = p50(times["bursts"])
    result = Result("taking in a journal", samples=times)
    result.figures += [
        Figure("2,000 records of 1,000 starting children, p50", burst, BURST_LIMIT_S, " s"),
        Figure("one record, p50", p50(singles), RECORD_LIMIT_MS, " ms"),
    ]
    result.tables.append(
        Table(
            "Records into PostgreSQL, folded and committed",
            ("2,000 at once, p50 s", "one, p50 ms", "one, p99 ms"),
            ((burst, p50(singles), p99(singles)),),
        )
    )
    return result


ENTRIES = (Entry("ingest", "taking a node's journal into PostgreSQL", ingest),)
