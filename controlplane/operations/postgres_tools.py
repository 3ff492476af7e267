"""pg_dump and pg_restore of the embedded wheel, for the embedded server and for one that was given.

A password goes to them by environment, never as an argument that every user of the host can read.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from controlplane.embedded.connections import DATABASE, ROLE, postgres_url
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.embedded.postgres_server import DIRECTORY, PostgresServer, installed_binaries
from controlplane.embedded.privileges import choose
from controlplane.operations.exceptions import OperationsError
from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import Paths

START_WITHIN_S = 60.0
STOP_WITHIN_S = 60.0
VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
COUNT_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
TABLES = """
SELECT c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname
"""


def dump(url: str, target: Path) -> None:
    """The whole database into one file, consistent as of one moment, while it is in use. OperationsError."""
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def contents(dumped: Path) -> list[str]:
    """What a dump holds, a line each; OperationsError when it is damaged."""
    return _run("pg_restore", None, "--list", str(dumped)).splitlines()


def restore(dumped: Path, url: str) -> None:
    """All of a dump into an empty database, or nothing of it. OperationsError."""
    arguments = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    name = str(conninfo_to_dict(url).get("dbname", DATABASE))
    _run("pg_restore", url, *arguments, f"--dbname={name}", str(dumped))


def is_empty(url: str) -> bool:
    """Whether the database has no table. OperationsError when it does not answer."""
    with _connect(url) as connection:
        row = connection.execute(COUNT_TABLES).fetchone()
    return row is not None and row[0] == 0


def row_counts(url: str) -> dict[str, int]:
    """Rows of each table, counted, not estimated."""
    with _connect(url) as connection:
        names = [str(row[0]) for row in connection.execute(TABLES)]
        counts = {}
        for name in names:
            query = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier("public", name))
            row = connection.execute(query).fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts


@contextlib.contextmanager
def embedded_server(paths: Paths) -> Iterator[str]:
    """The embedded server of an instance that does not run, started for as long as the block; its URL.

    It is stopped in order at the end, whatever happens. OperationsError, EmbeddedStoreError.
    """
    server = PostgresServer.of(
        data_dir=paths.data_dir,
        socket_dir=paths.runtime_dir,
        privileges=choose(paths.instance_id, paths.data_dir / DIRECTORY),
    )
    server.prepare()
    if server.running_pid() is not None:
        raise OperationsError(f"PostgreSQL runs on {server.data_dir}: stop the instance first")
    url = postgres_url(server.socket_dir, role=ROLE, database=DATABASE)
    process = subprocess.Popen(
        [*server.privileges.prefix, str(server.binaries / "bin/postgres"), "-D", str(server.data_dir)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        user=server.privileges.user,
        start_new_session=True,
    )
    try:
        _await_ready(process, url)
        yield url
    finally:
        process.send_signal(2)  # fast shutdown: a checkpoint is written
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    clock = SystemClock()
    deadline = clock.boot() + START_WITHIN_S
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5).close()
            return
        try:
            status = process.wait(0.1)
        except subprocess.TimeoutExpired:
            if clock.boot() > deadline:
                raise OperationsError("PostgreSQL does not get ready") from None
        else:
            raise OperationsError(f"PostgreSQL ended with status {status}")


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise OperationsError(f"the database does not answer: {error}") from error


def _run(program: str, url: str | None, *arguments: str) -> str:
    try:
        path = installed_binaries() / "bin" / program
    except EmbeddedStoreError as error:
        raise OperationsError(str(error)) from error
    environment = {"PATH": os.defpath, "LC_ALL": "C", **(_variables(url) if url is not None else {})}
    done = subprocess.run(  # audit: ignore[SUP804] a dump takes what it takes; whoever asked can end it
        [str(path), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        raise OperationsError(f"{program}: {done.stderr.strip()[-2000:] or f'status {done.returncode}'}")
    return done.stdout


def _variables(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    if unknown := sorted(set(parts) - set(VARIABLES)):
        raise OperationsError(
            f"DATABASE_URL: the option {unknown[0]} is not known to {', '.join(('pg_dump', 'pg_restore'))}"
        )
    return {VARIABLES[name]: str(value) for name, value in parts.items() if value is not None}
