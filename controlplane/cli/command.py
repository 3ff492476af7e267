"""What every operator's command shares: options, output, errors, exit codes.

A command needs no database and no system checks; it must also work on a host where Django cannot be set up for want of a
store. Expected failures end in one line and an exit code (docs/cli.md), never in a traceback.
"""

import argparse
import contextlib
import os
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, TextIO

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

from controlplane.cli import problems
from controlplane.cli.clients import Client
from controlplane.cli.exits import CliError, ExitCode, from_control
from controlplane.cli.remote.address import TOKEN, URL, Address, address_of
from controlplane.cli.remote.client import RemoteClient
from controlplane.cli.terminal import Terminal, Tone
from supervision.exceptions import SupervisionError
from supervision.runtime.client import CONNECT_TIMEOUT_S, ControlClient, ControlError
from supervision.runtime.clock import Clock, SystemClock
from supervision.runtime.observed import Observed
from supervision.runtime.paths import Paths

QUICK_TIMEOUT_S = 10.0
"""For requests the node answers from memory. A node that hangs is replaced by its guardian after 2 s."""
REMOTE_TIMEOUT_S = 150.0
"""A command is taken by the node within its deadline, or said to have expired."""


@dataclass(slots=True)
class Invocation:
    """One run of a command: where it writes, which instance it means, what time it is."""

    terminal: Terminal
    paths: Paths
    clock: Clock
    options: dict[str, Any]
    remote: Address | None = None
    """The control plane that is meant instead of the instance on this host."""

    def connect(self, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Client:
        """A connection of its own to the node, or to the control plane; ControlError when there is none."""
        if self.remote is not None:
            return RemoteClient(self.remote, clock=self.clock)
        return ControlClient(self.paths.control_socket, clock=self.clock, connect_timeout_s=timeout_s)

    def ask(self, op: str, **args: Any) -> Any:
        """One quick question on a connection of its own."""
        with self.connect() as client:
            return client.call(op, timeout_s=self.quick_timeout_s, **args)

    @property
    def quick_timeout_s(self) -> float:
        """From another machine a request passes a web server, a store and possibly a node."""
        return QUICK_TIMEOUT_S if self.remote is None else REMOTE_TIMEOUT_S

    def observe(self, client: Client | None = None) -> Observed:
        """What is, now."""
        if client is None:
            return Observed.from_json(self.ask("tree"))
        return Observed.from_json(client.call("tree", timeout_s=self.quick_timeout_s))


class OperatorParser(CommandParser):
    """Options are written out (an abbreviation that works today would break a script tomorrow) and may stand anywhere
    between the other words; errors respect --json."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self.usage_exit = ExitCode.USAGE
        self.as_json = False

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = [] if args is None else list(args)
        self.as_json = "--json" in words
        if "--detailed-exitcode" in words:
            self.usage_exit = ExitCode.FAILED
        return self.parse_intermixed_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        error = CliError(message, exit_code=ExitCode.USAGE)
        if self.as_json:
            Terminal.of(sys.stdout, sys.stderr, as_json=True).document(error.to_json())
        else:
            self.print_usage(sys.stderr)
            sys.stderr.write(f"{self.prog}: {message}\n")
        raise SystemExit(int(self.usage_exit))


class HelpFormatter(DjangoHelpFormatter):
    """Eighty columns at most, whatever the terminal; the options that every command has stand last."""

    show_last = {
        "--json",
        "--data-dir",
        "--url",
        "--token",
        "--node",
        "--no-color",
        "--force-color",
        "--help",
    }

    def __init__(self, prog: str, **kwargs: Any) -> None:
        kwargs["width"] = min(80, int(kwargs.get("width") or 80))
        super().__init__(prog, max_help_position=26, **kwargs)


class OperatorCommand(BaseCommand):
    """Base of the commands. Subclasses say `help`, add `arguments` and `run`."""

    requires_system_checks = []
    is_remote: ClassVar[bool] = True
    """Whether it also works from another machine."""
    example: ClassVar[str] = ""
    """A command line worth copying; shown below --help and in docs/cli.md."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", HelpFormatter)
        parser = OperatorParser(
            prog=f"{os.path.basename(prog_name)} {subcommand}",  # noqa: PTH119
            description=self.help,
            epilog=f"Example: {self.example}" if self.example else None,
            called_from_command_line=getattr(self, "_called_from_command_line", None),
            **kwargs,
        )
        self.arguments(parser)
        parser.add_argument(
            "--json", action="store_true", help="Print JSON, errors included (shapes: docs/cli.md)."
        )
        parser.add_argument(
            "--data-dir",
            metavar="DIR",
            help="The instance to talk to (default: $OVERSTORY_DATA_DIR, else ./var).",
        )
        if self.is_remote:
            parser.add_argument(
                "--url", metavar="URL", help=f"A control plane on another machine (default: ${URL})."
            )
            parser.add_argument("--token", metavar="TOKEN", help=f"A token for it (default: ${TOKEN}).")
            parser.add_argument("--node", metavar="NAME", help="With --url: this node alone, by name or id.")
        parser.add_argument("--no-color", action="store_true", help="No colours, as with NO_COLOR set.")
        parser.add_argument("--force-color", action="store_true", help="Colours even into a pipe.")
        # Django reads these three from every command; they mean nothing here.
        parser.add_argument("--settings", help=argparse.SUPPRESS)
        parser.add_argument("--pythonpath", help=argparse.SUPPRESS)
        parser.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """As Django's, without closing database connections: opening the settings for that would need a store's address."""
        self._called_from_command_line = True
        options = vars(self.create_parser(argv[0], argv[1]).parse_args(argv[2:]))
        self.handle(**options)

    def arguments(self, parser: CommandParser) -> None:
        """Add what this command alone takes."""

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode | int | None:
        """Do it. None means done; CliError and ControlError are the ways to fail."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        out: TextIO = getattr(self.stdout, "_out", sys.stdout)
        err: TextIO = getattr(self.stderr, "_out", sys.stderr)
        with contextlib.suppress(AttributeError, ValueError, OSError):
            out.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]  # suppressed; a name from elsewhere must not end a command
        terminal = Terminal.of(
            out,
            err,
            as_json=options["json"],
            no_color=options["no_color"],
            force_color=options["force_color"],
        )
        invocation = Invocation(terminal, Paths.from_environment(options["data_dir"]), SystemClock(), options)
        code = run_safely(self, invocation, options)
        if code:
            raise SystemExit(int(code))


def run_safely(command: OperatorCommand, invocation: Invocation, options: dict[str, Any]) -> int:
    """Run the command and turn every expected end into an exit code, with words where there is something to say."""
    terminal = invocation.terminal
    try:
        try:
            if command.is_remote:
                invocation.remote = address_of(options, os.environ)
            code = command.run(invocation, options)
            terminal.out.flush()
            return int(code or ExitCode.DONE)
        except ControlError as error:
            return report(from_control(error), terminal)
        except CliError as error:
            return report(error, terminal)
        except SupervisionError as error:
            return report(CliError(str(error)), terminal)
        except BrokenPipeError:
            raise
        except OSError as error:
            words = f"{error.filename or invocation.paths.data_dir}: {error.strerror or error}"
            return report(CliError(words, code="io"), terminal)
        except KeyboardInterrupt:
            if not terminal.json:
                terminal.note("")
            return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Python would complain at exit when it flushes what nobody reads.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), terminal.out.fileno())
        return ExitCode.PIPE_CLOSED


def report(error: CliError, terminal: Terminal) -> ExitCode:
    """Say what went wrong: on standard output with --json, else on standard error."""
    if terminal.json:
        terminal.document(error.to_json())
        terminal.out.flush()
    else:
        problems.show(problems.carried_by(error.details), terminal)
        terminal.out.flush()
        where = f" (at {error.pointer})" if error.pointer else ""
        terminal.note(terminal.paint("error:", Tone.CRIT) + f" {error.message}{where}")
        if error.hint:
            terminal.note(error.hint)
    return error.exit_code
