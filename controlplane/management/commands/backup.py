"""`manage.py backup`"""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.embedded.connections import Connections
from controlplane.operations.backup import make_backup
from controlplane.operations.exceptions import OperationsError
from supervision.runtime.paths import Paths


class Command(BaseCommand):
    help = "Write database, journal, desired trees, identity and secret key into one file, while everything runs."
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="written whole or not at all, readable by its owner only")
        parser.add_argument("--data-dir", help="instead of OVERSTORY_DATA_DIR, or var/ in the checkout")

    def handle(self, *args: Any, **options: Any) -> None:
        paths = Paths.from_environment(options["data_dir"])
        url = Connections.from_environment(paths, os.environ).database_url
        target: Path = options["file"].absolute()
        try:
            manifest = make_backup(paths=paths, url=url, target=target)
        except (OperationsError, OSError) as error:
            raise CommandError(str(error)) from error
        size = target.stat().st_size
        self.stdout.write(f"{target}: {size / 1e6:.1f} MB, made at {manifest['made_at']}, readable")
