"""`manage.py tree`"""

import argparse
from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_keys, count
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.keys import covers, is_pattern, not_found
from controlplane.cli.treeview import TreeFilter, prune, render
from controlplane.cli.watching import watch
from supervision.runtime.observed import STATES, TROUBLE, Member, Observed


def states(text: str) -> frozenset[str]:
    """`failed,backoff`, or `trouble` for what needs attention."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in STATES and word != "trouble":
            raise argparse.ArgumentTypeError(
                f"{word!r} is not a state; states are {', '.join(STATES)}, or trouble"
            )
    chosen = frozenset(words) - {"trouble"}
    return chosen | TROUBLE if "trouble" in words else chosen


class Command(OperatorCommand):
    help = (
        "Show what is: every supervisor and child with its state, pid, incarnation, time in that state, restarts and "
        "last exit."
    )
    example = "manage.py tree shop --watch"

    def arguments(self, parser: CommandParser) -> None:
        add_keys(parser, nargs="*")
        parser.add_argument(
            "-w", "--watch", action="store_true", help="Live: redraw on every change (q quits)."
        )
        parser.add_argument(
            "--depth", type=count, metavar="N", help="Levels below each root; deeper ones are summed up."
        )
        parser.add_argument(
            "--state",
            type=states,
            metavar="STATE[,STATE]",
            help="Only children in these states; `trouble` means failed, backoff and lost.",
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        view = TreeFilter(_wanted(options["keys"], options["state"]), options["depth"])
        if options["watch"]:
            return watch(invocation, view)
        raw = invocation.ask("tree")
        observed = Observed.from_json(raw)
        _check(options["keys"], observed)
        if invocation.terminal.json:
            invocation.terminal.document(prune(raw, view))
            return ExitCode.DONE
        for line in render(observed, invocation.terminal, now=invocation.clock.wall(), view=view):
            invocation.terminal.line(line)
        return ExitCode.DONE


def _wanted(words: list[str], chosen: frozenset[str] | None) -> Any:
    if not words and chosen is None:
        return None

    def wanted(member: Member) -> bool:
        return (not words or any(covers(word, member.key) for word in words)) and (
            chosen is None or member.state in chosen
        )

    return wanted


def _check(words: list[str], observed: Observed) -> None:
    """A word that means nothing is an error; a state that nothing is in is an answer."""
    known = [member.key for member in observed.walk()]
    for word in words:
        if not any(covers(word, key) for key in known) and not (is_pattern(word) and known):
            raise not_found(word, known)
