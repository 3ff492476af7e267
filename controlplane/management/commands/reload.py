"""`manage.py reload`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode


class Command(OperatorCommand):
    help = "Ask a running child to read its configuration again, in the way its tree file names (`reload`, `reload_signal`)."
    example = "manage.py reload shop/web/api@1"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", metavar="KEY", help="Key of the child.")

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        key = options["key"].rstrip("/")
        result = invocation.ask("reload", key=key)
        if invocation.terminal.json:
            invocation.terminal.document(result)
        else:
            how = (
                f" ({result['signal']} to pid {result['pid']})"
                if "signal" in result and "pid" in result
                else ""
            )
            invocation.terminal.line(f"{key}  asked to reload{how}")
        return ExitCode.DONE
