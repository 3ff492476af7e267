"""`manage.py error_grouping`"""

from collections.abc import Mapping
from typing import Any, ClassVar

from controlplane.cli.command import Invocation
from controlplane.cli.errorgrouping import grouping_of
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer, read_mapping
from controlplane.cli.table import table
from controlplane.cli.text import printable

Options = Mapping[str, Any]


def _show(invocation: Invocation, options: Options) -> None:
    _say(invocation, grouping_of(invocation.remote).rules(options["name"]))


def _put(invocation: Invocation, options: Options) -> None:
    _say(invocation, grouping_of(invocation.remote).put(options["name"], read_mapping(options["file"])))


def _try(invocation: Invocation, options: Options) -> None:
    found = grouping_of(invocation.remote).tried(options["name"], read_mapping(options["file"]))
    rows = [
        [str(number), str(one["events"]), *_given(one), " ".join(one["issues"])]
        for number, one in enumerate(found["rules"], start=1)
    ]

    def lines() -> list[str]:
        drawn = table(
            ("RULE", "EVENTS", "GROUPED BY", "CALLED", "NOW IN"), rows, invocation.terminal, empty="No rule."
        )
        return [*drawn, f"{found['unmatched']} of the newest {found['tried']} events match none."]

    answer(invocation, found, lines)


def _say(invocation: Invocation, found: Body) -> None:
    rows = [
        [" ".join(printable(f"{field}:{pattern}") for field, pattern in one["match"]), *_given(one)]
        for one in found["rules"]
    ]
    empty = "No rule: reports are grouped by what failed where."
    answer(
        invocation,
        found,
        lambda: table(("MATCH", "GROUPED BY", "CALLED"), rows, invocation.terminal, empty=empty),
    )


def _given(one: Mapping[str, Any]) -> list[str]:
    """Any: a rule, or a trial of one."""
    return [printable(", ".join(one["fingerprint"])), printable(one["title"])]


class Command(StoreCommand):
    help = "Rules of a project by which its error reports are grouped; try shows what they would have done."
    example = "manage.py error_grouping try shop grouping.yaml"
    noun = "project"
    alone: ClassVar[frozenset[str]] = frozenset()
    with_file: ClassVar[frozenset[str]] = frozenset({"put", "try"})
    verbs: ClassVar[Mapping[str, Do]] = {"show": _show, "put": _put, "try": _try}
