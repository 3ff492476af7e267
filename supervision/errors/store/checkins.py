"""Check-ins of scheduled jobs: which monitor, which run, and what follows.

The two ends of one run come from different processes, perhaps in the wrong order and perhaps twice: the id of the check-in
joins them, an end is never undone by a beginning that comes later, and a beginning says nothing of when the next one is due.
What comes twice, or after a later run has ended, is kept with its run and says nothing of how the job is now.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Max, Min, Q, Value

from supervision.errors.monitors.schedule import InvalidScheduleError, next_due
from supervision.errors.protocol.reading import event_id_of
from supervision.errors.store.models import ErrorEventKey, ErrorIntake
from supervision.errors.store.monitor_models import CheckIn, Monitor

ENDS = (CheckIn.Status.OK, CheckIn.Status.ERROR)
AT_ONCE = 500
MOST_SECONDS = 366 * 86_400
MOST_RUNS = 1000
NOBODY = "0" * 32
HEARD_WITHIN = dt.timedelta(minutes=5)
"""After we were away: so long the end of a run may take to reach us, which a client or a spool held back."""
SECOND = Value(dt.timedelta(seconds=1), output_field=DurationField())


def _later(moment: str, seconds: str) -> "ExpressionWrapper[Any]":
    """A column's moment, and so many seconds of another column after it. Any: a field of the database."""
    passed = ExpressionWrapper(F(seconds) * SECOND, output_field=DurationField())
    return ExpressionWrapper(F(moment) + passed, output_field=DateTimeField())


LATE_AT, ENDS_AT = _later("next_due", "margin_s"), _later("started_at", "monitor__max_runtime_s")


@dataclass(frozen=True, slots=True)
class Away:
    """Between these moments we could not take anything in."""

    since: dt.datetime
    until: dt.datetime


def take_check_ins(given: Sequence[tuple[ErrorIntake, dict[str, Any]]], *, now: dt.datetime) -> None:
    """In the order they came. One that names no monitor or no status is left out. Any: what JSON can say."""
    for row, body in given:
        slug, status = str(body.get("monitor_slug") or "")[:200], body.get("status")
        if slug and status in (CheckIn.Status.IN_PROGRESS, *ENDS):
            _take(row, body, slug, CheckIn.Status(status), now)


def _take(
    row: ErrorIntake, body: dict[str, Any], slug: str, status: CheckIn.Status, now: dt.datetime
) -> None:
    monitor, _ = Monitor.objects.select_for_update().get_or_create(
        project_id=row.project_id,
        slug=slug,
        environment=str(body.get("environment") or "production")[:64],
        defaults={"status_at": now},
    )
    config = body.get("monitor_config")
    if isinstance(config, dict):
        _configure(monitor, config)
    run, is_news = _run(monitor, body, status, row.received_at)
    is_overtaken = _is_overtaken(monitor, run)
    if status in ENDS and run.status not in ENDS:
        is_news = True
        run.status = status
        run.ended_at = row.received_at
        duration = body.get("duration")
        run.duration_s = (
            float(duration)
            if isinstance(duration, int | float)
            and not isinstance(duration, bool)
            and 0 <= duration < MOST_SECONDS
            else (run.ended_at - run.started_at).total_seconds()
        )
        run.save()
        if not is_overtaken:
            monitor.ended(ok=status == CheckIn.Status.OK, at=row.received_at)
            monitor.status, monitor.status_at = Monitor.Status(status.value), now
    monitor.last_seen = max(filter(None, (monitor.last_seen, row.received_at)))
    if monitor.schedule and (is_news or monitor.next_due is None) and not is_overtaken:
        monitor.next_due = _due(monitor, row.received_at)
    monitor.save()


def _is_overtaken(monitor: Monitor, run: CheckIn) -> bool:
    """Whether a run that began later has ended already."""
    later = monitor.check_ins.filter(started_at__gt=run.started_at)
    return later.exclude(status=CheckIn.Status.IN_PROGRESS).exists()


def _run(
    monitor: Monitor, body: dict[str, Any], status: CheckIn.Status, at: dt.datetime
) -> tuple[CheckIn, bool]:
    """The run that the check-in is of, and whether it is new: by its id, or, of an end without one, the last that is under
    way."""
    known = event_id_of(body.get("check_in_id"))
    if known in (None, NOBODY):
        open_run = monitor.check_ins.filter(status=CheckIn.Status.IN_PROGRESS).order_by("-started_at").first()
        if status in ENDS and open_run is not None:
            return open_run, False
        known = (
            event_id_of(body.get("event_id"))
            or f"{monitor.pk:016x}{int(at.timestamp() * 1000) & (2**64 - 1):016x}"
        )
    return CheckIn.objects.get_or_create(
        monitor=monitor,
        check_in_id=known,
        defaults={
            "status": CheckIn.Status.IN_PROGRESS,
            "started_at": at,
            "release": str(body.get("release") or "")[:200],
        },
    )


def _configure(monitor: Monitor, config: dict[str, Any]) -> None:
    """What the job says of its schedule; what is not understood leaves what was known."""
    schedule, timezone = config.get("schedule"), str(config.get("timezone") or "UTC")[:64]
    if isinstance(schedule, dict):
        try:
            next_due(schedule, timezone, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
        except InvalidScheduleError:
            pass
        else:
            monitor.schedule, monitor.timezone = schedule, timezone
    for name, attribute in (("checkin_margin", "margin_s"), ("max_runtime", "max_runtime_s")):
        minutes = config.get(name)
        if isinstance(minutes, int) and not isinstance(minutes, bool) and 0 < minutes * 60 < MOST_SECONDS:
            setattr(monitor, attribute, minutes * 60)
    for name, attribute in (
        ("failure_issue_threshold", "failure_threshold"),
        ("recovery_threshold", "recovery_threshold"),
    ):
        runs = config.get(name)
        if isinstance(runs, int) and not isinstance(runs, bool) and 0 < runs <= MOST_RUNS:
            setattr(monitor, attribute, runs)


def _due(monitor: Monitor, after: dt.datetime) -> dt.datetime | None:
    try:
        return next_due(monitor.schedule, monitor.timezone, after)
    except InvalidScheduleError:
        return None


def last_heard() -> dt.datetime | None:
    """When the newest thing that was digested came in, or the clock last found something: until then we were there."""
    found = (
        Monitor.objects.aggregate(at=Max("last_seen"))["at"],
        Monitor.objects.aggregate(at=Max("status_at"))["at"],
        ErrorEventKey.objects.aggregate(at=Max("received_at"))["at"],
    )
    return max(filter(None, found), default=None)


def look_at_clock(*, now: dt.datetime, away: Away | None = None) -> int:
    """Find monitors whose job did not come, and runs that take too long; how many changed.

    As of the oldest check-in that waits to be digested: what it says may be that the job came. A job that could have come
    while we were away is not called missed, nor late, and is due the next time after that; a run whose time ended meanwhile
    has HEARD_WITHIN to be told of.

    At most AT_ONCE of each kind, those whose time came first; each that is taken changes, so that none waits for ever.
    """
    waits = ErrorIntake.objects.filter(kind=ErrorIntake.Kind.CHECK_IN, failed_at=None)
    oldest = waits.aggregate(at=Min("received_at"))["at"]
    now = min(now, oldest) if oldest is not None else now
    return _look_at_due(now, away) + _look_at_runs(now, away)


def _look_at_due(now: dt.datetime, away: Away | None) -> int:
    changed = 0
    rows = Monitor.objects.select_for_update(skip_locked=True).annotate(late_at=LATE_AT)
    waits = Q(late_at__gt=now, status__in=(Monitor.Status.LATE, Monitor.Status.ERROR))
    if away is not None:
        waits &= ~Q(next_due__lte=away.until, late_at__gt=away.since)
    for monitor in rows.filter(next_due__lt=now).exclude(waits).order_by("next_due", "pk")[:AT_ONCE]:
        assert monitor.next_due is not None  # noqa: S101 filtered
        due, late_at = monitor.next_due, monitor.next_due + dt.timedelta(seconds=monitor.margin_s)
        if away is not None and due <= away.until and late_at > away.since:
            monitor.next_due = _due(monitor, away.until)
            monitor.save()
            continue
        if now < late_at:
            if monitor.status not in (Monitor.Status.LATE, Monitor.Status.ERROR):
                monitor.status, monitor.status_at = Monitor.Status.LATE, now
                monitor.save()
                changed += 1
            continue
        CheckIn.objects.get_or_create(
            monitor=monitor,
            check_in_id=f"{monitor.pk:016x}{int(due.timestamp()):016x}",
            defaults={"status": CheckIn.Status.MISSED, "started_at": due, "ended_at": now},
        )
        monitor.status, monitor.status_at = Monitor.Status.MISSED, now
        monitor.ended(ok=False, at=now)
        monitor.next_due = _due(monitor, max(due, now - dt.timedelta(seconds=monitor.margin_s)))
        monitor.save()
        changed += 1
    return changed


def _look_at_runs(now: dt.datetime, away: Away | None) -> int:
    changed = 0
    rows = CheckIn.objects.select_for_update(skip_locked=True, of=("self",)).annotate(ends=ENDS_AT)
    over = rows.filter(status=CheckIn.Status.IN_PROGRESS, ends__lte=now)
    if away is not None and now < away.until + HEARD_WITHIN:
        over = over.exclude(ends__range=(away.since, away.until))
    for run in over.order_by("ends", "pk")[:AT_ONCE]:
        run.status, run.ended_at = CheckIn.Status.TIMEOUT, now
        run.save()
        monitor = Monitor.objects.select_for_update().get(pk=run.monitor_id)
        monitor.status, monitor.status_at = Monitor.Status.TIMEOUT, now
        monitor.ended(ok=False, at=now)
        monitor.save()
        changed += 1
    return changed
