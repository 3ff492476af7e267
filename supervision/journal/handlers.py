"""Who else wants to know what came in: rooms above register here, and run inside the transaction that takes it in.

A handler sees each record exactly once. What it raises undoes the whole batch, which then comes again: let it raise only
for what another try may mend.
"""

from collections.abc import Callable
from dataclasses import dataclass

from supervision.fleet.models import Node
from supervision.journal.facts import Batch, Record


@dataclass(frozen=True, slots=True)
class Ingested:
    """What has just been written. `records` are the new ones of `batch`."""

    node: Node
    records: list[Record]
    batch: Batch


Handler = Callable[[Ingested], None]

_HANDLERS: list[Handler] = []


def on_ingest(handler: Handler) -> Handler:
    """Register a handler, once; usable as a decorator. Registered in the order of the rooms' `ready()`."""
    if handler not in _HANDLERS:
        _HANDLERS.append(handler)
    return handler


def run(ingested: Ingested) -> None:
    for handler in _HANDLERS:
        handler(ingested)
