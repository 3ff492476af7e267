"""Backup and restore into a fresh instance; moving to stores that were given."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import psycopg
import redis

from controlplane.embedded.connections import Connections, redis_url
from supervision.runtime.client import ControlClient
from supervision.runtime.paths import Paths
from tests.support.foreground import ROOT, RUNNING, Up, up
from tests.support.given_stores import PASSWORD, GivenStores, given_stores
from tests.support.stores import short_directory

TREE = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "children": [
            {"id": "runs", "process": {"command": ["sleep", "1000"]}},
            {"id": "stopped", "process": {"command": ["sleep", "1000"]}},
        ]
    },
}


def manage(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "OVERSTORY_DATA_DIR": str(data), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def states(started: Up) -> dict[str, str]:
    return {
        child.key: child.state for child in started.observed().processes() if child.key.startswith("shop/")
    }


def make_marks(data: Path) -> None:
    """A row, a tree, and something an operator stopped."""
    with psycopg.connect(
        Connections.from_environment(Paths(data), {}).database_url, autocommit=True
    ) as connection:
        connection.execute("CREATE TABLE marks AS SELECT 'kept' AS mark")
    with ControlClient(Paths(data).control_socket) as client:
        client.call("apply", spec=TREE, message="mine")
        client.call("stop", key="shop/stopped", timeout_s=30)


def marks(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT mark FROM marks").fetchall()


def test_a_backup_of_a_running_instance_is_restored_into_a_fresh_one_whose_stores_move_to_given_ones() -> (
    None
):
    with short_directory() as base, short_directory() as other, given_stores(other) as given:
        data, again, file = base / "a", base / "b", base / "backup.tar.gz"
        with up(data, "--no-examples") as started:
            started.until(RUNNING)
            make_marks(data)
            done = manage(data, "backup", str(file))
            assert done.returncode == 0, done.stderr
            refused = manage(data, "restore", str(file))
            assert refused.returncode == 1
            assert "already runs here" in refused.stderr
            started.stop()
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(base.iterdir()) == [data, file] or set(base.iterdir()) == {data, file}
        refused = manage(data, "restore", str(file))
        assert "holds an instance already" in refused.stderr
        done = manage(again, "restore", str(file))
        assert done.returncode == 0, done.stderr
        for name in ("node.json", "secret_key"):
            if (data / name).exists():
                assert (again / name).read_bytes() == (data / name).read_bytes()
        with up(again, "--no-examples") as restored:
            restored.until(RUNNING)
            assert marks(Connections.from_environment(Paths(again), {}).database_url) == [("kept",)]
            assert states(restored) == {"shop/runs": "running", "shop/stopped": "stopped"}
            children = restored.observed().processes()
            assert all(child.last_exit is None or child.last_exit.reason != "lost" for child in children)
            put_into_redis(again)
            assert "already runs here" in manage(again, "move_stores", **given.environment()).stderr
            restored.stop()
        assert not (again / "restored").exists()
        move_stores(again, given)
        with up(again, "--no-examples", **given.environment()) as started:
            runs_on_given_stores(started, given, base / "given.tar.gz")


def put_into_redis(data: Path) -> None:
    with redis.Redis.from_url(redis_url(Paths(data).runtime_dir / "redis.sock", db=0)) as client:
        client.rpush("queue", b"\x00\xff", "two")
        client.set("short", "x", ex=1000)


def move_stores(data: Path, given: GivenStores) -> None:
    """Once; a second time they are not empty."""
    assert "have to name" in manage(data, "move_stores").stderr
    done = manage(data, "move_stores", **given.environment())
    assert done.returncode == 0, done.stderr
    assert marks(given.database_url) == [("kept",)]
    with redis.Redis.from_url(given.redis_url) as client:
        assert client.lrange("queue", 0, -1) == [b"\x00\xff", b"two"]
        assert 0 < client.ttl("short") <= 1000
    refused = manage(data, "move_stores", **given.environment())
    assert "is not empty" in refused.stderr


def runs_on_given_stores(started: Up, given: GivenStores, file: Path) -> None:
    """With what stood in its own, and a backup of it names no password."""
    started.until(RUNNING)
    assert not {"system/postgres", "system/redis"} & {child.key for child in started.observed().processes()}
    assert states(started) == {"shop/runs": "running", "shop/stopped": "stopped"}
    done = manage(started.data_dir, "backup", str(file), **given.environment())
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    started.stop()
    with tarfile.open(file) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)["format"] == 1


def test_a_damaged_or_foreign_file_restores_nothing(tmp_path: Path) -> None:
    foreign, data = tmp_path / "foreign.tar", tmp_path / "d"
    with tarfile.open(foreign, "w") as archive:
        archive.add(ROOT / "README.md", "manifest.json")
    assert "no backup of Overstory" in manage(data, "restore", str(foreign)).stderr
    (tmp_path / "text").write_text("nonsense")
    assert manage(data, "restore", str(tmp_path / "text")).returncode == 1
    assert not (data / "node.json").exists()
