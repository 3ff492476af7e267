"""How long reports are kept: events by day, by project and by how much they say (thinning.py), the rest by what it is for.

An issue is never deleted by itself; what goes are its events, its hours and the rare values of its tags.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from supervision.errors.store.models import (
    ErrorDiscard,
    ErrorEvent,
    ErrorEventKey,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHour,
    ErrorIssueUser,
    ErrorProject,
    ErrorTag,
)
from supervision.errors.store.monitor_models import CheckIn
from supervision.errors.store.occasion_models import ErrorIssueMinute, ErrorOccasion
from supervision.errors.store.release_models import ErrorAttachment, ErrorReleaseHour, ErrorReleaseUser
from supervision.errors.store.sighting_models import ErrorSighting
from supervision.errors.store.spike_models import ErrorProjectHour, ErrorSpike
from supervision.errors.store.sql import many
from supervision.errors.store.tagging import COUNT_NEW, OTHER
from supervision.errors.store.thinning import thin
from supervision.errors.store.transaction_models import ErrorTransactionHour
from supervision.runtime.clock import SystemClock

TABLE = "supervision_errorevent"
AHEAD_DAYS = 7
MOST_DAYS = 400
KEYS_KEPT = dt.timedelta(days=30)
HOURS_KEPT = dt.timedelta(days=180)
DISCARDS_KEPT = dt.timedelta(days=180)
CHECK_INS_KEPT = dt.timedelta(days=90)
TRANSACTIONS_KEPT = dt.timedelta(days=30)
USERS_KEPT = dt.timedelta(days=15)
"""A little longer than they are shown: how many people a program has must not fill the disk."""
OCCASIONS_KEPT = dt.timedelta(days=1)
"""Nobody is told of what happened so long ago."""
MINUTES_KEPT = dt.timedelta(hours=25)
FAILED_KEPT = dt.timedelta(days=30)
VALUES_KEPT = 100
"""Of one tag of one issue, the most frequent."""
AT_ONCE = 10_000
WITHIN_S = 20.0
"""Of one run, every quarter of an hour: other jobs wait meanwhile. What is left then goes in the next."""
LOCK_WITHIN = "2s"
CLOCK = SystemClock()
_NAME = re.compile(TABLE + r"_(\d{4})_(\d{2})_(\d{2})")


def name_of(day: dt.date) -> str:
    return f"{TABLE}_{day:%Y_%m_%d}"


def days_in_use() -> list[dt.date]:
    """Days that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass",
            [TABLE],
        )
        found = [match for (name,) in cursor.fetchall() if (match := _NAME.fullmatch(name))]
    return sorted(dt.date(int(match[1]), int(match[2]), int(match[3])) for match in found)


def make_partitions(*, now: dt.datetime) -> list[str]:
    """Partitions of the next days; the names of new ones. A day whose events stand in the default one already stays
    there."""
    made = []
    known = set(days_in_use())
    for plus in range(AHEAD_DAYS + 1):
        day = now.date() + dt.timedelta(days=plus)
        start = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
        end = start + dt.timedelta(days=1)
        if day in known or _default_holds(start, end):
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WITHIN}'")
            cursor.execute(
                f"CREATE TABLE {name_of(day)} PARTITION OF {TABLE} FOR VALUES FROM ('{start.isoformat()}') "
                f"TO ('{end.isoformat()}')"
            )
        made.append(name_of(day))
    return made


def _default_holds(start: dt.datetime, end: dt.datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {TABLE}_default WHERE received_at >= %s AND received_at < %s)",  # noqa: S608 a constant
            [start, end],
        )
        return bool(cursor.fetchone()[0])


def drop_old(*, now: dt.datetime, within_s: float = WITHIN_S, clock: Callable[[], float] = CLOCK.boot) -> int:
    """Remove what is older than it is kept, AT_ONCE at a time, until nothing is left or `within_s` is over; at least once of
    each kind. How many rows, partitions counted as one.

    The kinds take turns, so that none that has much keeps the others from going.
    """
    until = clock() + within_s
    gone = _drop_partitions(now)
    rest = _kinds(now)
    while rest:
        more = []
        for drop in rest:
            some = drop()
            gone += some
            if some:
                more.append(drop)
        rest = more if clock() < until else []
    return gone


def _kinds(now: dt.datetime) -> list[Callable[[], int]]:
    """Each removes at most so much of its kind, and says how many."""
    kinds: list[Callable[[], int]] = []
    for project in ErrorProject.objects.order_by("pk"):
        edge = now - dt.timedelta(days=project.retention_days)
        kinds.append(partial(_drop_events, project.pk, edge))
        if project.most_events:
            kinds.append(partial(thin, project.pk, project.most_events))
        files = ErrorAttachment.objects.filter(project=project, received_at__lt=edge)
        kinds.append(partial(_drop_some, files))
    kinds.extend(partial(_drop_some, rows) for rows in _old(now))
    kinds.append(_drop_rare_values)
    return kinds


def _old(now: dt.datetime) -> "tuple[QuerySet[Any], ...]":
    """What is kept as long for every project. Any: models of many kinds."""
    return (
        ErrorEventKey.objects.filter(received_at__lt=now - KEYS_KEPT),
        ErrorSighting.objects.filter(at__lt=now - KEYS_KEPT),
        ErrorIssueHour.objects.filter(hour__lt=now - HOURS_KEPT),
        ErrorDiscard.objects.filter(hour__lt=now - DISCARDS_KEPT),
        CheckIn.objects.filter(started_at__lt=now - CHECK_INS_KEPT),
        ErrorIntake.objects.filter(failed_at__lt=now - FAILED_KEPT),
        ErrorProjectHour.objects.filter(hour__lt=now - HOURS_KEPT),
        ErrorReleaseHour.objects.filter(hour__lt=now - HOURS_KEPT),
        ErrorIssueUser.objects.filter(seen_at__lt=now - HOURS_KEPT),
        ErrorTransactionHour.objects.filter(hour__lt=now - TRANSACTIONS_KEPT),
        ErrorReleaseUser.objects.filter(seen_at__lt=now - USERS_KEPT),
        ErrorSpike.objects.filter(ended_at__lt=now - HOURS_KEPT),
        ErrorOccasion.objects.filter(at__lt=now - OCCASIONS_KEPT),
        ErrorIssueMinute.objects.filter(minute__lt=now - MINUTES_KEPT),
    )


def _drop_events(project: int, edge: dt.datetime) -> int:
    old = ErrorEvent.objects.filter(project_id=project, received_at__lt=edge).order_by("id")
    some = list(old.values_list("id", flat=True)[:AT_ONCE])
    return ErrorEvent.objects.filter(id__in=some, received_at__lt=edge).delete()[0] if some else 0


def _drop_some(rows: "QuerySet[Any]") -> int:
    """Any: a model of any kind."""
    some = list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    gone: int = rows.model._default_manager.filter(pk__in=some).delete()[0] if some else 0
    return gone


def _drop_partitions(now: dt.datetime) -> int:
    """Those that are older than any project keeps its events."""
    longest = max([*ErrorProject.objects.values_list("retention_days", flat=True), 1])
    edge = (now - dt.timedelta(days=min(longest, MOST_DAYS) + 1)).date()
    old = [day for day in days_in_use() if day < edge]
    for day in old:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WITHIN}'")
            cursor.execute(f"DROP TABLE {name_of(day)}")
    return len(old)


@transaction.atomic
def _drop_rare_values() -> int:
    """What they count is counted with the others of their tag from then on. Projects first, as a digest does it."""
    ranked = (
        ErrorTag.objects.exclude(value=OTHER)
        .annotate(
            place=Window(
                RowNumber(), partition_by=[F("issue"), F("key")], order_by=[F("count").desc(), F("pk").desc()]
            )
        )
        .filter(place__gt=VALUES_KEPT)
    )
    some = list(ranked.values_list("pk", flat=True)[:AT_ONCE])
    if not some:
        return 0
    projects = ErrorIssue.objects.filter(tags__in=some).order_by().values_list("project").distinct()
    list(ErrorProject.objects.select_for_update(no_key=True).filter(pk__in=projects).order_by("pk"))
    rare = list(ErrorTag.objects.filter(pk__in=some))
    counts: Counter[tuple[int, str, str]] = Counter()
    for row in rare:
        counts[row.issue_id, row.key, OTHER] += row.count
    ErrorTag.objects.filter(pk__in=[row.pk for row in rare]).delete()
    many(COUNT_NEW, [(*key, count) for key, count in sorted(counts.items())])
    return len(rare)
