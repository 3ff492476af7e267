"""`manage.py hold`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.acting import act
from controlplane.cli.arguments import add_keys, add_yes, seconds
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.verbs import HOLD


class Command(OperatorCommand):
    help = "Suspend restarts: what runs goes on, what ends is not started again until the hold is released or expires."
    example = "manage.py hold shop/mail --for 30m"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser)
        add_yes(parser)
        parser.add_argument(
            "--for", type=seconds, metavar="TIME", help="Release by itself after this time (default: never)."
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        args = {} if options["for"] is None else {"seconds": options["for"]}
        return act(invocation, HOLD, options["keys"], args=args, yes=options["yes"])
