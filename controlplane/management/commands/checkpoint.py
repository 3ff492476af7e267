"""`manage.py checkpoint`"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes
from controlplane.cli.checkpoints import checkpoints_of, number_of
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer
from controlplane.cli.table import table
from controlplane.cli.text import printable

Options = Mapping[str, Any]
HEADS = ("ID", "AGENT", "VERSION", "INC", "SCHEMA", "BYTES", "SAVED", "NODE")


def _list(invocation: Invocation, options: Options) -> None:
    asked = {name: options[name] for name in ("key", "tree") if options[name] is not None}
    found = checkpoints_of(invocation.remote).listed(asked)
    answer(
        invocation,
        {"checkpoints": [dict(one) for one in found]},
        lambda: table(HEADS, [_row(one) for one in found], invocation.terminal, empty="No checkpoint."),
    )


def _row(one: Body) -> list[str]:
    numbers = [str(one[name]) for name in ("version", "incarnation", "schema", "bytes")]
    return [str(one["id"]), one["key"], *numbers, _moment(one["at"]), one["node"][:8]]


def _moment(text: str) -> str:
    """In the zone of who looks."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _show(invocation: Invocation, options: Options) -> None:
    found = checkpoints_of(invocation.remote).shown(number_of(options["name"]))
    answer(invocation, found, lambda: [printable(f"{name}: {value}") for name, value in found.items()])


def _state(invocation: Invocation, options: Options) -> None:
    """The bytes as they were saved, to a file or to what follows in the pipe; never to a terminal unless it is text."""
    number, output = number_of(options["name"]), options["output"]
    data = checkpoints_of(invocation.remote).state(number)
    if output is not None:
        Path(output).write_bytes(data)
        answer(invocation, {"id": number, "file": output, "bytes": len(data)}, lambda: [f"{len(data)} bytes"])
        return
    try:
        text = data.decode()
    except UnicodeDecodeError:
        words = f"the state of checkpoint {number} is no text: write it to a file with --output"
        raise CliError(words, exit_code=ExitCode.FAILED) from None
    answer(invocation, {"id": number, "state": text}, lambda: [printable(text, keep="\n\t")])


def _delete(invocation: Invocation, options: Options) -> None:
    number = number_of(options["name"])
    confirm(f"Delete checkpoint {number} from the store?", invocation.terminal, yes=options["yes"])
    checkpoints_of(invocation.remote).deleted(number)
    answer(invocation, {"id": number, "ok": True}, lambda: [f"{number}  deleted"])


class Command(StoreCommand):
    help = (
        "List, show and delete checkpoints of agents as their nodes carried them to the store; "
        "state prints what an agent saved."
    )
    example = "manage.py checkpoint list --key shop/crawler"
    noun = "id"
    verbs: ClassVar[Mapping[str, Do]] = {"list": _list, "show": _show, "state": _state, "delete": _delete}

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("--key", metavar="KEY", help="With list: of this agent.")
        parser.add_argument("--tree", metavar="TREE", help="With list: of agents of this tree.")
        parser.add_argument("-o", "--output", metavar="FILE", help="With state: into this file.")
        add_yes(parser)
