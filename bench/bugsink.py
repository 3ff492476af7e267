"""Bugsink as its documentation installs it on one server: gunicorn, its task runner beside it, SQLite.

Its quotas are lifted, which would end a measurement after 1,000 events; nothing else is changed.
"""

import contextlib
import os
import socket
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.engine import EngineError
from bench.peers import bugsink_programs
from tests.support.waiting import wait_for

WORKERS = 5
"""As in its installation guide."""
OVERRIDES = """
ALLOWED_HOSTS = ["*"]
SECURE_PROXY_SSL_HEADER = None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = USE_X_REAL_IP = False
BUGSINK["BASE_URL"] = "http://127.0.0.1:{port}"
for _name in (
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES", "MAX_EVENTS_PER_PROJECT_PER_HOUR", "MAX_EVENTS_PER_PROJECT_PER_MONTH",
    "MAX_EVENTS_PER_5_MINUTES", "MAX_EVENTS_PER_HOUR", "MAX_EVENTS_PER_MONTH",
):
    BUGSINK[_name] = 1_000_000_000
"""
MAKE_PROJECT = """
from projects.models import Project
from teams.models import Team
team = Team.objects.create(name="bench")
project = Project.objects.create(name="bench", team=team, sentry_key="{key}", retention_max_event_count=1_000_000_000)
print("PROJECT", project.id)
"""
INSTALL_S = 300


@dataclass(frozen=True, slots=True)
class Bugsink:
    """A running one."""

    port: int
    project: int
    key: str
    directory: Path

    def visible(self) -> int:
        """Events that its pages show."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.directory}/db.sqlite3?mode=ro", uri=True, timeout=30)
        ) as one:
            return int(
                one.execute("SELECT coalesce(sum(digested_event_count), 0) FROM projects_project").fetchone()[
                    0
                ]
            )

    def stored_bytes(self) -> int:
        """Of its database, without what its tasks and their queue take."""
        with contextlib.closing(sqlite3.connect(f"{self.directory}/db.sqlite3", timeout=60)) as one:
            one.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (self.directory / "db.sqlite3").stat().st_size


@contextlib.contextmanager
def running(tools: Path, directory: Path) -> Iterator[Bugsink]:
    """Until the block ends; EngineError where it does not start."""
    directory.mkdir(parents=True)
    programs, port, key = bugsink_programs(tools), free_port(), uuid.uuid4().hex
    environment = {
        "PATH": f"{programs}:{os.defpath}", "HOME": str(directory), "PYTHONPATH": str(directory),
        "DJANGO_SETTINGS_MODULE": "bugsink_conf",
    }  # fmt: skip

    def do(*words: str) -> str:
        done = subprocess.run(
            [str(programs / words[0]), *words[1:]], cwd=directory, env=environment, check=False,
            capture_output=True, text=True, timeout=INSTALL_S,
        )  # fmt: skip
        if done.returncode:
            raise EngineError(f"{words[0]} {words[1]} failed: {done.stderr[-2000:]}")
        return done.stdout

    for name in ("ingestion", "snappea/wakeup"):
        (directory / name).mkdir(parents=True)
    do(
        "bugsink-create-conf", "--template=singleserver", "--host=127.0.0.1", f"--port={port}",
        f"--base-dir={directory}",
    )  # fmt: skip
    with (directory / "bugsink_conf.py").open("a") as settings:
        settings.write(OVERRIDES.format(port=port))
    do("bugsink-manage", "migrate", "-v", "0")
    do("bugsink-manage", "migrate", "-v", "0", "--database=snappea")
    said = do("bugsink-manage", "shell", "-c", MAKE_PROJECT.format(key=key))
    project = int(said.rpartition("PROJECT ")[2].split()[0])
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("ab"))
        commands = (
            ["gunicorn", f"--bind=127.0.0.1:{port}", f"--workers={WORKERS}", "--timeout=6", "bugsink.wsgi"],
            ["bugsink-runsnappea"],
        )
        for command in commands:
            process = subprocess.Popen(
                [str(programs / command[0]), *command[1:]], cwd=directory, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            stack.callback(_end, process)
        wait_for(lambda: _listens(port), timeout=120, what=f"Bugsink answers: {directory / 'log'}")
        yield Bugsink(port, project, key, directory)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
