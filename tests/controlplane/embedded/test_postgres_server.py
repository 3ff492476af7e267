"""The embedded PostgreSQL, run as the system tree runs it."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from controlplane.embedded import privileges
from controlplane.embedded.clear_stale_lock import clear
from controlplane.embedded.connections import postgres_url
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.embedded.postgres_server import PostgresServer
from tests.support.stores import running

pytestmark = pytest.mark.xdist_group("postgres")


def connect(
    server: PostgresServer, *, role: str = "overstory", database: str = "overstory"
) -> psycopg.Connection:
    url = postgres_url(server.socket_dir, role=role, database=database)
    return psycopg.connect(url, connect_timeout=10, autocommit=True)


def test_what_was_stored_is_there_after_a_clean_stop_and_a_new_start(
    postgres: PostgresServer, base: Path
) -> None:
    with running(postgres.child(), base / "log") as process:
        with connect(postgres) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    postgres.prepare()
    with running(postgres.child(), base / "log"), connect(postgres) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]
    log = (base / "log").read_text()
    assert log.count("database system is ready") == 2
    assert "not properly shut down" not in log


def test_it_listens_on_a_private_unix_socket_only_and_stays_durable(
    postgres: PostgresServer, base: Path
) -> None:
    with running(postgres.child(), base / "log"), connect(postgres) as connection:
        settings: dict[str, str] = dict(
            connection.execute("SELECT name, setting FROM pg_settings").fetchall()
        )
    assert settings["listen_addresses"] == ""
    assert settings["unix_socket_permissions"] == "0700"
    assert {settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}


def test_the_examples_reach_their_own_database_and_not_overstorys(
    postgres: PostgresServer, base: Path
) -> None:
    with running(postgres.child(), base / "log"):
        with connect(postgres, role="examples", database="examples") as connection:
            connection.execute("CREATE TABLE theirs (x int)")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(postgres, role="examples")


def test_a_lock_whose_pid_belongs_to_something_else_now_does_not_keep_it_from_starting(
    postgres: PostgresServer, base: Path
) -> None:
    with running(postgres.child(), base / "log") as process:
        process.kill()
        process.wait()
    lock = postgres.data_dir / "postmaster.pid"
    lines = lock.read_text().splitlines()
    with subprocess.Popen(["/bin/sleep", "600"], cwd="/") as somebody:
        lock.write_text("\n".join([str(somebody.pid), *lines[1:]]) + "\n")
        with running(postgres.child(), base / "log"), connect(postgres) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        somebody.kill()
    assert f"removed {lock}" in (base / "log").read_text()


def test_the_lock_of_a_running_server_stays(postgres: PostgresServer, base: Path) -> None:
    with running(postgres.child(), base / "log") as process:
        assert clear(postgres.data_dir, postgres.socket_dir) == []
        assert postgres.running_pid() == process.pid


def test_a_data_directory_of_another_major_version_is_refused_with_the_steps(
    postgres: PostgresServer,
) -> None:
    (postgres.data_dir / "PG_VERSION").write_text("17\n")
    before = sorted(path.name for path in postgres.data_dir.iterdir())
    with pytest.raises(EmbeddedStoreError, match="written by PostgreSQL 17") as caught:
        postgres.prepare()
    assert "pg_dumpall" in str(caught.value)
    assert sorted(path.name for path in postgres.data_dir.iterdir()) == before


def test_an_interrupted_first_start_is_begun_anew(base: Path, prepared_data: Path) -> None:
    server = PostgresServer.of(
        data_dir=base, socket_dir=base, privileges=privileges.choose("0" * 8, base / "postgres")
    )
    half = server.data_dir.with_name("postgres.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server.prepare()
    assert not half.exists()
    assert {path.name for path in prepared_data.iterdir()} == {
        path.name for path in server.data_dir.iterdir()
    }


def test_a_changed_setting_changes_the_child_so_that_it_restarts(
    postgres: PostgresServer, base: Path
) -> None:
    moved = PostgresServer(postgres.data_dir, base / "elsewhere", postgres.privileges, postgres.binaries)
    first, second = postgres.child()["process"], moved.child()["process"]
    assert first["environment"]["OVERSTORY_SETTINGS"] != second["environment"]["OVERSTORY_SETTINGS"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_runs_a_copy_as_an_ordinary_user(base: Path) -> None:
    system_dir = base.parent / "system"
    base.parent.chmod(0o711)
    chosen = privileges.copied("0" * 8, system_dir)
    server = PostgresServer.of(data_dir=base, socket_dir=base, privileges=chosen)
    assert server.data_dir == system_dir / ("0" * 8) / "postgres"
    server.prepare()
    server.link_socket(base)
    with running(server.child(), base / "log") as process:
        assert Path(f"/proc/{process.pid}").stat().st_uid != 0
        url = postgres_url(base, role="overstory", database="overstory")
        with psycopg.connect(url, connect_timeout=10) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    server.unlink_socket(base)
    assert not (base / ".s.PGSQL.5432").is_symlink()
    again = privileges.choose("f" * 8, base / "postgres")
    assert (again.user, again.home) == (chosen.user, chosen.home), (
        "it stays where it was made, also when moved"
    )
    shutil.rmtree(system_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_in_the_user_namespace_the_files_stay_roots(postgres: PostgresServer, base: Path) -> None:
    with running(postgres.child(), base / "log") as process:
        assert "\t0 " not in Path(f"/proc/{process.pid}/status").read_text().split("CapEff:")[1][:20]
        assert (postgres.data_dir / "postmaster.pid").stat().st_uid == 0
