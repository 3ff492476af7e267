"""From the embedded stores to given ones, while the instance is stopped. The embedded ones are left as they are."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from controlplane.embedded import postgres_server, redis_server
from controlplane.embedded.connections import redis_url
from controlplane.embedded.redis_server import RedisServer
from controlplane.operations import postgres_tools
from controlplane.operations.exceptions import OperationsError
from supervision.runtime.paths import Paths

BATCH = 500
READY_TRIES = 300
REDIS_LIMIT_S = 60.0

Say = Callable[[str], None]


def move_stores(*, paths: Paths, database_url: str | None, redis_url_given: str | None, say: Say) -> None:
    """Copy what is embedded into the stores that are given; both must be empty. OperationsError.

    Afterwards every table has as many rows there as here, and every key of Redis is there.
    """
    if database_url is not None and (paths.data_dir / postgres_server.DIRECTORY).exists():
        _move_database(paths, database_url, say)
    if redis_url_given is not None and (paths.data_dir / redis_server.DIRECTORY).exists():
        _move_redis(paths, redis_url_given, say)


def _move_database(paths: Paths, target: str, say: Say) -> None:
    if not postgres_tools.is_empty(target):
        raise OperationsError("the database that DATABASE_URL names is not empty")
    with (
        tempfile.TemporaryDirectory(prefix="overstory-") as directory,
        postgres_tools.embedded_server(paths) as source,
    ):
        dumped = Path(directory) / "dump"
        dumped.touch(mode=0o600)
        postgres_tools.dump(source, dumped)
        postgres_tools.restore(dumped, target)
        here, there = postgres_tools.row_counts(source), postgres_tools.row_counts(target)
    if here != there:
        wrong = sorted(name for name in here if here[name] != there.get(name))
        raise OperationsError(f"these tables differ after the copy: {', '.join(wrong)}")
    say(f"PostgreSQL: {len(here)} tables with {sum(here.values())} rows, all there")


def _move_redis(paths: Paths, target: str, say: Say) -> None:
    with (
        _embedded_redis(paths) as source,
        redis.Redis.from_url(target, socket_timeout=REDIS_LIMIT_S) as there,
    ):
        try:
            if there.dbsize():
                raise OperationsError("the Redis that REDIS_URL names is not empty")
            moved = _copy_keys(source, there)
        except redis.RedisError as error:
            raise OperationsError(f"Redis: {error}") from error
    say(f"Redis: {moved} keys, all there")


def _copy_keys(source: "redis.Redis", there: "redis.Redis") -> int:
    """Each key with its remaining time to live."""
    moved = 0
    for key in source.scan_iter(count=BATCH):
        content, left_ms = source.dump(key), source.pttl(key)
        if content is not None:
            there.restore(key, max(0, int(left_ms)), content, replace=True)
            moved += 1
    return moved


@contextlib.contextmanager
def _embedded_redis(paths: Paths) -> Iterator["redis.Redis"]:
    """The embedded Redis of an instance that does not run, for as long as the block."""
    server = RedisServer.of(data_dir=paths.data_dir, socket_dir=paths.runtime_dir)
    server.prepare()
    process = subprocess.Popen(
        server.child()["process"]["command"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        with redis.Redis.from_url(redis_url(server.socket, db=0), socket_timeout=REDIS_LIMIT_S) as client:
            for _ in range(READY_TRIES):
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    break
                if process.poll() is not None:
                    raise OperationsError(
                        f"Redis ended with status {process.returncode}: does the instance run?"
                    )
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait()
