"""`manage.py error_owners`"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation
from controlplane.cli.errorowners import owners_of
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer, read_mapping
from controlplane.cli.table import table
from controlplane.cli.text import printable

Options = Mapping[str, Any]


def _teams(invocation: Invocation, _options: Options) -> None:
    found = owners_of(invocation.remote).teams()
    rows = [[one["slug"], printable(one["name"]), ", ".join(one["members"])] for one in found]
    answer(
        invocation,
        {"teams": [dict(one) for one in found]},
        lambda: table(("TEAM", "NAME", "MEMBERS"), rows, invocation.terminal, empty="There is no team."),
    )


def _team(invocation: Invocation, options: Options) -> None:
    said = {"name": options["words"], "members": options["member"]}
    body = {name: value for name, value in said.items() if value is not None}
    found = owners_of(invocation.remote).team(options["name"], body)
    answer(invocation, found, lambda: [f"{found['slug']}  {', '.join(found['members']) or 'nobody'}"])


def _drop(invocation: Invocation, options: Options) -> None:
    owners_of(invocation.remote).dropped(options["name"])
    answer(invocation, {"team": options["name"], "ok": True}, lambda: [f"{options['name']}  removed"])


def _show(invocation: Invocation, options: Options) -> None:
    _say(invocation, owners_of(invocation.remote).rules(options["name"]))


def _put(invocation: Invocation, options: Options) -> None:
    _say(invocation, owners_of(invocation.remote).put(options["name"], read_mapping(options["file"])))


def _say(invocation: Invocation, found: Body) -> None:
    rows = [
        [" ".join(printable(f"{field}:{pattern}") for field, pattern in one["match"]), one["user"] or f"#{one['team']}"]
        for one in found["owners"]
    ]  # fmt: skip
    answer(
        invocation,
        found,
        lambda: table(("MATCH", "OWNER"), rows, invocation.terminal, empty="New issues are nobody's."),
    )


class Command(StoreCommand):
    help = "Teams, and the rules of a project that say whose its new issues are."
    example = "manage.py error_owners put shop owners.yaml"
    noun = "team or project"
    alone: ClassVar[frozenset[str]] = frozenset({"teams"})
    with_file: ClassVar[frozenset[str]] = frozenset({"put"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "teams": _teams,
        "team": _team,
        "drop": _drop,
        "show": _show,
        "put": _put,
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("--words", metavar="TEXT", help="With team: what it is called in words.")
        parser.add_argument(
            "--member",
            metavar="USER",
            action="append",
            help="With team: who is in it; several times: all of them.",
        )
