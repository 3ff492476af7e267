"""`manage.py delete_child`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import ExitCode


class Command(OperatorCommand):
    help = "Stop and remove a child that was added with `start_child`. One that a tree file declares goes by `apply`."
    example = "manage.py delete_child shop/pool/blue"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", metavar="KEY", help="Key of the child.")
        add_yes(parser)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        key = options["key"].rstrip("/")
        confirm(f"Stop and remove {key}?", invocation.terminal, yes=options["yes"])
        with invocation.connect() as client:
            result = client.call("delete_child", key=key)
        if invocation.terminal.json:
            invocation.terminal.document(result)
        else:
            invocation.terminal.line(f"{key}  removed")
        return ExitCode.DONE
