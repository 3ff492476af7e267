"""`manage.py guardian`: the guardian as a service, without the foreground of `up`."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.embedded.connections import Connections
from controlplane.foreground.guardian_process import ROOT, guardian_environment
from supervision.exceptions import SupervisionError
from supervision.runtime import boot
from supervision.runtime.nodesettings import NodeSettings
from supervision.runtime.paths import Paths


def refuse_to_join_unprepared(paths: Paths, connections: Connections) -> None:
    """CommandError for a host that cannot, or must not yet, take orders from a control plane elsewhere."""
    given = connections.given_urls()
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if name not in given]
    if missing:
        raise CommandError(f"--join needs {' and '.join(missing)} in the environment")
    try:
        settings = NodeSettings.load(paths.node_toml)
    except SupervisionError as error:
        raise CommandError(str(error)) from error
    if not settings.allow.is_explicit:
        raise CommandError(
            f"--join needs a list of what may run on this host: set `executables` (and `users`) in {paths.node_toml}"
        )


class Command(BaseCommand):
    help = "Become the guardian: it starts the node, which starts the trees that were applied. For services; see `up`."
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data-dir", help="instead of OVERSTORY_DATA_DIR, or var/ in the checkout")
        parser.add_argument(
            "--on-guardian-death",
            choices=("promote", "stop"),
            default="promote",
            help="what the node does when the guardian is killed: take its place and keep every child, or stop them",
        )
        parser.add_argument(
            "--if-running",
            choices=("fail", "follow"),
            default="fail",
            help="when a guardian already holds the data directory: say so and end, or wait beside it and take over",
        )
        parser.add_argument(
            "--join",
            action="store_true",
            help="be a host of the fleet whose stores DATABASE_URL and REDIS_URL name; node.toml says what may run",
        )
        parser.add_argument(
            "--log-file", default="-", help="where guardian and node write; - is standard error"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Hand over by exec: nothing of Django stays in the supervising processes."""
        paths = Paths.from_environment(options["data_dir"])
        argv = boot.command(
            "guardian",
            f"--data-dir={paths.data_dir}",
            f"--on-guardian-death={options['on_guardian_death']}",
            f"--if-running={options['if_running']}",
            f"--log-file={options['log_file']}",
        )
        connections = Connections.from_environment(paths, os.environ)
        if options["join"]:
            refuse_to_join_unprepared(paths, connections)
        stores = "given" if connections.given_database_url is not None else ""
        environment = guardian_environment(os.environ, paths, connections, stores=stores)
        os.chdir(ROOT)
        os.execve(argv[0], argv, environment)
