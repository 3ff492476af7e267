"""`manage.py events`"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.arguments import count
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.eventview import show
from controlplane.cli.exits import ExitCode
from controlplane.cli.journalread import NOT_FOR_PEOPLE, follow, newest, seq_before
from controlplane.cli.keys import covers, is_pattern
from controlplane.cli.moments import since
from controlplane.cli.remote import journal
from controlplane.cli.remote.http import Api
from supervision.explain.narration import KINDS, ROUTINE
from supervision.explain.records import JournalRecord, Step, keys_of
from supervision.runtime.journal_reader import last_seq, read

LIMIT = 50

EVENTS = ("begin", "stop_root", "started", "start_failed", "declined", "exited", "ready", "tick", "call")
"""What a `step` can be about."""


def kinds(text: str) -> frozenset[str]:
    """Record kinds, and for steps the events they are about, as in `exited,start_failed`."""
    words = frozenset(word.strip() for word in text.split(","))
    for word in words:
        if word not in KINDS and word not in EVENTS:
            raise argparse.ArgumentTypeError(f"{word!r} is no kind; kinds are {', '.join((*KINDS, *EVENTS))}")
    return words


class Command(OperatorCommand):
    help = "What happened, from the journal on disk: works with the node dead. One line a record; --json prints them raw."
    example = "manage.py events --key shop/web --kind exited,start_failed --since 1h"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "-f", "--follow", action="store_true", help="Go on with what happens from now on."
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            metavar="KEY",
            help="Only this key and all below it, or a pattern; repeatable.",
        )
        parser.add_argument(
            "--kind",
            type=kinds,
            metavar="KIND[,KIND]",
            help="Only these kinds of record ("
            + ", ".join(KINDS)
            + ") or of step ("
            + ", ".join(EVENTS)
            + ").",
        )
        parser.add_argument(
            "--since", type=since, metavar="WHEN", help="10m (ago), 14:30, or a date and time."
        )
        parser.add_argument(
            "--limit",
            type=count,
            metavar="N",
            help=f"The newest N at most, 0 for all (default: {LIMIT}, with --since all).",
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        wanted = _filter(options["key"], options["kind"])
        if invocation.remote is not None:
            return _remote(invocation, Api(invocation.remote), wanted, options)
        without = NOT_FOR_PEOPLE - (options["kind"] or frozenset())
        directory, clock = invocation.paths.journal_dir, invocation.clock
        limit = options["limit"]
        if limit is None:
            limit = 0 if options["since"] is not None else LIMIT
        last = last_seq(directory)
        for record in _past(invocation, wanted, without, options["since"], limit):
            show(record, invocation.terminal, now=clock.wall())
            last = max(last, int(record["seq"]))
        if options["follow"]:
            invocation.terminal.out.flush()
            for record in follow(directory, clock, after=last, without=without):
                if wanted(record):
                    show(record, invocation.terminal, now=clock.wall())
                    invocation.terminal.out.flush()
        return ExitCode.DONE


def _remote(
    invocation: Invocation, api: Api, wanted: Callable[[JournalRecord], bool], options: dict[str, Any]
) -> ExitCode:
    terminal, clock = invocation.terminal, invocation.clock
    trees = sorted({key.partition("/")[0] for key in options["key"]})
    if any(is_pattern(tree) for tree in trees):
        trees = []
    limit = options["limit"]
    if limit is None:
        limit = 0 if options["since"] is not None else LIMIT
    after = journal.newest_id(api)
    for record in journal.past(api, wanted, trees=trees, since=options["since"], limit=limit):
        show(record, terminal, now=clock.wall())
    if options["follow"]:
        terminal.out.flush()
        for record in journal.follow(api, wanted, after=after, trees=trees):
            show(record, terminal, now=clock.wall())
            terminal.out.flush()
    return ExitCode.DONE


def _past(
    invocation: Invocation,
    wanted: Callable[[JournalRecord], bool],
    without: frozenset[str],
    moment: float | None,
    limit: int,
) -> Sequence[JournalRecord]:
    directory, clock = invocation.paths.journal_dir, invocation.clock
    found: Sequence[JournalRecord]
    if moment is not None:
        after = seq_before(directory, moment)
        records = read(directory, after_seq=after, without=without, clock=clock)
        found = [record for record in records if float(record["t"]) >= moment and wanted(record)]
    elif limit:
        found, _ = newest(
            directory, clock, enough=lambda some: len(some) >= limit, wanted=wanted, without=without
        )
    else:
        found = [record for record in read(directory, without=without, clock=clock) if wanted(record)]
    return found[-limit:] if limit else found


def _filter(words: list[str], chosen: frozenset[str] | None) -> Callable[[JournalRecord], bool]:
    def wanted(record: JournalRecord) -> bool:
        kind = str(record.get("k"))
        if chosen is None:
            if kind in ROUTINE:
                return False
        elif kind not in chosen and (kind != "step" or _tag(record) not in chosen):
            return False
        return not words or any(covers(word, key) for key in keys_of(record) for word in words)

    return wanted


def _tag(record: JournalRecord) -> str:
    step = Step.of(record)
    return "" if step is None else step.tag
