"""`manage.py issue_rule`"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from controlplane.cli.command import Invocation
from controlplane.cli.issuerules import called, issue_rules_of
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer, read_mapping
from controlplane.cli.table import table
from controlplane.cli.text import printable

Options = Mapping[str, Any]
HEADS = ("RULE", "TRIGGER", "PROJECT", "ENVIRONMENT", "STATE", "FILTER")


def _list(invocation: Invocation, _options: Options) -> None:
    found = issue_rules_of(invocation.remote).listed()
    rows = [
        [printable(one["name"]), one["trigger"], one["project"] or "all", one["environment"] or "any", _state(one),
         printable(one["filter"])]
        for one in found
    ]  # fmt: skip
    answer(
        invocation,
        {"rules": [dict(one) for one in found]},
        lambda: table(HEADS, rows, invocation.terminal, empty="There is no rule on errors."),
    )


def _state(rule: Body) -> str:
    if not rule["enabled"]:
        return "off"
    return rule["trouble"] or (f"{rule['found']} open" if rule["found"] else "calm")


def _show(invocation: Invocation, options: Options) -> None:
    found = called(issue_rules_of(invocation.remote).listed(), options["name"])
    answer(
        invocation,
        found,
        lambda: orjson.dumps(dict(found), default=str, option=orjson.OPT_INDENT_2).decode().split("\n"),
    )


def _put(invocation: Invocation, options: Options) -> None:
    _changed(invocation, options, read_mapping(options["file"]))


def _switch(*, on: bool) -> Do:
    def change(invocation: Invocation, options: Options) -> None:
        called(issue_rules_of(invocation.remote).listed(), options["name"])
        _changed(invocation, options, {"enabled": on})

    return change


def _changed(invocation: Invocation, options: Options, body: Body) -> None:
    found = issue_rules_of(invocation.remote).put(options["name"], body)
    answer(invocation, found, lambda: [f"{printable(found['name'])}  {_state(found)}"])


def _delete(invocation: Invocation, options: Options) -> None:
    issue_rules_of(invocation.remote).deleted(options["name"])
    answer(invocation, {"rule": options["name"], "ok": True}, lambda: [f"{options['name']}  removed"])


class Command(StoreCommand):
    help = "List, show, make, change, switch and remove rules that tell of issues of the error store."
    example = "manage.py issue_rule put 'new in production' rule.yaml"
    noun = "rule"
    with_file: ClassVar[frozenset[str]] = frozenset({"put"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "show": _show,
        "put": _put,
        "enable": _switch(on=True),
        "disable": _switch(on=False),
        "delete": _delete,
    }
