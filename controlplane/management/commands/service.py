"""`manage.py service`"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.arguments import START_TIMEOUT_S, add_yes, seconds
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.declaredservices import services_of
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer, read_mapping
from controlplane.cli.table import table
from controlplane.cli.text import printable

Options = Mapping[str, Any]


def _list(invocation: Invocation, _options: Options) -> None:
    found = services_of(invocation.remote).listed()
    rows = [
        [f"{one['namespace']}/{one['name']}", str(one["min_ready"]), ", ".join(one["depends_on"]), one["description"]]
        for one in found
    ]  # fmt: skip
    answer(
        invocation,
        {"services": [dict(one) for one in found]},
        lambda: table(
            ("SERVICE", "NEEDS", "DEPENDS ON", "WHAT IT IS"), rows, invocation.terminal, empty="No service."
        ),
    )


def _show(invocation: Invocation, options: Options) -> None:
    services = services_of(invocation.remote)
    declared, standing = services.shown(options["name"]), services.standing(options["name"])

    def lines() -> list[str]:
        said = [f"{declared['namespace']}/{declared['name']}  {_standing(standing)}"]
        if declared["depends_on"]:
            said.append(f"depends on {', '.join(declared['depends_on'])}")
        return [*said, *([printable(declared["description"])] if declared["description"] else [])]

    answer(invocation, {**declared, "standing": dict(standing)}, lines)


def _standing(found: Body) -> str:
    count = f"{found['providers']} ready provider{'' if found['providers'] == 1 else 's'}"
    return f"ready, {count}" if found["ready"] else f"not ready: {printable(', '.join(found['missing']))}"


def _put(invocation: Invocation, options: Options) -> None:
    found = services_of(invocation.remote).put(options["name"], read_mapping(options["file"]))
    name = f"{found['namespace']}/{found['name']}"
    answer(invocation, found, lambda: [f"{name}  version {found['version']}"])


def _delete(invocation: Invocation, options: Options) -> None:
    confirm(f"Forget the service {options['name']}?", invocation.terminal, yes=options["yes"])
    services_of(invocation.remote).deleted(options["name"])
    answer(invocation, {"service": options["name"], "ok": True}, lambda: [f"{options['name']}  deleted"])


def _wait(invocation: Invocation, options: Options) -> None:
    found = services_of(invocation.remote).waited(options["name"], options["timeout"])
    if not found["ready"]:
        missing = ", ".join(found["missing"])
        raise CliError(
            f"{options['name']} is not ready after {options['timeout']:g} s: {printable(missing)}",
            exit_code=ExitCode.TIMEOUT,
            details={"missing": found["missing"]},
        )
    answer(invocation, found, lambda: [f"{options['name']}  {_standing(found)}"])


class Command(StoreCommand):
    help = (
        "List, show, put and delete services of the registry, and wait for one: what each depends on, "
        "how many ready providers it needs, whether it is ready."
    )
    example = "manage.py service wait shop/prices --timeout 2m"
    noun = "namespace/name"
    with_file: ClassVar[frozenset[str]] = frozenset({"put"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "show": _show,
        "put": _put,
        "delete": _delete,
        "wait": _wait,
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument(
            "--timeout",
            type=seconds,
            default=START_TIMEOUT_S,
            metavar="TIME",
            help=f"With wait: how long (default: {START_TIMEOUT_S:g}s).",
        )
        add_yes(parser)
