"""A PostgreSQL and a Redis that are not ours to start: over TCP and with passwords, as an operator gives them by URL."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from controlplane.embedded import redis_server
from controlplane.embedded.connections import DATABASE, ROLE
from controlplane.embedded.postgres_server import SETTINGS_FILE, PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.foreground.network_ports import next_free
from tests.support.leftovers import descendants
from tests.support.waiting import wait_for

PASSWORD = "hush-hush-4711"


@dataclass(frozen=True, slots=True)
class GivenStores:
    """Where they are."""

    database_url: str
    redis_url: str
    postmaster: int
    redis_pid: int

    def postmaster_family(self) -> list[int]:
        """The postmaster, then every process it has."""
        return [self.postmaster, *sorted(descendants(self.postmaster))]

    @contextlib.contextmanager
    def redis_stopped(self) -> Iterator[None]:
        """Redis does not answer while the block runs."""
        os.kill(self.redis_pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.redis_pid, signal.SIGCONT)

    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextlib.contextmanager
def given_stores(directory: Path) -> Iterator[GivenStores]:
    """Both, started in `directory` (short: a socket is bound there) and killed at the end."""
    with contextlib.ExitStack() as stack:
        database_url, postmaster = _start_postgres(directory, stack)
        redis_url, redis_pid = _start_redis(directory, stack)
        yield GivenStores(database_url, redis_url, postmaster, redis_pid)


def _start_postgres(directory: Path, stack: contextlib.ExitStack) -> tuple[str, int]:
    server = PostgresServer.of(
        data_dir=directory, socket_dir=directory, privileges=choose("given", directory / "postgres")
    )
    server.prepare()
    port = next_free(20_000 + os.getpid() % 20_000)
    with (server.data_dir / SETTINGS_FILE).open("a") as file:
        file.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nfsync = off\n")
    hba = server.data_dir / "pg_hba.conf"
    hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    pid = _start(
        [*server.privileges.prefix, str(server.binaries / "bin/postgres"), "-D", str(server.data_dir)], stack
    )
    local = f"postgresql://{ROLE}@/{DATABASE}?host={directory}&port={port}"
    wait_for(lambda: _connects(local), timeout=60, what="the given PostgreSQL answers")
    with psycopg.connect(local, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'".encode())
    return f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}", pid


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _start_redis(directory: Path, stack: contextlib.ExitStack) -> tuple[str, int]:
    port = next_free(40_000 + os.getpid() % 20_000)
    program = redis_server.installed_binaries() / "redis-server"
    settings = directory / "given-redis.conf"
    settings.write_text(f'port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave ""\ndir {directory}\n')
    pid = _start([str(program), str(settings)], stack)
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"

    def answers() -> bool:
        try:
            with redis.Redis.from_url(url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    wait_for(answers, timeout=60, what="the given Redis answers")
    return url, pid


def _start(argv: list[str], stack: contextlib.ExitStack) -> int:
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
    return process.pid
