"""`manage.py recycle`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.acting import act
from controlplane.cli.arguments import START_TIMEOUT_S, add_keys, add_wait, add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.verbs import RECYCLE


class Command(OperatorCommand):
    help = (
        "Give children a fresh life, several keys one after the other. A Celery worker drains only when another one that "
        "stands in for it is ready; any other child is restarted. Nothing is counted."
    )
    example = "manage.py recycle shop/mail@2 --reason 'it leaks'"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser)
        parser.add_argument("--reason", metavar="TEXT", default="", help="Why; stands in the journal.")
        add_yes(parser)
        add_wait(parser, default=START_TIMEOUT_S)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        return act(
            invocation,
            RECYCLE,
            options["keys"],
            args={"why": options["reason"]},
            yes=options["yes"],
            wait=not options["no_wait"],
            timeout_s=options["timeout"],
        )
