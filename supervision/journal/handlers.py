"""Who else wants to know what came in: rooms above register here, and run inside the transaction that takes it in.

A handler sees each record exactly once. A database error undoes the whole batch, which then comes again. Anything else is a
fault of the handler, or a record that it cannot read: another try would meet it again and hold the journal up for ever, so
what this handler wrote is undone, the fault is logged, and the batch is stored.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError

from supervision.auditlog import services as auditlog
from supervision.fleet.models import Node
from supervision.journal.facts import Batch, Record


@dataclass(frozen=True, slots=True)
class Ingested:
    """What has just been written. `records` are the new ones of `batch`."""

    node: Node
    records: list[Record]
    batch: Batch


logger = logging.getLogger(__name__)

Handler = Callable[[Ingested], None]

_HANDLERS: list[Handler] = []


def on_ingest(handler: Handler) -> Handler:
    """Register a handler, once; usable as a decorator. Registered in the order of the rooms' `ready()`."""
    if handler not in _HANDLERS:
        _HANDLERS.append(handler)
    return handler


def run(ingested: Ingested) -> None:
    for handler in _HANDLERS:
        try:
            with auditlog.audited():
                handler(ingested)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            where = f"records {ingested.batch.first_seq} to {ingested.batch.last_seq} of {ingested.node.pk}"
            logger.exception("a handler of the journal failed on %s", where)
