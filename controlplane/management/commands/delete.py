"""`manage.py delete`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_wait, add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.deleting import delete
from controlplane.cli.exits import ExitCode


class Command(OperatorCommand):
    help = "Stop a whole tree in its order and forget it. Its captured output and its journal stay."
    example = "manage.py delete shop"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tree", metavar="TREE", help="Name of the tree.")
        add_yes(parser)
        add_wait(parser, default=None)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        return delete(
            invocation,
            options["tree"],
            yes=options["yes"],
            wait=not options["no_wait"],
            timeout_s=options["timeout"],
        )
