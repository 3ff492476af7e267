"""`manage.py up`: everything in the foreground."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from controlplane.embedded.connections import Connections
from controlplane.foreground.front import Front
from controlplane.foreground.instance import Instance
from controlplane.foreground.progress import Progress
from controlplane.foreground.stop_signals import StopSignals
from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import Paths


class Command(BaseCommand):
    help = (
        "Start guardian, node, the embedded stores and the example trees, and stay in the foreground; "
        "Ctrl-C stops everything and leaves no process."
    )
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data-dir", type=Path, help="instead of OVERSTORY_DATA_DIR, or var/ in the checkout"
        )
        parser.add_argument("--no-examples", action="store_true", help="do not start the example trees")

    def handle(self, *args: Any, **options: Any) -> None:
        paths = Paths.from_environment(None if options["data_dir"] is None else str(options["data_dir"]))
        instance = Instance(
            paths,
            Connections.from_environment(paths, os.environ),
            os.environ,
            with_examples=not options["no_examples"],
        )
        clock = SystemClock()
        front = Front(instance, Progress(sys.stdout, clock), StopSignals(clock))
        sys.exit(front.run())
