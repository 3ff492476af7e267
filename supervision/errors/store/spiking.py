"""Spike protection: what each project usually sends, the limit that follows, and when one is being held to it.

The limit stands in the project's row, where the intake finds it before anything comes; so nothing has to be decided while
a spike goes on. What the intake turned away it counted, by hour; from that a spike is seen to begin and to end.
"""

import datetime as dt

from django.db import connection, transaction
from django.db.models import Min, QuerySet, Sum

from supervision.errors.spikes import WEEK, limit_per_minute, usual_per_minute
from supervision.errors.store.models import ErrorDiscard, ErrorProject
from supervision.errors.store.spike_models import ErrorProjectHour, ErrorSpike

REASON = "spike_protection"
"""Of discards, and what clients are told."""
WEIGHED_EVERY = dt.timedelta(minutes=10)
CALM = dt.timedelta(minutes=2)
"""Without a report turned away for so long, it is over."""
RECENT = dt.timedelta(hours=2)
KNOWN = dt.timedelta(days=2)
LOCK = 0x6F76_6572_7370_696B
"""Advisory: one looks at a time."""
AT_ONCE = 200


def weigh(*, now: dt.datetime) -> int:
    """Say anew what is usual, of projects that were not weighed for a while; how many limits are others now."""
    due = ErrorProject.objects.exclude(weighed_at__gt=now - WEIGHED_EVERY).order_by("pk")
    changed = 0
    for project in due.only("pk", "spike_factor", "spike_limit")[:AT_ONCE]:
        rows = ErrorProjectHour.objects.filter(project=project)
        hours = dict(rows.filter(hour__gte=now - WEEK - RECENT).values_list("hour", "count"))
        since = rows.aggregate(at=Min("hour"))["at"]
        usual = usual_per_minute(hours, since=since, now=now) if since is not None else None
        limit = limit_per_minute(usual, factor=project.spike_factor)
        changed += limit != project.spike_limit
        ErrorProject.objects.filter(pk=project.pk).update(
            usual_per_minute=usual, spike_limit=limit, weighed_at=now
        )
    return changed


@transaction.atomic
def look_at_spikes(*, now: dt.datetime) -> int:
    """See spikes begin, go on and end; how many began or ended. Safe to be called by many, often."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
    recent = ErrorDiscard.objects.filter(reason=REASON, hour__gte=now - RECENT)
    changed = 0
    for project in ErrorProject.objects.filter(pk__in=recent.values("project")).order_by("pk")[:AT_ONCE]:
        changed += _refused(project, now)
    over = ErrorSpike.objects.filter(ended_at=None, refused_at__lt=now - CALM)
    return changed + over.update(ended_at=now)


def _refused(project: ErrorProject, now: dt.datetime) -> int:
    """Whether one began."""
    last = (
        project.spikes.filter(began_at__gt=now - KNOWN).first()
        or project.spikes.filter(ended_at=None).first()
    )
    if last is None:
        first = _discards(project, now - RECENT).aggregate(at=Min("hour"))["at"]
        return _begin(project, now, from_hour=first, before=0)
    total = _total(project, last.from_hour)
    more = total - last.before - last.refused
    if more <= 0:
        return 0
    if last.ended_at is not None:
        hour = last.ended_at.replace(minute=0, second=0, microsecond=0)
        return _begin(project, now, from_hour=hour, before=_total(project, hour) - more)
    ErrorSpike.objects.filter(pk=last.pk).update(refused=total - last.before, refused_at=now)
    return 0


def _begin(project: ErrorProject, now: dt.datetime, *, from_hour: dt.datetime, before: int) -> int:
    refused = _total(project, from_hour) - before
    ErrorSpike.objects.create(
        project=project,
        began_at=now,
        usual_per_minute=project.usual_per_minute or 0.0,
        limit_per_minute=project.spike_limit or 0,
        refused=refused,
        refused_at=now,
        from_hour=from_hour,
        before=before,
    )
    return 1


def _total(project: ErrorProject, since: dt.datetime) -> int:
    return int(_discards(project, since).aggregate(n=Sum("count"))["n"] or 0)


def _discards(project: ErrorProject, since: dt.datetime) -> QuerySet[ErrorDiscard]:
    return ErrorDiscard.objects.filter(project=project, reason=REASON, hour__gte=since)
