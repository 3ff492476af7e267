"""`manage.py strays`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes, count
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.strayview import coverage_line, stray_lines


class Command(OperatorCommand):
    help = "Processes without an owner: list them, give one to a child, or end one. Those nobody adopts are ended after 5 s."
    example = "manage.py strays adopt 4711 shop/mail"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action", nargs="?", choices=("list", "adopt", "end"), default="list", help="Default: list."
        )
        parser.add_argument(
            "pid", nargs="?", type=count, metavar="PID", help="With adopt and end: which one."
        )
        parser.add_argument(
            "key", nargs="?", metavar="KEY", help="With adopt: the child that owns it from now on."
        )
        add_yes(parser)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        action, pid, key = options["action"], options["pid"], options["key"]
        terminal = invocation.terminal
        if (pid is None) != (action == "list") or (key is None) != (action != "adopt"):
            raise CliError(
                "it is `strays`, `strays adopt PID KEY` or `strays end PID`", exit_code=ExitCode.USAGE
            )
        if action == "adopt":
            result = invocation.ask("adopt_stray", pid=pid, key=key)
            said = f"pid {pid} belongs to {key} now"
        elif action == "end":
            confirm(f"Kill pid {pid} and its descendants?", terminal, yes=options["yes"])
            result = invocation.ask("end_stray", pid=pid)
            said = f"pid {pid} is being ended"
        else:
            result = invocation.ask("strays")
            strays = result.get("strays", [])
            lines = [*stray_lines(strays, terminal), coverage_line(strays, result.get("processes"))]
            said = "\n".join(line for line in lines if line)
        if terminal.json:
            terminal.document(result)
        else:
            terminal.line(said)
        return ExitCode.DONE
