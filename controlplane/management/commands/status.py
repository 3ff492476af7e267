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
        where = {"data": str(invocation.paths.data_dir), "socket": str(invocation.paths.control_socket)}
        if invocation.remote is not None:
            where = {"url": invocation.remote.url}
        for line in status_lines(observed, invocation.terminal, now=invocation.clock.wall(), where=where):
            invocation.terminal.line(line)
        return ExitCode.DONE
