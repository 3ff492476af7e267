"""Operator's commands without setting Django up: no settings, no secret key, no store, and a third of a second sooner.

`manage.py` asks here first. The commands stay ordinary Django management commands (`manage.py help` lists them,
`call_command` runs them); they only do not need what `django.setup()` brings.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.core.management.base import BaseCommand

COMMANDS = (
    "validate",
    "schema",
    "plan",
    "apply",
    "delete",
    "tree",
    "status",
    "start",
    "stop",
    "restart",
    "hold",
    "release",
    "reload",
    "signal",
    "start_child",
    "delete_child",
    "logs",
    "events",
    "explain",
    "strays",
    "reexec",
    "doctor",
)
"""Every operator's command, in the order docs/cli.md describes them."""
FOREGROUND = ("up", "guardian", "node", "system", "backup", "restore", "move_stores")
"""They start the rest, and use nothing of Django before something runs."""


def load(name: str) -> "BaseCommand":
    """The command called `name`, one of COMMANDS or FOREGROUND."""
    command: BaseCommand = import_module(f"controlplane.management.commands.{name}").Command()
    return command


def run(argv: list[str]) -> bool:
    """Run the operator's command that `argv` names; False when it names none. Ends by SystemExit where the code is not 0."""
    if len(argv) < 2 or argv[1] not in COMMANDS + FOREGROUND:
        return False
    try:
        load(argv[1]).run_from_argv(argv)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    return True
