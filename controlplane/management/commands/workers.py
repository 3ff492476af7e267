"""`manage.py workers`"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer
from controlplane.cli.table import table
from controlplane.cli.taskstore import celery_of
from supervision.explain.words import duration

Options = Mapping[str, Any]
MIB = 2**20


def _list(invocation: Invocation, _options: Options) -> None:
    newest: dict[tuple[str, str], Body] = {}
    for one in celery_of(invocation.remote).workers():
        known = newest.get((one["node"], one["key"]))
        if known is None or one["incarnation"] > known["incarnation"]:
            newest[one["node"], one["key"]] = one
    found = list(newest.values())
    rows = [
        [
            one["key"], f"{one['running']}/{one['concurrency']}", str(one["tasks_total"]), _mib(one["memory_bytes"]),
            "yes" if one["consumes"] else "no", str(one["seen_at"])[:19], ", ".join(one["queues"]),
        ]
        for one in found
    ]  # fmt: skip
    heads = ("WORKER", "RUNNING", "TASKS", "MEMORY", "CONSUMES", "SEEN", "QUEUES")
    answer(
        invocation,
        {"workers": [dict(one) for one in found]},
        lambda: table(heads, rows, invocation.terminal, empty="No worker has told of itself."),
    )


def _pools(invocation: Invocation, _options: Options) -> None:
    found = celery_of(invocation.remote).pools()
    heads = ("POOL", "WORKERS", "BOUNDS", "WHO DECIDES", "WAITING", "OLDEST", "RECYCLED")
    answer(
        invocation,
        {"pools": [dict(one) for one in found]},
        lambda: table(
            heads, [_cells(one) for one in found], invocation.terminal, empty="No pool of workers."
        ),
    )


def _cells(pool: Body) -> list[str]:
    bounds = "" if pool["most"] is None else f"{pool['least']}-{pool['most']}"
    now, last = pool["recycling"], pool["last_recycled"]
    recycled = f"{now['key']} now: {now['why']}" if now else f"{last['key']}: {last['why']}" if last else ""
    oldest = "" if pool["oldest_s"] is None else duration(float(pool["oldest_s"]))
    waiting = "" if pool["waiting"] is None else str(pool["waiting"])
    return [
        pool["key"], f"{pool['workers']} of {pool['wanted']}", bounds, pool["decides"], waiting, oldest,
        pool["rolling"] or recycled,
    ]  # fmt: skip


def _scale(invocation: Invocation, options: Options) -> None:
    tree, path = _pool(options)
    text = options["workers"]
    if text is None or not (text == "auto" or (text.isdecimal() and len(text) <= 5)):
        raise CliError("scale needs --workers N, or --workers auto", exit_code=ExitCode.USAGE)
    number = None if text == "auto" else int(text)
    _say(invocation, celery_of(invocation.remote).scaled(tree, path, number, options["reason"]))


def _order(order: str) -> Do:
    def do(invocation: Invocation, options: Options) -> None:
        tree, path = _pool(options)
        if order == "drain":
            words = f"Drain {tree}/{path}? Nobody works on its queues until it is resumed."
            confirm(words, invocation.terminal, yes=options["yes"])
        _say(invocation, celery_of(invocation.remote).ordered(order, tree, path, options["reason"]))

    return do


def _pool(options: Options) -> tuple[str, str]:
    tree, slash, path = str(options["name"]).partition("/")
    if not slash or not path:
        raise CliError(f"{options['name']!r} is no pool: write tree/path", exit_code=ExitCode.USAGE)
    return tree, path


def _say(invocation: Invocation, pool: Body) -> None:
    def lines() -> list[str]:
        asked = f", {pool['by_hand']} asked for" if pool["by_hand"] is not None else ""
        rolling = f"; {pool['rolling']}" if pool["rolling"] else ""
        return [
            f"{pool['key']}  {pool['workers']} of {pool['wanted']} workers, {pool['decides']}{asked}{rolling}"
        ]

    answer(invocation, pool, lines)


def _mib(value: int | None) -> str:
    return "" if value is None else f"{value / MIB:.0f} MiB"


class Command(StoreCommand):
    help = "List Celery workers and pools of them; scale, drain, resume a pool, or restart its workers one by one."
    example = "manage.py workers scale shop/mail --workers 4 --reason sale"
    noun = "pool"
    alone: ClassVar[frozenset[str]] = frozenset({"list", "pools"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "pools": _pools,
        "scale": _scale,
        "drain": _order("drain"),
        "resume": _order("resume"),
        "restart": _order("restart"),
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument(
            "--workers",
            metavar="N",
            help="With scale: so many; `auto`: by what waits, the schedule and the tree.",
        )
        parser.add_argument("--reason", metavar="TEXT", default="", help="Why; stands in the audit log.")
        add_yes(parser)
