"""`manage.py start_child`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.childfile import read_child
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.treefiles import refused
from supervision.runtime.client import ControlError


class Command(OperatorCommand):
    help = (
        "Add a child while the tree runs: an instance of a simple_one_for_one supervisor's template, or a child that a file "
        "describes. It is remembered; `delete_child` removes it."
    )
    example = "manage.py start_child shop/pool --instance blue"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "supervisor", metavar="SUPERVISOR", help="Key of the supervisor that gets the child."
        )
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument(
            "--instance", metavar="NAME", help="Start one more of the supervisor's template under this name."
        )
        how.add_argument(
            "--child",
            metavar="FILE",
            help="Start what this file describes: one entry of `children:`, YAML or JSON.",
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        supervisor = options["supervisor"].rstrip("/")
        if options["instance"] is not None:
            if "/" in options["instance"]:
                raise CliError("an instance's name has no slash", exit_code=ExitCode.USAGE)
            result = invocation.ask("start_child", supervisor=supervisor, instance=options["instance"])
            child = options["instance"]
        else:
            file, document = read_child(options["child"])
            try:
                result = invocation.ask("start_child", supervisor=supervisor, child=document)
            except ControlError as error:
                raise refused(file, error) from None
            child = str(document.get("id", "child"))
        key = result.get("key") or f"{supervisor}/{child}"
        if invocation.terminal.json:
            invocation.terminal.document({**result, "key": key})
        else:
            invocation.terminal.line(f"{key}  added")
        return ExitCode.DONE
