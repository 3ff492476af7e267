"""`manage.py what_if`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.foreseeing import Asked, ask, show
from supervision.explain.deeds import DEEDS
from supervision.kernel.foresight import MAX_CRASHES


class Command(OperatorCommand):
    help = (
        "Say what an action, or crashes, would do: what stops, what restarts and in which order, who gives up and "
        "whom it takes along. The kernel itself is asked, from the state in the journal; nothing is done."
    )
    example = "manage.py what_if shop/web --times 4 --within 5"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "key", metavar="KEY", help="Key of a tree, supervisor or child, such as shop/web/api@2."
        )
        parser.add_argument(
            "--do",
            choices=DEEDS,
            default="crash",
            metavar="ACTION",
            help=f"What happens to it: {', '.join(DEEDS)}. Default: crash.",
        )
        parser.add_argument(
            "--times", type=int, metavar="N", help="Crashes. Default: one more than its supervisor allows."
        )
        parser.add_argument(
            "--within",
            type=int,
            metavar="SECONDS",
            help="Of these crashes. Default: its supervisor's period.",
        )
        parser.add_argument("--seconds", type=int, metavar="N", help="Of a hold. Default: until released.")

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        times, within, seconds = options["times"], options["within"], options["seconds"]
        if times is not None and not 1 <= times <= MAX_CRASHES:
            raise CliError(f"--times is 1 to {MAX_CRASHES}", exit_code=ExitCode.USAGE)
        if within is not None and not 0 <= within <= 86400:
            raise CliError("--within is 0 to 86400", exit_code=ExitCode.USAGE)
        if seconds is not None and seconds < 1:
            raise CliError("--seconds is 1 or more", exit_code=ExitCode.USAGE)
        answer = ask(invocation, Asked(options["key"].rstrip("/"), options["do"], times, within, seconds))
        if invocation.terminal.json:
            invocation.terminal.document(answer)
        else:
            show(answer, invocation.terminal)
        return ExitCode.DONE
