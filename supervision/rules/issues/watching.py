"""Looks at rules on issues: what just happened, what was counted, what is over, and what has to be told.

An occasion is looked at once, by all rules, and is gone in the same transaction that notes what they found. A rule is told
about under its lock, so that of many who do this at once one tells. What a rule found and what it told stand in one row.
"""

import datetime as dt
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import Q, QuerySet

from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.models import Alert
from supervision.alerts.services import Subject, raise_alert, resolve_subject
from supervision.errors.store.models import ErrorIssue
from supervision.errors.store.occasion_models import ErrorOccasion
from supervision.rules.issues.counting import counted
from supervision.rules.issues.models import MEASURED, IssueFiring, IssueRule, Trigger
from supervision.rules.issues.pacing import HOUR, Pace, pace
from supervision.rules.issues.quiet import InvalidQuietError, quiet_of
from supervision.rules.issues.services import Accepts, accepted

AT_ONCE = 1000
"""Occasions in one transaction."""
NAMED = 20
"""Issues of a message that it names."""
QUIET = (ErrorIssue.Status.RESOLVED, ErrorIssue.Status.ARCHIVED, ErrorIssue.Status.MUTED)
"""Of issues that nobody is told of."""
KEPT = dt.timedelta(days=90)


def watch_issue_rules(*, accepts: Accepts, now: dt.datetime) -> int:
    """One look at everything; how many messages were put out. Safe to be called by many, often."""
    while _take_occasions(accepts, now) == AT_ONCE:
        pass
    rules = IssueRule.objects.filter(is_enabled=True, trigger__in=MEASURED).order_by("pk")
    for pk in rules.values_list("pk", flat=True):
        _count(pk, accepts, now)
    _end(now)
    untold = IssueFiring.objects.filter(told_at=None).values("rule")
    due = IssueRule.objects.filter(pk__in=untold).order_by("pk")
    return sum(_tell(pk, now) for pk in due.values_list("pk", flat=True))


def drop_old(*, now: dt.datetime, most: int = 5000) -> int:
    """Retention: what has been over for KEPT."""
    old = IssueFiring.objects.filter(over_at__lt=now - KEPT).order_by("pk").values("pk")[:most]
    return IssueFiring.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]


@transaction.atomic
def _take_occasions(accepts: Accepts, now: dt.datetime) -> int:
    rows = list(ErrorOccasion.objects.select_for_update(skip_locked=True).order_by("id")[:AT_ONCE])
    if not rows:
        return 0
    rules = IssueRule.objects.filter(is_enabled=True).exclude(trigger__in=MEASURED).order_by("pk")
    for rule in rules:
        wanted = {
            row.issue_id: row
            for row in reversed(rows)
            if row.kind == rule.trigger
            and (row.environment == rule.environment if rule.environment else row.is_first)
        }
        found = _accepted(rule, wanted, accepts, now)
        _note(rule, [(issue, wanted[issue].environment, _words(rule)) for issue in found], now)
    ErrorOccasion.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _words(rule: IssueRule) -> str:
    if rule.trigger == Trigger.REGRESSED:
        return "came back"
    return f"new in {rule.environment}" if rule.environment else "new"


def _count(pk: int, accepts: Accepts, now: dt.datetime) -> None:
    with transaction.atomic():
        rule = IssueRule.objects.select_for_update(skip_locked=True).filter(pk=pk, is_enabled=True).first()
        if rule is None:
            return
        counts = counted(rule, now=now)
        found = _accepted(rule, counts, accepts, now)
        _note(rule, [(pk, rule.environment, counts[pk]) for pk in found], now)
        over = rule.firings.filter(over_at=None).exclude(issue__in=list(counts))
        if rule.trigger == Trigger.ESCALATING:
            over = over.exclude(issue__status=ErrorIssue.Status.ESCALATING)
        over.update(over_at=now)


def _accepted(rule: IssueRule, issues: Collection[int], accepts: Accepts, now: dt.datetime) -> list[int]:
    """Those that are the rule's, that somebody is told of, and that its filter accepts. A filter that cannot be read any
    more accepts none, and says so."""
    if not issues:
        return []
    rows = ErrorIssue.objects.filter(pk__in=list(issues), merged_into=None).exclude(status__in=QUIET)
    if rule.project_id is not None:
        rows = rows.filter(project=rule.project_id)
    try:
        return accepted(rule.filter, accepts, among=list(rows.values_list("pk", flat=True)))
    except ValueError as error:
        IssueRule.objects.filter(pk=rule.pk).update(trouble=f"its filter: {error}"[:300])
        return []


def _note(rule: IssueRule, found: Iterable[tuple[int, str, str]], now: dt.datetime) -> None:
    """What lasts already is not found again."""
    IssueFiring.objects.bulk_create(
        [
            IssueFiring(rule=rule, issue_id=issue, environment=environment, words=words[:200], at=now)
            for issue, environment, words in found
        ],
        ignore_conflicts=True,
    )


def _end(now: dt.datetime) -> None:
    """Of issues that are closed, muted or merged; and alerts of which nothing lasts. What nobody was told of by then is
    dropped."""
    gone = Q(issue__status__in=QUIET) | Q(issue__merged_into__isnull=False)
    untold = IssueFiring.objects.filter(gone, told_at=None)
    IssueFiring.objects.filter(pk__in=list(untold.values_list("pk", flat=True)[:AT_ONCE])).delete()
    over = IssueFiring.objects.filter(gone, over_at=None)
    IssueFiring.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:AT_ONCE])).update(over_at=now)
    alerts = Alert.objects.filter(kind=Kind.ISSUE_FOUND, resolved_at=None).exclude(
        pk__in=IssueFiring.objects.filter(over_at=None).exclude(alert=None).values("alert")
    )
    for subject in list(alerts.values_list("subject", flat=True)[:AT_ONCE]):
        resolve_subject(kind=Kind.ISSUE_FOUND, subject=subject, by="it is over", now=now)


@transaction.atomic
def _tell(pk: int, now: dt.datetime) -> int:
    rule = (
        IssueRule.objects.select_for_update(skip_locked=True, of=("self",)).select_related("project")
        .filter(pk=pk).first()
    )  # fmt: skip
    if rule is None:
        return 0
    waiting = rule.firings.filter(told_at=None)
    first = waiting.order_by("at").values_list("at", flat=True).first()
    if first is None:
        return 0
    told = list(rule.firings.filter(told_at__gt=now - HOUR).values_list("told_at", flat=True).distinct())
    match pace(
        first=first,
        told=[at for at in told if at is not None],
        gather_s=rule.gather_s,
        most_per_hour=rule.most_per_hour,
        now=now,
        is_quiet=_is_quiet(rule, now),
    ):
        case Pace.TELL:
            alert = _raise(rule, waiting, now)
            waiting.update(told_at=now, alert=alert)
            return 1
        case Pace.HOLD:
            waiting.filter(was_held=False, at__lte=now - dt.timedelta(seconds=rule.gather_s)).update(
                was_held=True
            )
    return 0


def _is_quiet(rule: IssueRule, now: dt.datetime) -> bool:
    """A time zone that this host does not know is nobody's night: better told than lost."""
    try:
        quiet = quiet_of(rule.quiet_from, rule.quiet_until, rule.quiet_zone)
    except InvalidQuietError as error:
        IssueRule.objects.filter(pk=rule.pk).update(trouble=f"its quiet hours: {error}"[:300])
        return False
    return quiet is not None and quiet.holds(now)


def _raise(rule: IssueRule, waiting: QuerySet[IssueFiring], now: dt.datetime) -> Alert | None:
    """One message about all that wait."""
    count, held = waiting.count(), waiting.filter(was_held=True)
    rows = list(waiting.select_related("issue__project", "issue__stat").order_by("pk")[:NAMED])
    lines = [_line(row) for row in rows]
    if count > len(rows):
        lines.append(f"and {count - len(rows)} more")
    since = held.order_by("at").values_list("at", flat=True).first()
    if since is not None:
        times = "once" if rule.most_per_hour == 1 else f"{rule.most_per_hour} times"
        why = f"the rule tells at most {times} an hour"
        if rule.quiet_from:
            why += f", and nothing from {rule.quiet_from} to {rule.quiet_until} ({rule.quiet_zone})"
        lines.append(f"{held.count()} of them were held back since {since:%H:%M} UTC: {why}.")
    first = rows[0]
    trees = set(waiting.values_list("issue__project__tree", flat=True).distinct()[:2])
    one = f"{first.issue.short_id}, {first.words}: {first.issue.title}"
    return raise_alert(
        about=Subject(
            Kind.ISSUE_FOUND,
            f"{rule.name}: {first.issue.short_id if count == 1 else f'{count} issues at {now:%Y-%m-%d %H:%M:%S} UTC'}",
            occurrence=f"firing {first.pk}",
            tree=trees.pop() if len(trees) == 1 else "",
        ),
        title=f"{rule.name}: {one}"
        if count == 1
        else f"{rule.name}: {count} issues, {first.issue.short_id} first",
        body="\n".join(lines),
        data={
            "rule": rule.name,
            "trigger": rule.trigger,
            "environment": rule.environment,
            "issues": [row.issue.short_id for row in rows],
            "count": count,
        },
        severity=Severity(rule.severity),
        runbook_url=rule.runbook_url,
        now=now,
    )


def _line(row: IssueFiring) -> str:
    issue = row.issue
    place = f" in {issue.child}" if issue.child else f" at {issue.culprit}" if issue.culprit else ""
    where = f", {row.environment}" if row.environment else ""
    return f"{issue.short_id} {row.words}{where}: {issue.title[:200]}{place}"
