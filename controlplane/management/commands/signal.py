"""`manage.py signal`"""

import argparse
import signal as signals
from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode


def name(text: str) -> str:
    """`HUP`, `SIGHUP` or `1`, as `SIGHUP`."""
    try:
        number = int(text) if text.isdigit() else signals.Signals["SIG" + text.upper().removeprefix("SIG")]
        return signals.Signals(number).name
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no signal such as HUP, USR1 or 15") from None


class Command(OperatorCommand):
    help = "Send a signal to a child's main process. If that ends it, it counts as having ended by itself."
    example = "manage.py signal shop/web/api@1 USR1"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", metavar="KEY", help="Key of the child.")
        parser.add_argument("signal", type=name, metavar="SIGNAL", help="Name or number: HUP, SIGUSR1, 15.")

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        key = options["key"].rstrip("/")
        result = invocation.ask("signal", key=key, signal=options["signal"])
        if invocation.terminal.json:
            invocation.terminal.document(result)
        else:
            pid = f" to pid {result['pid']}" if "pid" in result else ""
            invocation.terminal.line(f"{key}  {options['signal']} sent{pid}")
        return ExitCode.DONE
