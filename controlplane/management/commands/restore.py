"""`manage.py restore`"""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.embedded.connections import Connections
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.foreground.lock import AlreadyRunningError, lock_instance
from controlplane.operations.exceptions import OperationsError
from controlplane.operations.restoring import restore_backup
from supervision.exceptions import SupervisionError
from supervision.runtime.paths import Paths


class Command(BaseCommand):
    help = "Put a backup into an empty data directory and an empty database (DATABASE_URL, else an embedded one)."
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="what `backup` wrote")
        parser.add_argument("--only-database", action="store_true", help="leave the data directory alone")
        parser.add_argument("--data-dir", help="instead of OVERSTORY_DATA_DIR, or var/ in the checkout")

    def handle(self, *args: Any, **options: Any) -> None:
        paths = Paths.from_environment(options["data_dir"])
        given = Connections.from_environment(paths, os.environ).given_database_url
        try:
            paths.prepare()
            lock_instance(paths)
            made_at = restore_backup(
                paths=paths,
                given_url=given,
                source=options["file"],
                only_database=options["only_database"],
            )
        except (OperationsError, AlreadyRunningError, EmbeddedStoreError, SupervisionError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"restored what was backed up at {made_at}; start the instance as before")
