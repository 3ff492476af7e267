"""`manage.py apply`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.applying import apply
from controlplane.cli.arguments import START_TIMEOUT_S, add_wait, add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode


class Command(OperatorCommand):
    help = (
        "Make a tree what its file says: shows the plan, asks, applies, and waits until it runs or says what is in the way. "
        "What is unchanged keeps running."
    )
    example = "manage.py apply shop.yaml --message 'bigger pool'"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="Tree file, YAML or JSON; - reads standard input.")
        parser.add_argument(
            "-m", "--message", default="", metavar="TEXT", help="Why; kept with the revision."
        )
        add_yes(parser)
        add_wait(parser, default=START_TIMEOUT_S)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        return apply(
            invocation,
            options["file"],
            message=options["message"],
            yes=options["yes"],
            wait=not options["no_wait"],
            timeout_s=options["timeout"],
        )
