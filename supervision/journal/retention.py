"""How long what nodes report is kept: partitions of a month, made ahead and dropped whole, and rows that ended long ago.

A dropped partition takes its records with it. Before that the state behind the last of them is kept for each stream
(StreamBase), so that every record which stays can still be folded: time travel goes back as far as there are records.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef

from supervision.fleet.models import Node
from supervision.journal.columns import storable
from supervision.journal.exceptions import NoHistoryError
from supervision.journal.history import state_behind
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, Stray, StreamBase
from supervision.runtime import snapshot

TABLE = "supervision_journalrecord"
AHEAD = 2
"""Partitions made for months to come: a beat that is away for weeks changes nothing."""
JOURNAL_MONTHS = 6
ROWS_DAYS = 180
REMOVED_DAYS = 2
ROWS_AT_ONCE = 10_000
LOCK_WITHIN = "2s"
"""A drop locks the whole journal, and what waits for a lock makes everybody wait who comes behind it: rather the next hour
than all nodes' records behind somebody's long report."""
_NAME = re.compile(TABLE + r"_(\d{4})_(\d{2})")


def month_of(moment: datetime, *, plus: int = 0) -> datetime:
    """The first moment of the month `plus` months later, UTC."""
    index = moment.year * 12 + moment.month - 1 + plus
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


def name_of(month: datetime) -> str:
    return f"{TABLE}_{month.year:04d}_{month.month:02d}"


def months_in_use() -> list[datetime]:
    """Months that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass",
            [TABLE],
        )
        names = [row[0] for row in cursor.fetchall()]
    found = [match for name in names if (match := _NAME.fullmatch(name))]
    return sorted(datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC) for match in found)


def make_partitions(*, now: datetime) -> list[str]:
    """Make the partitions of this month and the AHEAD next ones; the names of new ones.

    A month whose records already stand in the default partition stays there: moving them would lock the journal.
    """
    made = []
    for plus in range(AHEAD + 1):
        month = month_of(now, plus=plus)
        if month in months_in_use():
            continue
        if _default_holds(month):
            continue
        until = month_of(now, plus=plus + 1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE {name_of(month)} PARTITION OF {TABLE} FOR VALUES FROM ('{month.isoformat()}') "
                f"TO ('{until.isoformat()}')"
            )
        made.append(name_of(month))
    return made


def _default_holds(month: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {TABLE}_default WHERE received_at >= %s AND received_at < %s)",  # noqa: S608 a constant
            [month, month_of(month, plus=1)],
        )
        return bool(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Dropped:
    """What retention took away."""

    partitions: tuple[str, ...]
    records: int
    lives: int
    strays: int
    members: int


def drop_old(*, now: datetime, months: int = JOURNAL_MONTHS, days: int = ROWS_DAYS) -> Dropped:
    """Drop partitions that ended `months` months ago, records of the default partition of that age, and rows of lives,
    strays and removed members that ended `days` days ago. Each kind of row at most ROWS_AT_ONCE at a time."""
    edge = month_of(now, plus=-months)
    keep_bases(edge)
    partitions = []
    for month in months_in_use():
        if month < edge:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WITHIN}'")
                cursor.execute(f"DROP TABLE {name_of(month)}")
            partitions.append(name_of(month))
    old = now - timedelta(days=days)
    records = _drop_from_default(edge)
    _drop_bases()
    return Dropped(
        tuple(partitions),
        records,
        _drop_rows(Incarnation, "ended_at < %s", old),
        _drop_rows(Stray, "ended_at < %s", old),
        _drop_rows(ObservedChild, "removed AND since < %s", now - timedelta(days=REMOVED_DAYS)),
    )


def keep_bases(edge: datetime) -> int:
    """Keep the state behind the last record of each stream that was received before `edge`; how many were new.

    A state that nothing kept leads to is left out: that stream's history begins with its next snapshot.
    """
    streams = (
        JournalRecord.objects.filter(received_at__lt=edge)
        .order_by()
        .values_list("node_id", "stream_epoch")
        .annotate(last=Max("seq"))
    )
    kept = 0
    for node_id, stream_epoch, last in list(streams):
        if StreamBase.objects.filter(node_id=node_id, stream_epoch=stream_epoch, seq__gte=last).exists():
            continue
        try:
            past = state_behind(node_id=node_id, stream_epoch=stream_epoch, seq=last)
        except NoHistoryError:
            continue
        if not past.is_whole:
            continue
        values = {
            "seq": last,
            "at": past.at,
            "boot": past.boot,
            "body": storable(snapshot.of_recovered(past.state)),
        }
        StreamBase.objects.update_or_create(node_id=node_id, stream_epoch=stream_epoch, defaults=values)
        kept += 1
    return kept


def _drop_bases() -> int:
    """Of streams that ended and have no record left: the node writes another one, or was forgotten."""
    stream = {"node_id": OuterRef("node_id"), "stream_epoch": OuterRef("stream_epoch")}
    over = StreamBase.objects.exclude(Exists(JournalRecord.objects.filter(**stream))).exclude(
        Exists(Node.objects.filter(id=OuterRef("node_id"), stream_epoch=OuterRef("stream_epoch")))
    )
    return over.delete()[0]


def _drop_from_default(edge: datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL overstory.retention = 'on'")
        cursor.execute(
            f"DELETE FROM {TABLE}_default WHERE ctid IN "  # noqa: S608 a constant
            f"(SELECT ctid FROM {TABLE}_default WHERE received_at < %s LIMIT {ROWS_AT_ONCE})",
            [edge],
        )
        return int(cursor.rowcount)


def _drop_rows(
    model: type[Incarnation] | type[Stray] | type[ObservedChild], condition: str, edge: datetime
) -> int:
    table = model._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {condition} ORDER BY id LIMIT {ROWS_AT_ONCE})",  # noqa: S608 constants
            [edge],
        )
        return int(cursor.rowcount)
