"""`manage.py explain`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.explaining import ask, show


class Command(OperatorCommand):
    help = (
        "Say in words why a child or supervisor was restarted, or why it does not run: what ended it, what was decided, "
        "what comes next, and what you can do. Reads the journal; with the node dead it tells what was so last."
    )
    example = "manage.py explain shop/mail"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "key", metavar="KEY", help="Key of a tree, supervisor or child, such as shop/web/api@2."
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        explanation = ask(invocation, options["key"].rstrip("/"))
        if invocation.terminal.json:
            invocation.terminal.document(explanation.to_json())
        else:
            show(explanation, invocation.terminal, now=invocation.clock.wall())
        return ExitCode.DONE
