"""Who else wants to know what came in: rooms above register here, and run inside the transaction that takes it in.

A handler sees each record exactly once. A database error undoes the whole batch, which then comes again. Anything else is a
fault of the handler, or a record that it cannot read: another try would meet it again and hold the journal up for ever, so
what this handler wrote is undone, the fault is logged, and the batch is stored.
"""

import logging
from collections.abc import Callable, Iterable
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

_HANDLERS: dict[Handler, Callable[[Record], bool]] = {}


def on_ingest(
    handler: Handler, *, kinds: Iterable[str] = (), about: Callable[[Record], bool] | None = None
) -> Handler:
    """Register a handler, once; usable as a decorator. Called in the order of the rooms' `ready()`, where `kinds` are given
    only for a batch that has a record of one of them, or one that it is `about`: a savepoint costs two statements."""
    wanted = frozenset(kinds)
    _HANDLERS.setdefault(handler, about or (lambda record: not wanted or record["k"] in wanted))
    return handler


def run(ingested: Ingested) -> None:
    for handler, concerns in _HANDLERS.items():
        if not _is_concerned(concerns, ingested):
            continue
        try:
            with auditlog.audited():
                handler(ingested)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            where = f"records {ingested.batch.first_seq} to {ingested.batch.last_seq} of {ingested.node.pk}"
            logger.exception("a handler of the journal failed on %s", where)


def _is_concerned(concerns: Callable[[Record], bool], ingested: Ingested) -> bool:
    """A record that the question itself cannot read is the handler's to log."""
    try:
        return any(concerns(record) for record in ingested.records)
    except (LookupError, TypeError, ValueError):
        return True
