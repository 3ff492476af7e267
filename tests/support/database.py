"""The PostgreSQL and Redis that tests of rows use: the embedded ones, started once a pytest worker, when first asked for.

They live in a short directory of their own and are killed at the end. fsync is off: durability is not what these tests are
about, and the tests that are start servers of their own.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from controlplane.embedded.connections import DATABASE, ROLE, postgres_url, redis_url
from controlplane.embedded.postgres_server import SETTINGS_FILE, PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.embedded.redis_server import RedisServer
from tests.support.made_stores import bring_database
from tests.support.waiting import wait_for


@dataclass(frozen=True, slots=True)
class TestStores:
    """Where they are."""

    __test__ = False

    directory: Path
    database_url: str
    redis_url: str


@contextlib.contextmanager
def test_stores() -> Iterator[TestStores]:
    """Both servers, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="ovd-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        database_url = _start_postgres(directory, stack)
        yield TestStores(directory, database_url, _start_redis(directory, stack))


test_stores.__test__ = False  # type: ignore[attr-defined]  # its name is no test's, for pytest


def _start_postgres(directory: Path, stack: contextlib.ExitStack) -> str:
    server = PostgresServer.of(
        data_dir=directory, socket_dir=directory, privileges=choose("tests", directory / "postgres")
    )
    bring_database(directory)
    server.prepare()
    with (server.data_dir / SETTINGS_FILE).open("a") as file:
        file.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n")
    _start(
        [*server.privileges.prefix, str(server.binaries / "bin/postgres"), "-D", str(server.data_dir)], stack
    )
    url = postgres_url(directory, role=ROLE, database=DATABASE)

    def answers() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_for(answers, timeout=60, what="PostgreSQL answers")
    return url


def _start_redis(directory: Path, stack: contextlib.ExitStack) -> str:
    server = RedisServer.of(data_dir=directory, socket_dir=directory)
    server.prepare()
    _start([str(server.binaries / "redis-server"), str(server.settings_file)], stack)

    def answers() -> bool:
        try:
            with redis.Redis(unix_socket_path=str(server.socket)) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    wait_for(answers, timeout=60, what="Redis answers")
    return redis_url(server.socket, db=0)


def _start(argv: list[str], stack: contextlib.ExitStack) -> None:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        start_new_session=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
