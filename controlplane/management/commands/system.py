"""`manage.py system`: give the running node its system tree, as `up` does."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.embedded.connections import Connections
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.foreground.instance import Instance, PrepareError
from controlplane.foreground.progress import Progress
from supervision.runtime.client import ControlClient, ControlError
from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import Paths

APPLY_TIMEOUT_S = 60.0


class Command(BaseCommand):
    help = (
        "Apply the system tree (stores unless they are given by URL, web, worker, beat, controller) to the running node: "
        "once after the guardian of a service was set up, and after each upgrade. What did not change keeps running."
    )
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data-dir", help="instead of OVERSTORY_DATA_DIR, or var/ in the checkout")

    def handle(self, *args: Any, **options: Any) -> None:
        paths = Paths.from_environment(options["data_dir"])
        connections = Connections.from_environment(paths, os.environ)
        instance = Instance(paths, connections, os.environ, with_examples=False)
        try:
            with ControlClient(paths.control_socket) as client:
                instance.prepare(Progress(sys.stdout, SystemClock()))
                spec, message = instance.system_document(), instance.message
                client.call("apply", timeout_s=APPLY_TIMEOUT_S, spec=spec, message=message)
        except (ControlError, EmbeddedStoreError, PrepareError, OSError) as error:
            raise CommandError(str(error)) from error
        for name, url in instance.urls():
            self.stdout.write(f"{name:<7} {url}")
