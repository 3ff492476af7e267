"""Who wants to know what programs said: rooms above register here in their `ready()`.

    @on_program_event("task.")            a prefix of kinds, or a whole kind
    def record(events: Sequence[ProgramEvent]) -> None: ...

A handler runs inside the transaction that takes the events in, sees each event exactly once, and those of one process in
the order in which it said them. What it writes may be undone with the whole batch, which then comes again.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from supervision.fleet.models import Node


@dataclass(frozen=True, slots=True)
class ProgramEvent:
    """One thing that a process of `key`'s `incarnation` said. `at`: when its node wrote it down, by the node's clock."""

    node: Node
    seq: int
    at: datetime
    key: str
    incarnation: int
    pid: int
    stream: str
    kind: str
    body: dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What came of a batch."""

    events: int = 0
    unhandled: int = 0
    failed: int = 0


Handler = Callable[[Sequence[ProgramEvent]], None]

logger = logging.getLogger(__name__)
_HANDLERS: dict[str, Handler] = {}


def on_program_event(prefix: str) -> Callable[[Handler], Handler]:
    """Register the one handler of kinds that begin with `prefix`; the longest prefix wins. ValueError for a second one."""

    def register(handler: Handler) -> Handler:
        if _HANDLERS.setdefault(prefix, handler) is not handler:
            raise ValueError(f"events {prefix!r} have a handler already")
        return handler

    return register


def handler_of(kind: str) -> Handler | None:
    fitting = [prefix for prefix in _HANDLERS if kind.startswith(prefix)]
    return _HANDLERS[max(fitting, key=len)] if fitting else None


def run(events: Sequence[ProgramEvent]) -> Counts:
    """Hand `events` on, in order: neighbours with the same handler together.

    A store that is away undoes everything. Anything else that a handler raises is its own fault, or an event that it cannot
    use: what it wrote is undone, each event is offered to it alone, and those that fail again are logged and counted; they
    must not hold up all that follows.
    """
    counts = Counts(len(events))
    for handler, group in _groups(events):
        if handler is None:
            counts.unhandled += len(group)
        elif not _offer(handler, group):
            counts.failed += sum(not _offer(handler, [event]) for event in group) if len(group) > 1 else 1
    return counts


def _groups(events: Sequence[ProgramEvent]) -> list[tuple[Handler | None, list[ProgramEvent]]]:
    groups: list[tuple[Handler | None, list[ProgramEvent]]] = []
    for event in events:
        handler = handler_of(event.kind)
        if groups and groups[-1][0] is handler:
            groups[-1][1].append(event)
        else:
            groups.append((handler, [event]))
    return groups


def _offer(handler: Handler, events: Sequence[ProgramEvent]) -> bool:
    try:
        with transaction.atomic():
            handler(events)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        first, last = events[0], events[-1]
        logger.exception(
            "a handler of %s failed on events %s to %s of %s",
            first.kind,
            first.seq,
            last.seq,
            first.node.pk,
        )
        return False
    return True
