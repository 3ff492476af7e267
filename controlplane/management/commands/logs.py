"""`manage.py logs`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_keys, count
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.logview import LogPrinter, Output, Selection, following, past, select_keys
from controlplane.cli.moments import since
from controlplane.cli.remote.http import Api
from controlplane.cli.remote.output import RemoteOutput
from supervision.runtime.output import OutputStore

LINES = 50
FOLLOW_LINES = 10


class Command(OperatorCommand):
    help = (
        "What children wrote to stdout and stderr, by time; several at once with their keys in front. "
        "Works with the node dead."
    )
    example = "manage.py logs -f shop/web --stderr"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser)
        parser.add_argument(
            "-f", "--follow", action="store_true", help="Go on with what is written from now on."
        )
        parser.add_argument(
            "-n",
            "--lines",
            type=count,
            metavar="N",
            help=f"The last N lines (default: {LINES}, with -f {FOLLOW_LINES}, with --since all).",
        )
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--stdout", action="store_true", help="Standard output only.")
        one.add_argument("--stderr", action="store_true", help="Standard error only.")
        parser.add_argument(
            "--since", type=since, metavar="WHEN", help="10m (ago), 14:30, or a date and time."
        )
        parser.add_argument(
            "--incarnation", type=count, metavar="N", help="Only what this incarnation wrote."
        )
        parser.add_argument("-t", "--time", action="store_true", help="The time of each line in front of it.")

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        words = tuple(word.rstrip("/") for word in options["keys"])
        if any(not part or part.startswith(".") for word in words for part in word.split("/")):
            raise CliError(f"not a key: {' '.join(words)}", exit_code=ExitCode.USAGE)
        selection = Selection(
            words,
            streams=("out",) if options["stdout"] else ("err",) if options["stderr"] else ("out", "err"),
            since=options["since"],
            incarnation=options["incarnation"],
            lines=_lines(options),
        )
        store: Output = OutputStore(invocation.paths.logs_dir)
        if invocation.remote is not None:
            store = RemoteOutput(Api(invocation.remote))
        keys = select_keys(invocation, store, words)
        printer = LogPrinter(
            invocation.terminal, keys=keys, times=options["time"], now=invocation.clock.wall()
        )
        if options["follow"]:
            for batch in following(store, keys, selection):
                printer.several(line.key for line in batch)
                for line in batch:
                    printer.show(line)
                invocation.terminal.out.flush()
            return ExitCode.DONE
        for line in past(store, keys, selection):
            printer.show(line)
        if not keys:
            invocation.terminal.note(f"{' '.join(words)}: has written nothing")
        return ExitCode.DONE


def _lines(options: dict[str, Any]) -> int | None:
    if options["lines"] is not None:
        return int(options["lines"])
    if options["since"] is not None:
        return None
    return FOLLOW_LINES if options["follow"] else LINES
