"""Writes and reads of what the fleet leaks together: one row a subject, fed by each look."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from supervision.leaks.shared import KEPT, Kind, Measure, growth_of, line_through, verdict
from supervision.leakwatch.models import SharedLeak

MOST = 500
"""Subjects of one look, those of which there is most."""
LEVEL = timedelta(minutes=10)
"""Over when there were not more of it than ever before for so long."""
FORGOTTEN = timedelta(hours=1)
"""A subject that was not seen for so long and was no finding goes."""
SHOWN = timedelta(hours=1)
FINDINGS_KEPT = timedelta(days=30)


def record_look(measures: Iterable[Measure], *, looked: Collection[Kind], now: datetime) -> list[SharedLeak]:
    """Add one look; what is found and was not before. `looked`: kinds that were counted; of others nothing is over."""
    most = sorted(measures, key=lambda one: (not one.is_wrong, -one.value))[:MOST]
    found = []
    with transaction.atomic():
        rows = {(row.kind, row.subject): row for row in SharedLeak.objects.select_for_update().order_by("pk")}
        for one in most:
            row = rows.pop((one.kind, one.subject), None)
            if row is None:
                row = SharedLeak(kind=one.kind, subject=one.subject, value=one.value, seen_at=now)
            if _take(row, one, now):
                found.append(row)
            row.save()
        for row in rows.values():
            if row.kind in looked and row.found_at is not None and row.ended_at is None:
                row.ended_at, row.value = now, 0.0
                row.save(update_fields=["ended_at", "value"])
        SharedLeak.objects.filter(seen_at__lt=now - FORGOTTEN, found_at=None).delete()
        SharedLeak.objects.filter(ended_at__lt=now - FINDINGS_KEPT).delete()
    return found


def _take(row: SharedLeak, one: Measure, now: datetime) -> bool:
    """Whether it is a finding now and was none before."""
    points = [(float(at), float(value)) for at, value in row.points]
    if not points or one.value > max(value for _, value in points):
        row.rose_at = now
    points = [*points, (now.timestamp(), float(one.value))][-KEPT:]
    row.points = [[round(at, 1), value] for at, value in points]
    row.value, row.seen_at, row.evidence = one.value, now, one.evidence
    was_open = row.found_at is not None and row.ended_at is None
    grown = growth_of(one.kind, points)
    if grown is None and one.is_wrong:
        grown = line_through(points), (row.since if was_open and row.since else now).timestamp()
    if grown is not None:
        line, since = grown
        row.rate, row.rate_low, row.rate_high = line.rate, line.low, line.high
        moment = datetime.fromtimestamp(since, UTC)
        row.since = min(row.since, moment) if was_open and row.since else moment
        row.found_at, row.ended_at, row.rose_at = row.found_at if was_open else now, None, now
        row.verdict = verdict(
            one.kind, one.subject, rate=line.rate, value=one.value, since_s=(now - row.since).total_seconds()
        )[:500]
        return not was_open
    if was_open and (
        one.kind in (Kind.IDLE, Kind.STRAYS) or row.rose_at is None or now - row.rose_at > LEVEL
    ):
        row.ended_at = now
    return False


def shared_leaks(*, now: datetime) -> QuerySet[SharedLeak]:
    """Findings that are open or ended lately, the newest first."""
    found = SharedLeak.objects.filter(found_at__isnull=False).exclude(ended_at__lt=now - SHOWN)
    return found.order_by("ended_at", "-found_at", "pk")
