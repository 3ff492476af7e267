"""`manage.py tasks`"""

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
from supervision.tasks.states import RunState

Options = Mapping[str, Any]
STATES = (*(state.value for state in RunState), "open", "dead")
MOST = 10_000


def _list(invocation: Invocation, options: Options) -> None:
    _show_list(invocation, options, options["state"])


def _dead(invocation: Invocation, options: Options) -> None:
    _show_list(invocation, options, "dead")


def _show_list(invocation: Invocation, options: Options, state: str) -> None:
    if not 0 < options["limit"] <= MOST:
        raise CliError(f"--limit is from 1 to {MOST}", exit_code=ExitCode.USAGE)
    filters = {"state": state, **{name: options[name] for name in ("task_name", "queue", "supervisor")}}
    filters["name"] = filters.pop("task_name")
    found = celery_of(invocation.remote).tasks(filters, options["limit"])
    rows = [
        [one["id"], one["name"], one["state"], str(one["attempt"]), one["queue"], str(one["created_at"])[:19], one["reason"]]
        for one in found
    ]  # fmt: skip
    heads = ("ID", "TASK", "STATE", "ATTEMPT", "QUEUE", "MADE", "REASON")
    answer(
        invocation,
        {"tasks": [dict(one) for one in found]},
        lambda: table(heads, rows, invocation.terminal, empty="No such task."),
    )


def _show(invocation: Invocation, options: Options) -> None:
    found = celery_of(invocation.remote).task(options["name"])
    answer(invocation, found, lambda: _lines(found))


def _lines(task: Body) -> list[str]:
    facts = (
        "state",
        "name",
        "queue",
        "supervisor",
        "key",
        "holder",
        "reason",
        "message",
        "created_at",
        "ended_at",
    )
    lines = [task["id"], *(f"{name}: {task[name]}" for name in facts if task[name])]
    for one in task["attempts"]:
        ended = f" {one['reason']}" if one["reason"] else ""
        lines.append(
            f"attempt {one['number']}, epoch {one['epoch']}: {one['outcome']}{ended}, by {one['holder'] or 'nobody'}"
        )
    return lines + (["", task["traceback"].rstrip()] if task["traceback"] else [])


def _retry(invocation: Invocation, options: Options) -> None:
    """One, by its id."""
    _say(invocation, celery_of(invocation.remote).changed("replay", options["name"], options["reason"]))


def _revoke(invocation: Invocation, options: Options) -> None:
    _say(invocation, celery_of(invocation.remote).changed("revoke", options["name"], options["reason"]))


def _replay(invocation: Invocation, options: Options) -> None:
    """Many, by name or queue."""
    name, queue = options["task_name"], options["queue"]
    if not name and not queue:
        raise CliError("replay needs --name, --queue or both", exit_code=ExitCode.USAGE)
    confirm(f"Run the dead letters of {name or queue} again?", invocation.terminal, yes=options["yes"])
    count = celery_of(invocation.remote).replayed(name, queue, options["reason"])
    answer(invocation, {"replayed": count}, lambda: [f"{count} run again"])


def _say(invocation: Invocation, task: Body) -> None:
    asked = ", to be revoked" if task["revoke_requested_at"] and not task["ended_at"] else ""
    answer(invocation, task, lambda: [f"{task['id']}  {task['name']}  {task['state']}{asked}"])


class Command(StoreCommand):
    help = (
        "List tasks by state, name, queue or supervisor; show one with its attempts; run a dead letter again (`retry`), or "
        "many of them (`replay`); `dead` lists them; `revoke` one that nobody wants any more."
    )
    example = "manage.py tasks list --state dead --queue mail"
    noun = "id"
    alone: ClassVar[frozenset[str]] = frozenset({"list", "dead", "replay"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "show": _show,
        "retry": _retry,
        "revoke": _revoke,
        "dead": _dead,
        "replay": _replay,
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("--state", choices=STATES, default="", help="With list.")
        parser.add_argument(
            "--name", dest="task_name", metavar="TASK", default="", help="Tasks of this name."
        )
        parser.add_argument("--queue", metavar="QUEUE", default="", help="Tasks of this queue.")
        parser.add_argument("--supervisor", metavar="NAME", default="", help="Started under it.")
        parser.add_argument(
            "--limit", type=int, metavar="N", default=50, help="So many at most (50), the newest."
        )
        parser.add_argument("--reason", metavar="TEXT", default="", help="Why; stands in the audit log.")
        add_yes(parser)
