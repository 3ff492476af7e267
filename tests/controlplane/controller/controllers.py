"""Controllers as processes of their own, over a real PostgreSQL that has the schema."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[3]


def leader_row(url: str) -> tuple[str, int, bool] | None:
    """Holder, term, and whether its lease runs."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        row = connection.execute(
            "SELECT holder, term, until > clock_timestamp() FROM supervision_leadership WHERE name = 'controller'"
        ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]), bool(row[2]))


def leader_pid(url: str) -> int | None:
    """The pid of who leads now, as its name says it."""
    row = leader_row(url)
    return int(row[0].split(":")[1]) if row is not None and row[2] else None


@contextlib.contextmanager
def controllers(count: int, database_url: str, data_dir: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many; killed at the end."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "OVERSTORY_DATA_DIR": str(data_dir),
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            log = (data_dir / f"controller{number}.log").open("ab")
            started.append(
                subprocess.Popen(
                    [sys.executable, "manage.py", "controller"],
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
            log.close()
        yield started
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def logs(data_dir: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(data_dir.glob("controller*.log")))
