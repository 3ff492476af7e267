"""`manage.py status`"""

from typing import Any

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.statusview import status_lines
from supervision.runtime.observed import Observed


class Command(OperatorCommand):
    help = (
        "Whether guardian and node run, since when, and how many children are in which state. "
        "Exit code 4 when no node answers."
    )
    example = "manage.py status --json"

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        if invocation.terminal.json:
            invocation.terminal.document(invocation.ask("status"))
            return ExitCode.DONE
        observed = Observed.from_json(invocation.ask("tree"))
        for line in status_lines(
            observed, invocation.terminal, now=invocation.clock.wall(), paths=invocation.paths
        ):
            invocation.terminal.line(line)
        return ExitCode.DONE
