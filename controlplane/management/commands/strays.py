"""`manage.py strays`"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes, count
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import ExitCode
from controlplane.cli.strayview import stray_lines


class Command(OperatorCommand):
    help = "Processes without an owner: list them, give one to a child, or end one. Those nobody adopts are ended after 5 s."
    example = "manage.py strays adopt 4711 shop/mail"

    def arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="list|adopt|end", parser_class=ArgumentParser)
        actions.add_parser("list", help="Show them (the default).")
        adopt = actions.add_parser(
            "adopt", help="Let a child own it: it stays and ends with that child from now on."
        )
        adopt.add_argument("pid", type=count, metavar="PID")
        adopt.add_argument("key", metavar="KEY")
        end = actions.add_parser("end", help="Kill it and what descends from it, now.")
        end.add_argument("pid", type=count, metavar="PID")
        add_yes(end)

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        terminal = invocation.terminal
        if options["action"] == "adopt":
            result = invocation.ask("adopt_stray", pid=options["pid"], key=options["key"])
            said = f"pid {options['pid']} belongs to {options['key']} now"
        elif options["action"] == "end":
            confirm(f"Kill pid {options['pid']} and its descendants?", terminal, yes=options["yes"])
            result = invocation.ask("end_stray", pid=options["pid"])
            said = f"pid {options['pid']} is being ended"
        else:
            result = invocation.ask("strays")
            said = "\n".join(stray_lines(result.get("strays", []), terminal))
        if terminal.json:
            terminal.document(result)
        else:
            terminal.line(said)
        return ExitCode.DONE
