"""How much of an issue a rule counts: events, users, a rise above the usual, or the share of workers that saw it."""

import datetime as dt

from django.db.models import Count, Sum

from supervision.errors.store.escalating import rising
from supervision.errors.store.models import ErrorEvent, ErrorIssue
from supervision.errors.store.occasion_models import ErrorIssueMinute
from supervision.journal.models import ObservedChild
from supervision.rules.issues.models import IssueRule, Trigger

AT_ONCE = 1000
"""Issues that one rule counts to."""
WORKER = "celery_worker"


def counted(rule: IssueRule, *, now: dt.datetime) -> dict[int, str]:
    """Issues that have as much of it as the rule says, the most frequent first, each in words."""
    match rule.trigger:
        case Trigger.ESCALATING:
            found = rising(now=now, most=AT_ONCE, project=rule.project_id, environment=rule.environment)
            return {pk: str(rise) for pk, rise in found.items()}
        case Trigger.WORKERS:
            return _workers(rule, now)
        case Trigger.USERS:
            events = _events(rule, _since(rule, now), least=rule.count)
            users = {pk: _users(pk, rule, _since(rule, now)) for pk in events}
            return {pk: f"{n} users in {_span(rule)}" for pk, n in users.items() if n >= rule.count}
        case _:
            events = _events(rule, _since(rule, now), least=rule.count)
            return {pk: f"{n} events in {_span(rule)}" for pk, n in events.items()}


def _since(rule: IssueRule, now: dt.datetime) -> dt.datetime:
    return (now - dt.timedelta(minutes=rule.window_minutes)).replace(second=0, microsecond=0)


def _span(rule: IssueRule) -> str:
    return "a minute" if rule.window_minutes == 1 else f"{rule.window_minutes} minutes"


def _events(rule: IssueRule, since: dt.datetime, *, least: int) -> dict[int, int]:
    """Of each issue that had at least so many, the most frequent first."""
    rows = ErrorIssueMinute.objects.filter(minute__gt=since)
    if rule.project_id is not None:
        rows = rows.filter(issue__project=rule.project_id)
    if rule.environment:
        rows = rows.filter(environment=rule.environment)
    found = rows.values("issue").annotate(n=Sum("count")).filter(n__gte=least).order_by("-n", "issue")
    return dict(found.values_list("issue", "n")[:AT_ONCE])


def _users(issue: int, rule: IssueRule, since: dt.datetime) -> int:
    """No further than the rule counts: that many are enough."""
    rows = ErrorEvent.objects.filter(issue_id=issue, received_at__gt=since).exclude(user="")
    if rule.environment:
        rows = rows.filter(environment=rule.environment)
    return rows.order_by().values("user").distinct()[: rule.count].count()


def _workers(rule: IssueRule, now: dt.datetime) -> dict[int, str]:
    """At least so many percent of the Celery workers of the issue's tree had it. A worker is known by its key; those that
    are stopped on purpose do not count."""
    since = _since(rule, now)
    events = _events(rule, since, least=1)
    trees = dict(ErrorIssue.objects.filter(pk__in=events).values_list("pk", "project__tree"))
    fleet: dict[str, set[str]] = {}
    rows = ObservedChild.objects.filter(tree__in=set(trees.values()), kind=WORKER, removed=False, wanted="up")
    for tree, key in rows.values_list("tree", "key"):
        fleet.setdefault(tree, set()).add(key)
    found = {}
    for pk in events:
        workers = fleet.get(trees.get(pk, ""), set())
        if workers and (saw := _seen_in(pk, rule, since, workers)) * 100 >= rule.count * len(workers):
            found[pk] = f"{saw} of {len(workers)} workers in {_span(rule)}"
    return found


def _seen_in(issue: int, rule: IssueRule, since: dt.datetime, workers: set[str]) -> int:
    rows = ErrorEvent.objects.filter(issue_id=issue, received_at__gt=since, child__in=sorted(workers))
    if rule.environment:
        rows = rows.filter(environment=rule.environment)
    return int(rows.order_by().aggregate(n=Count("child", distinct=True))["n"])
