"""Commands about rows of the store: one verb, what it is about, and answers in the shapes of the API.

On the control plane's host they go through its services, as whoever runs the command; with --url over REST.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser
from django.db import OperationalError

from agents.exceptions import UnknownError
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import CliError, ExitCode
from supervision.trees.treefile import TreeFileErrors, read_tree_file

Body = Mapping[str, Any]
Do = Callable[[Invocation, Mapping[str, Any]], None]


class StoreCommand(OperatorCommand):
    """Base of them. `verbs`: what each does; `alone`: verbs that take no name; `with_file`: verbs that need a file."""

    verbs: ClassVar[Mapping[str, Do]]
    noun: ClassVar[str]
    """What the name is called, such as `namespace/name`."""
    alone: ClassVar[frozenset[str]] = frozenset({"list"})
    with_file: ClassVar[frozenset[str]] = frozenset()

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("do", choices=list(self.verbs), help="What to do.")
        parser.add_argument("name", nargs="?", metavar=self.noun.upper(), help="Not with list.")
        if self.with_file:
            parser.add_argument(
                "file",
                nargs="?",
                help=f"YAML or JSON, `-` for standard input ({', '.join(sorted(self.with_file))}).",
            )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        do = options["do"]
        if (do in self.alone) == bool(options["name"]):
            words = "takes no name" if do in self.alone else f"needs a {self.noun}"
            raise CliError(f"{do} {words}", exit_code=ExitCode.USAGE)
        if (do in self.with_file) != bool(options.get("file")):
            words = "needs a file" if do in self.with_file else "takes no file"
            raise CliError(f"{do} {words}", exit_code=ExitCode.USAGE)
        try:
            self.verbs[do](invocation, options)
        except UnknownError as error:
            raise CliError(str(error), exit_code=ExitCode.NOT_FOUND) from None
        except OperationalError:
            raise CliError("PostgreSQL does not answer", code="unavailable") from None
        return ExitCode.DONE


def answer(invocation: Invocation, body: Body, lines: Callable[[], list[str]]) -> None:
    """The body with --json, else its lines."""
    if invocation.terminal.json:
        invocation.terminal.document(dict(body))
        return
    for line in lines():
        invocation.terminal.line(line)


def namespace_and_name(ref: str, what: str) -> tuple[str, str]:
    """`namespace/name`; a name alone is one of the namespace `default`. Raises CliError."""
    namespace, slash, name = ref.rpartition("/")
    if not name or "/" in namespace or (slash and not namespace):
        raise CliError(f"{ref!r} is no {what}: write namespace/name", exit_code=ExitCode.USAGE)
    return namespace or "default", name


def read_mapping(path: str) -> dict[str, Any]:
    """What the file says; whether it is right, the control plane decides. CliError for what cannot be read."""
    try:
        value = read_tree_file(path).text.value
    except TreeFileErrors as errors:
        raise CliError(str(errors), code="invalid") from None
    if not isinstance(value, dict):
        raise CliError(f"{path} holds no mapping", code="invalid")
    return value
