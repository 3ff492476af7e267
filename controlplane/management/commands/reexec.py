"""`manage.py reexec`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode


class Command(OperatorCommand):
    is_remote = False
    help = "Run the code now on disk: node and guardian exec themselves under the same pids, and no child notices."
    example = "manage.py reexec"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what",
            metavar="WHAT",
            nargs="?",
            choices=("node", "guardian", "both"),
            default="both",
            help="node, guardian or both (the default).",
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        result = invocation.ask("reexec", what=options["what"])
        if invocation.terminal.json:
            invocation.terminal.document(result)
        else:
            invocation.terminal.line(f"{' and '.join(result['reexec'])}  asked to run the code now on disk")
        return ExitCode.DONE
