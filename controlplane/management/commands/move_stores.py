"""`manage.py move_stores`"""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.embedded.connections import Connections
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.foreground.lock import AlreadyRunningError, lock_instance
from controlplane.operations.exceptions import OperationsError
from controlplane.operations.moving import move_stores
from supervision.exceptions import SupervisionError
from supervision.runtime.paths import Paths


class Command(BaseCommand):
    help = (
        "Copy the embedded stores of a stopped instance into the ones that DATABASE_URL and REDIS_URL name, "
        "which must be empty. The embedded ones stay as they are."
    )
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data-dir", help="instead of OVERSTORY_DATA_DIR, or var/ in the checkout")

    def handle(self, *args: Any, **options: Any) -> None:
        paths = Paths.from_environment(options["data_dir"])
        connections = Connections.from_environment(paths, os.environ)
        if not connections.given_urls():
            raise CommandError("DATABASE_URL, REDIS_URL or both have to name where to move to")
        try:
            paths.prepare()
            lock_instance(paths)
            paths.prepare_runtime()
            move_stores(
                paths=paths,
                database_url=connections.given_database_url,
                redis_url_given=connections.given_redis_url,
                say=self.stdout.write,
            )
        except (OperationsError, AlreadyRunningError, EmbeddedStoreError, SupervisionError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("moved; start the instance with the same DATABASE_URL and REDIS_URL")
