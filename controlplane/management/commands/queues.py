"""`manage.py queues`"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer
from controlplane.cli.table import table
from controlplane.cli.taskstore import Celery, answer_of, celery_of
from supervision.explain.words import duration

Options = Mapping[str, Any]
MOST = 100


def _list(invocation: Invocation, _options: Options) -> None:
    found = celery_of(invocation.remote).queues()
    rows = [
        [
            one["name"], one["app"], str(one["length"]),
            "" if one["oldest_s"] is None else duration(float(one["oldest_s"])), str(one["seen_at"])[:19],
        ]
        for one in found
    ]  # fmt: skip
    answer(
        invocation,
        {"queues": [dict(one) for one in found]},
        lambda: table(
            ("QUEUE", "APPLICATION", "WAITING", "OLDEST", "SEEN"),
            rows,
            invocation.terminal,
            empty="No queue is known.",
        ),
    )


def _peek(invocation: Invocation, options: Options) -> None:
    if not 0 < options["limit"] <= MOST:
        raise CliError(f"--limit is from 1 to {MOST}", exit_code=ExitCode.USAGE)
    celery = celery_of(invocation.remote)
    asked = celery.asked("peek", _app(celery, options), options["name"], {"limit": options["limit"]})
    found = answer_of(celery, asked, invocation.clock)
    messages: list[Body] = list(found.get("messages", ()))
    rows = [
        [str(one.get("id", "")), str(one.get("name", "")), json.dumps(one.get("args", ""))]
        for one in messages
    ]
    answer(
        invocation,
        found,
        lambda: table(("ID", "TASK", "ARGUMENTS"), rows, invocation.terminal, empty="Nothing waits."),
    )


def _purge(invocation: Invocation, options: Options) -> None:
    celery = celery_of(invocation.remote)
    app, queue = _app(celery, options), options["name"]
    [length] = [one["length"] for one in celery.queues() if (one["app"], one["name"]) == (app, queue)]
    words = f"Throw away what waits in {queue} of {app}, about {length} messages? Nothing brings them back."
    confirm(words, invocation.terminal, yes=options["yes"])
    found = answer_of(
        celery, celery.asked("purge", app, queue, {"reason": options["reason"]}), invocation.clock
    )
    answer(invocation, found, lambda: [f"{queue}  {found.get('purged', 0)} messages thrown away"])


def _app(celery: Celery, options: Options) -> str:
    """The queue's application: the one that is named, or the only one that has it."""
    apps = [str(one["app"]) for one in celery.queues() if one["name"] == options["name"]]
    if options["app"]:
        apps = [app for app in apps if app == options["app"]]
    if not apps:
        words = f"no worker has told of a queue {options['name']!r}"
        raise CliError(words, exit_code=ExitCode.NOT_FOUND, code="not_found")
    if len(apps) > 1:
        words = f"{', '.join(sorted(apps))} have a queue {options['name']}: say which with --app"
        raise CliError(words, exit_code=ExitCode.USAGE)
    return apps[0]


class Command(StoreCommand):
    help = (
        "List the queues of Celery workers; look into one (`peek`), or throw away what waits in it (`purge`)."
    )
    example = "manage.py queues peek mail --limit 5"
    noun = "queue"
    verbs: ClassVar[Mapping[str, Do]] = {"list": _list, "peek": _peek, "purge": _purge}

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument(
            "--app", metavar="APP", default="", help="Where several have a queue of this name."
        )
        parser.add_argument("--limit", type=int, metavar="N", default=20, help="With peek: messages (20).")
        parser.add_argument("--reason", metavar="TEXT", default="", help="Why; stands in the audit log.")
        add_yes(parser)
