"""Archived issues are open again when what they wait for is there: with each event of them, and by a look at the clock."""

import datetime as dt
from collections.abc import Collection, Mapping

from supervision.errors.store.activity import note
from supervision.errors.store.models import ErrorIssue, ErrorIssueHour, ErrorIssueStat
from supervision.errors.store.occasion_models import ErrorOccasion

UNTIL = ("until_at", "until_count", "until_users", "until_per_hour")
"""Columns of what an archived issue waits for."""
AT_ONCE = 500


def wake(
    issues: Mapping[int, ErrorIssue], environments: Mapping[int, Collection[str]], *, now: dt.datetime
) -> list[ErrorOccasion]:
    """Those of these issues whose time has come, with what just came of them counted: open again, and told of as ones that
    came back in these environments."""
    asleep = [
        issues[pk]
        for pk in sorted(issues)
        if issues[pk].status == ErrorIssue.Status.ARCHIVED
        and any(getattr(issues[pk], name) is not None for name in UNTIL)
    ]
    if not asleep:
        return []
    stats = {row.issue_id: row for row in ErrorIssueStat.objects.filter(issue__in=asleep)}
    hour = now.replace(minute=0, second=0, microsecond=0)
    hours = dict(ErrorIssueHour.objects.filter(issue__in=asleep, hour=hour).values_list("issue", "count"))
    occasions = []
    for issue in asleep:
        status, why = _awake(issue, stats[issue.pk], hours.get(issue.pk, 0), now)
        if status is not None and _open(issue, status, why, now):
            occasions += occasions_of_return(issue, environments[issue.pk], now=now)
    return occasions


def wake_by_clock(*, now: dt.datetime, most: int = AT_ONCE) -> int:
    """Open what was archived until a moment that is over, though nothing came of it; how many. Nobody is told that it came
    back, as it did not."""
    due = ErrorIssue.objects.filter(
        status=ErrorIssue.Status.ARCHIVED, until_at__lte=now, merged_into=None
    ).order_by("until_at", "pk")
    woken = 0
    for issue in due[:most]:
        assert issue.until_at is not None  # noqa: S101 filtered
        woken += _open(issue, ErrorIssue.Status.ONGOING, _until(issue.until_at), now)
    return woken


def occasions_of_return(
    issue: ErrorIssue, environments: Collection[str], *, now: dt.datetime
) -> list[ErrorOccasion]:
    """One for each environment that it came back in."""
    return [
        ErrorOccasion(
            issue=issue,
            kind=ErrorOccasion.Kind.REGRESSED,
            environment=environment,
            is_first=place == 0,
            at=now,
        )
        for place, environment in enumerate(environments)
    ]


def _open(issue: ErrorIssue, status: ErrorIssue.Status, why: str, now: dt.datetime) -> bool:
    """Whether we were the ones who opened it."""
    archived = ErrorIssue.objects.filter(pk=issue.pk, status=ErrorIssue.Status.ARCHIVED)
    won = archived.filter(status_at=issue.status_at).update(
        status=status, status_at=now, **dict.fromkeys(UNTIL)
    )
    if won:
        note(issue, at=now, kind=status.value, text=why)
    return bool(won)


def _awake(
    issue: ErrorIssue, stat: ErrorIssueStat, in_hour: int, now: dt.datetime
) -> tuple[ErrorIssue.Status | None, str]:
    """What it is now, and why; None while it is archived on."""
    if issue.until_per_hour is not None and in_hour >= issue.until_per_hour:
        return ErrorIssue.Status.ESCALATING, f"{in_hour} events in an hour"
    if issue.until_count is not None and stat.count >= issue.until_count:
        return ErrorIssue.Status.ONGOING, f"archived until {issue.until_count} events"
    if issue.until_users is not None and stat.users >= issue.until_users:
        return ErrorIssue.Status.ONGOING, f"archived until {issue.until_users} users"
    if issue.until_at is not None and now >= issue.until_at:
        return ErrorIssue.Status.ONGOING, _until(issue.until_at)
    return None, ""


def _until(moment: dt.datetime) -> str:
    return f"archived until {moment:%Y-%m-%d %H:%M} UTC"
