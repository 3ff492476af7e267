"""`manage.py release`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.acting import act
from controlplane.cli.arguments import add_keys, add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.verbs import RELEASE


class Command(OperatorCommand):
    help = "End a hold; a restart that was suspended happens now."
    example = "manage.py release shop/mail"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser)
        add_yes(parser)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        return act(invocation, RELEASE, options["keys"], yes=options["yes"])
