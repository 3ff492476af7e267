"""Preparing the stores before anything uses them: `python -m controlplane.operations.prepare`.

A child of the system tree that ends when the schema is current and the static files are in place. Any number may start at
once, on any number of hosts: one works, the others wait for it and find everything done. Migrations only expand, so
processes of the release before may run beside it. Where nothing changed it ends without importing Django.
"""

import contextlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from controlplane.assets.collecting import collect_assets
from controlplane.embedded.connections import Connections
from controlplane.operations.release import store_digest
from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import Paths

CONNECT_WITHIN_S = 300.0
STAMP = "static/.prepared"
"""In the data directory: the release whose static files are in place."""
LOCK = 0x0E57_0001
"""Advisory lock of the one who prepares. Held by a session, so a preparer that dies gives it up."""

CREATE = """
CREATE TABLE IF NOT EXISTS overstory_prepared (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    digest text NOT NULL,
    prepared_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
READ = "SELECT digest FROM overstory_prepared"
WRITE = """
INSERT INTO overstory_prepared (digest)
VALUES (%s)
ON CONFLICT (only_row) DO UPDATE
SET digest = EXCLUDED.digest, prepared_at = clock_timestamp()"""


def main() -> int:
    """Both at once: the one waits for the database and imports Django, the other compresses in a process of its own."""
    paths = Paths.from_environment()
    with ThreadPoolExecutor(1, thread_name_prefix="assets") as pool:
        assets = pool.submit(prepare_assets, paths)
        prepare_database(paths)
        assets.result()
    return 0


def prepare_database(paths: Paths) -> None:
    """Bring the schema to this release's state, or wait for whoever does."""
    url = Connections.from_environment(paths, os.environ).database_url
    with _connect(url) as connection:
        if prepared(connection) == store_digest():
            return
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if prepared(connection) != store_digest():
            migrate()
            connection.execute(CREATE)
            connection.execute(WRITE, [store_digest()])


def prepared(connection: psycopg.Connection) -> str | None:
    """The digest of what the database was last prepared for; None for a new one."""
    try:
        row = connection.execute(READ).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def migrate() -> None:
    """Bring the schema to this release's state, with the partitions of these months and days: the first records come
    before beat does, and would stay in the default partition."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    import django
    from django.core.management import call_command
    from django.utils import timezone

    django.setup()
    from supervision.errors.store import retention as errors
    from supervision.journal import retention as journal

    call_command("migrate", interactive=False, verbosity=1)
    journal.make_partitions(now=timezone.now())
    errors.make_partitions(now=timezone.now())


def prepare_assets(paths: Paths) -> None:
    """Put the browser's files in place for this host's web processes."""
    stamp = paths.data_dir / STAMP
    if stamp.exists() and stamp.read_text() == store_digest():
        return
    collect_assets(paths)
    stamp.write_text(store_digest())


def _connect(url: str) -> psycopg.Connection:
    """A connection, as soon as there is one: the store may be starting, or be far away."""
    clock = SystemClock()
    deadline = clock.boot() + CONNECT_WITHIN_S
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            return psycopg.connect(url, autocommit=True, connect_timeout=5)
        if clock.boot() > deadline:
            sys.stderr.write("the database does not answer\n")
            raise SystemExit(1)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
