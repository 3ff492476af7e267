"""`manage.py start`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.acting import act
from controlplane.cli.arguments import START_TIMEOUT_S, add_keys, add_wait, add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.verbs import START


class Command(OperatorCommand):
    help = "Start children or whole subtrees, and wait until they run. Withdraws an earlier stop."
    example = "manage.py start shop/web"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser)
        add_yes(parser)
        add_wait(parser, default=START_TIMEOUT_S)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        return act(
            invocation,
            START,
            options["keys"],
            yes=options["yes"],
            wait=not options["no_wait"],
            timeout_s=options["timeout"],
        )
