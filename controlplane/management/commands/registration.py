"""`manage.py registration`"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.registrations import registrations_of
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer
from controlplane.cli.table import table
from controlplane.cli.text import printable

Options = Mapping[str, Any]
ASKED = ("namespace", "key", "child", "capability", "service", "label")
HEADS = ("KEY", "HELD BY", "NODE", "SERVICE", "READY", "CAN")


def _list(invocation: Invocation, options: Options) -> None:
    found = registrations_of(invocation.remote).listed(_asked(options))
    answer(
        invocation,
        {"registrations": [dict(one) for one in found]},
        lambda: table(
            HEADS, [_row(one) for one in found], invocation.terminal, empty="Nobody holds such a key."
        ),
    )


def _asked(options: Options) -> dict[str, str]:
    asked = {name: options[name] for name in ASKED if options[name] is not None}
    if options["on"] is not None:
        asked["node"] = options["on"]
    if "label" in asked and not asked["label"].partition("=")[1]:
        raise CliError("--label takes a name and a value: zone=north", exit_code=ExitCode.USAGE)
    if options["healthy"] is not None:
        asked["healthy"] = "true" if options["healthy"] else "false"
    return asked


def _row(one: Body) -> list[str]:
    holder = f"{one['child']} #{one['incarnation']}" if one["child"] else one["holder"]
    ready = "yes" if one["ready"] else "no"
    name = f"{one['namespace']}/{one['key']}"
    return [name, holder, one["node_name"], one["service"], ready, ", ".join(one["capabilities"])]


def _show(invocation: Invocation, options: Options) -> None:
    found = registrations_of(invocation.remote).shown(options["name"])

    def lines() -> list[str]:
        named = {name: value for name, value in found.items() if value not in (None, "", [], {})}
        return [printable(f"{name}: {_words(value)}") for name, value in named.items()]

    answer(invocation, found, lines)


def _words(value: Any) -> str:
    """Any: a value of the body."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={inner}" for name, inner in value.items())
    return str(value)


def _release(invocation: Invocation, options: Options) -> None:
    confirm(f"Take {options['name']} away from its holder?", invocation.terminal, yes=options["yes"])
    registrations_of(invocation.remote).taken_away(options["name"])
    answer(invocation, {"key": options["name"], "ok": True}, lambda: [f"{options['name']}  is free"])


class Command(StoreCommand):
    help = (
        "List and show who holds which key of the registry, by capability, health, node and label; "
        "release takes a key away from its holder."
    )
    example = "manage.py registration list --capability scrape --healthy --label zone=north"
    noun = "namespace/key"
    verbs: ClassVar[Mapping[str, Do]] = {"list": _list, "show": _show, "release": _release}

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("--capability", metavar="NAME", help="With list: who can do this.")
        health = parser.add_mutually_exclusive_group()
        health.add_argument(
            "--healthy", action="store_true", default=None, help="With list: ready, and its child runs."
        )
        health.add_argument(
            "--unhealthy", action="store_false", dest="healthy", default=None, help="With list: the others."
        )
        parser.add_argument("--on", metavar="NODE", help="With list: by name or id of the node.")
        parser.add_argument(
            "--label", metavar="NAME=VALUE", help="With list: of the registration or of its node."
        )
        parser.add_argument("--namespace", metavar="NAME", help="With list.")
        parser.add_argument("--key", metavar="KEY", help="With list: this key, in any namespace.")
        parser.add_argument("--child", metavar="KEY", help="With list: what this child holds.")
        parser.add_argument("--service", metavar="NAME", help="With list: who provides it.")
        add_yes(parser)
