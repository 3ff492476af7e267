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
    "recycle",
    "hold",
    "release",
    "reload",
    "signal",
    "start_child",
    "delete_child",
    "logs",
    "events",
    "explain",
    "what_if",
    "strays",
    "reexec",
    "doctor",
)
"""Every operator's command, in the order docs/cli.md describes them."""
FOREGROUND = ("up", "guardian", "node", "system", "backup", "restore", "move_stores")
"""They start the rest, and use nothing of Django before something runs."""
HELPERS = ("courier",)
"""A node starts them. They set Django up by themselves."""


def load(name: str) -> "BaseCommand":
    """The command called `name`, one of COMMANDS, FOREGROUND or HELPERS."""
    command: BaseCommand = import_module(f"controlplane.management.commands.{name}").Command()
    return command


def run(argv: list[str]) -> bool:
    """Run the operator's command that `argv` names; False when it names none. Ends by SystemExit where the code is not 0.

    `what-if` is `what_if`: words may be joined either way."""
    name = argv[1].replace("-", "_") if len(argv) > 1 else ""
    if name not in COMMANDS + FOREGROUND + HELPERS:
        return False
    try:
        load(name).run_from_argv(argv)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    return True
