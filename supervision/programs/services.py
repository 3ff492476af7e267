"""Taking in what programs said: each event handed on once, in the transaction that moves the cursor."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.journal.columns import moment, storable
from supervision.journal.facts import Record
from supervision.programs.handlers import ProgramEvent, run
from supervision.programs.models import ProgramCursor
from supervision.runtime.journal_segments import DAMAGE, EVENT

CURSORS_KEPT = 5
"""Of one node, the newest: it begins another spool only when it lost one."""


def cursor_of(*, node_id: str, spool_epoch: int) -> int:
    """The number of the last record of the spool that was taken in; 0 before the first."""
    seq = ProgramCursor.objects.filter(node_id=node_id, spool_epoch=spool_epoch).values_list("seq", flat=True)
    return seq.first() or 0


def take_in(*, node_id: str, epoch: int, spool_epoch: int, records: Sequence[Record]) -> int:
    """Hand on the events among `records` that were not yet; the cursor afterwards. Offered again they change nothing more.

    `epoch` is the node's: StaleEpochError when it is over. A gap before the first record is what went past the bound or
    cannot be read: it is counted.
    """
    last = last_of(records[-1])
    with transaction.atomic():
        node = Node.objects.filter(pk=node_id, epoch=epoch).first()
        if node is None:
            raise StaleEpochError
        cursor = _locked(node, spool_epoch)
        if last <= cursor.seq:
            return int(cursor.seq)
        new = [record for record in records if last_of(record) > cursor.seq]
        lost = max(0, int(new[0]["seq"]) - int(cursor.seq) - 1) + sum(_damaged(record) for record in new)
        counts = run([_event(node, record) for record in new if record["k"] == EVENT])
        ProgramCursor.objects.filter(pk=cursor.pk).update(  # audit: ignore[SUP701] by F(), of a locked row
            seq=last,
            events=F("events") + counts.events,
            unhandled=F("unhandled") + counts.unhandled,
            failed=F("failed") + counts.failed,
            lost=F("lost") + lost,
            updated_at=timezone.now(),
        )
        if not Node.objects.select_for_update(no_key=True).filter(pk=node_id, epoch=epoch).exists():
            raise StaleEpochError
    return last


def last_of(record: Record) -> int:
    """The number up to which a record counts: one of damage stands for several."""
    return int(record["last"] or record["seq"]) if record["k"] == DAMAGE else int(record["seq"])


def _damaged(record: Record) -> int:
    return max(0, last_of(record) - int(record["seq"]) + 1) if record["k"] == DAMAGE else 0


def _locked(node: Node, spool_epoch: int) -> ProgramCursor:
    cursors = ProgramCursor.objects.select_for_update().filter(node=node, spool_epoch=spool_epoch)
    for cursor in cursors:
        return cursor
    ProgramCursor.objects.bulk_create(
        [ProgramCursor(node=node, spool_epoch=spool_epoch)], ignore_conflicts=True
    )
    kept = ProgramCursor.objects.filter(node=node).order_by("-spool_epoch").values("pk")[:CURSORS_KEPT]
    ProgramCursor.objects.filter(node=node).exclude(pk__in=kept).delete()
    return cursors.get()


def _event(node: Node, record: Record) -> ProgramEvent:
    return ProgramEvent(
        node=node,
        seq=int(record["seq"]),
        at=moment(record["t"]) or timezone.now(),
        key=storable(record["key"]),
        incarnation=int(record["incarnation"]),
        pid=int(record["pid"]),
        stream=str(record["stream"]),
        kind=str(record["what"]),
        body=storable(record["body"]),
    )
