"""`manage.py stop`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.acting import act
from controlplane.cli.arguments import add_keys, add_wait, add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.verbs import STOP


class Command(OperatorCommand):
    help = (
        "Stop children or whole subtrees in the order their tree says, and keep them stopped: through restarts of their "
        "supervisor, of the node and of the host, until they are started."
    )
    example = "manage.py stop 'shop/web/*' --yes"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser)
        add_yes(parser)
        add_wait(parser, default=None)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        return act(
            invocation,
            STOP,
            options["keys"],
            yes=options["yes"],
            wait=not options["no_wait"],
            timeout_s=options["timeout"],
        )
