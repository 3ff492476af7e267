"""`manage.py plan`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.applying import plan
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode


class Command(OperatorCommand):
    help = (
        "Show what applying a tree file would do, step by step against what runs, with a preflight on the node: programs, "
        "users, directories, its allow-list. Changes nothing."
    )
    example = "manage.py plan shop.yaml --detailed-exitcode"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="Tree file, YAML or JSON; - reads standard input.")
        parser.add_argument(
            "--detailed-exitcode",
            action="store_true",
            help="End with 0 for no changes, 2 for changes, 1 for errors (a wrong command line too), for pipelines.",
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode | int:
        return plan(invocation, options["file"], detailed=options["detailed_exitcode"])
