"""PostgreSQL and Redis of one test module, durable, with our tables: to be stopped, killed and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis

from controlplane.embedded.connections import DATABASE, ROLE, postgres_url, redis_url
from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.embedded.redis_server import RedisServer
from supervision.runtime.processes import descendants
from tests.support.made_stores import bring_database
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


class OwnStores:
    """Both servers; `urls` is what a node is told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database_url = postgres_url(directory, role=ROLE, database=DATABASE)
        self._postgres = PostgresServer.of(
            data_dir=directory, socket_dir=directory, privileges=choose("own", directory / "postgres")
        )
        self._redis = RedisServer.of(data_dir=directory, socket_dir=directory)
        self.redis_url = redis_url(self._redis.socket, db=0)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    # -- life -------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Both started, with our tables."""
        has_tables = bring_database(self.directory)
        self._postgres.prepare()
        self._redis.prepare()
        self.start_postgres()
        self.start_redis()
        if has_tables:
            return
        environment = {
            "PATH": os.environ["PATH"], "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
            "OVERSTORY_DATA_DIR": str(self.directory / "made"),
        }  # fmt: skip
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0"],
            env=environment,
            check=True,
            timeout=200,
        )

    def start_postgres(self) -> None:
        server = self._postgres
        argv = [*server.privileges.prefix, str(server.binaries / "bin/postgres"), "-D", str(server.data_dir)]
        self._start("postgres", argv)
        wait_for(self._answers, timeout=120, what="PostgreSQL answers")

    def start_redis(self) -> None:
        self._start("redis", [str(self._redis.binaries / "redis-server"), str(self._redis.settings_file)])

        def answers() -> bool:
            try:
                with self.redis() as client:
                    return bool(client.ping())
            except redis.RedisError:
                return False

        wait_for(answers, timeout=60, what="Redis answers")

    def _start(self, name: str, argv: list[str]) -> None:
        self._processes[name] = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C"}, cwd="/", start_new_session=True,
        )  # fmt: skip

    def signal(self, name: str, number: int) -> None:
        """To the server and every process of its."""
        process = self._processes[name]
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, name: str) -> None:
        """With everything below it, as a power cut would."""
        self.signal(name, signal.SIGKILL)
        self._processes[name].wait()

    def close(self) -> None:
        for name in self._processes:
            self.signal(name, signal.SIGCONT)
            self.kill(name)

    # -- asking -----------------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.database_url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, connect_timeout=5, autocommit=True) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._redis.socket), socket_timeout=5)


@contextlib.contextmanager
def own_stores() -> Iterator[OwnStores]:
    with tempfile.TemporaryDirectory(prefix="ovo-") as name:
        stores = OwnStores(Path(name))
        try:
            stores.prepare()
            yield stores
        finally:
            stores.close()
