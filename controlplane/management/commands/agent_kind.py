"""`manage.py agent_kind`"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.agentkinds import kinds_of
from controlplane.cli.arguments import add_yes
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.storecommand import Do, StoreCommand, answer, read_mapping
from controlplane.cli.table import table
from controlplane.cli.text import printable
from supervision.trees.treefile import yaml_text

Options = Mapping[str, Any]


def _list(invocation: Invocation, _options: Options) -> None:
    found = kinds_of(invocation.remote).listed()
    rows = [[one["name"], str(one["version"]), one["description"]] for one in found]
    answer(
        invocation,
        {"kinds": [dict(one) for one in found]},
        lambda: table(("KIND", "VERSION", "WHAT IT IS"), rows, invocation.terminal, empty="No kind."),
    )


def _show(invocation: Invocation, options: Options) -> None:
    found = kinds_of(invocation.remote).shown(options["name"])
    answer(invocation, found, lambda: [printable(yaml_text(found["schema"]).rstrip(), keep="\n")])


def _plan(invocation: Invocation, options: Options) -> None:
    found = kinds_of(invocation.remote).planned(options["name"], read_mapping(options["file"]))

    def lines() -> list[str]:
        if not found["configs"]:
            return ["No agent config is of this kind."]
        said = []
        for one in found["configs"]:
            wrong = [f"{fault['pointer']}: {fault['detail']}" for fault in one["faults"]]
            said += [printable(f"{one['config']}  {words}") for words in wrong or ["fits"]]
        return said

    answer(invocation, found, lines)


def _put(invocation: Invocation, options: Options) -> None:
    found = kinds_of(invocation.remote).put(
        options["name"], read_mapping(options["file"]), description=options["description"]
    )
    answer(invocation, found, lambda: [f"{found['name']}  version {found['version']}"])


def _delete(invocation: Invocation, options: Options) -> None:
    confirm(f"Delete the agent kind {options['name']}?", invocation.terminal, yes=options["yes"])
    kinds_of(invocation.remote).deleted(options["name"])
    answer(invocation, {"kind": options["name"], "ok": True}, lambda: [f"{options['name']}  deleted"])


class Command(StoreCommand):
    help = (
        "List, show, plan, put and delete agent kinds: JSON Schemas of the arguments of agent configs. "
        "plan says which configs would become invalid, with their fields."
    )
    example = "manage.py agent_kind put crawler schema.yaml"
    noun = "kind"
    with_file: ClassVar[frozenset[str]] = frozenset({"plan", "put"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "show": _show,
        "plan": _plan,
        "put": _put,
        "delete": _delete,
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("--description", metavar="TEXT", help="With put: what the kind is.")
        add_yes(parser)
