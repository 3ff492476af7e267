"""The embedded Redis, run as the system tree runs it."""

import signal
import subprocess
import time
from pathlib import Path

import kombu
import pytest
import redis

from controlplane.embedded.connections import celery_url, redis_url
from controlplane.embedded.hold_lock import TAKEN
from controlplane.embedded.redis_server import RedisServer
from tests.support import slow_disk
from tests.support.stores import running


@pytest.fixture
def server(base: Path) -> RedisServer:
    made = RedisServer.of(data_dir=base, socket_dir=base)
    made.prepare()
    return made


def client(server: RedisServer) -> "redis.Redis":
    return redis.Redis.from_url(redis_url(server.socket, db=0))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_acknowledged_survives_a_stop_and_a_kill(
    server: RedisServer, base: Path, how: signal.Signals
) -> None:
    with running(server.child(), base / "log") as process:
        with client(server) as connection:
            connection.set("kept", "42")
        process.send_signal(how)
        assert process.wait(60) == (0 if how == signal.SIGTERM else -9)
    with running(server.child(), base / "log"), client(server) as connection:
        assert connection.get("kept") == b"42"


def test_what_was_acknowledged_survives_a_kill_while_the_disk_is_busy(
    server: RedisServer, base: Path
) -> None:
    """Synced each second, Redis would acknowledge what it has not even written while a sync is under way."""
    child = server.child()
    child["process"]["environment"] |= slow_disk.environment(1000)
    acknowledged: list[str] = []
    with running(child, base / "log") as process:
        with client(server) as connection:
            began = time.monotonic()
            while time.monotonic() - began < 1.6 or not acknowledged:  # the second sync is under way then
                connection.set(str(len(acknowledged)), "kept")
                acknowledged.append(str(len(acknowledged)))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    with running(server.child(), base / "log"), client(server) as connection:
        assert connection.mget(acknowledged) == [b"kept"] * len(acknowledged)


def test_it_evicts_nothing_and_has_no_tcp_port(server: RedisServer, base: Path) -> None:
    with running(server.child(), base / "log"), client(server) as connection:
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert connection.config_get("port") == {"port": "0"}
        assert connection.config_get("appendonly") == {"appendonly": "yes"}
    assert server.settings_file.stat().st_mode & 0o777 == 0o600


def test_celerys_spelling_of_the_url_means_the_same_database(server: RedisServer, base: Path) -> None:
    with running(server.child(), base / "log"):
        with (
            kombu.Connection(celery_url(server.socket, db=1)) as connection,
            connection.SimpleQueue("letters") as queue,
        ):
            queue.put({"to": "celery"}, serializer="json")
        with redis.Redis.from_url(redis_url(server.socket, db=1)) as other:
            assert other.llen("letters") == 1


def test_a_second_server_on_the_same_log_is_refused(server: RedisServer, base: Path) -> None:
    with running(server.child(), base / "log"), client(server) as connection:
        connection.set("kept", "42")
        second = subprocess.run(
            server.child()["process"]["command"], capture_output=True, text=True, check=False
        )
        assert second.returncode == TAKEN
        assert "still works there" in second.stderr
        assert connection.get("kept") == b"42"
