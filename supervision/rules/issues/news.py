"""Tells whoever follows an issue what happened to it: comments, what was decided, and that it came back.

Who follows it: who said so, who it is assigned to, and the members of its team; not who did it. What happens within half a
minute is one message, and nobody gets more than MOST_PER_HOUR in an hour: what comes meanwhile is in the next.
"""

import datetime as dt
from collections.abc import Callable, Sequence

from django.contrib.auth.models import User
from django.db import transaction

from supervision.alerts.kinds import Kind
from supervision.alerts.models import Alert
from supervision.alerts.services import Subject, tell_person
from supervision.errors.store.models import ErrorActivity, ErrorIssue
from supervision.rules.issues.models import IssueNews
from supervision.rules.issues.pacing import HOUR, Pace, pace

AT_ONCE = 500
GATHER_S, MOST_PER_HOUR = 30, 12
NAMED = 20
"""Lines of a message."""
MaySee = Callable[[User, str], bool]
"""Whether somebody may see the issues of a tree ("": of none). Of who knows what people may do."""
WORDS = {
    "assigned": "assigned to",
    "comment": "said",
    "resolved": "resolved",
    "archived": "archived",
    "ongoing": "open again",
    "regressed": "came back",
    "escalating": "escalates",
    "muted": "muted",
}


def tell_news(*, may_see: MaySee, now: dt.datetime) -> int:
    """One look; how many messages were put out. Safe to be called by many, often."""
    while _take(may_see, now) == AT_ONCE:
        pass
    waiting = IssueNews.objects.order_by("user_id").values_list("user_id", flat=True).distinct()
    return sum(_tell(user, now) for user in list(waiting[:AT_ONCE]))


@transaction.atomic
def _take(may_see: MaySee, now: dt.datetime) -> int:
    """What happened becomes news for each who follows; how much was looked at."""
    rows = list(
        ErrorActivity.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(is_untold=True)
        .select_related("issue__project")
        .order_by("id")[:AT_ONCE]
    )
    followers = _followers({row.issue_id for row in rows})
    allowed: dict[tuple[int, str], bool] = {}
    news = []
    for row in rows:
        tree = row.issue.project.tree
        for user in followers.get(row.issue_id, {}).values():
            key = (user.pk, tree)
            if key not in allowed:
                allowed[key] = user.is_active and may_see(user, tree)
            if allowed[key] and not _did(user, row.actor):
                news.append(IssueNews(user=user, activity=row, at=now))
    IssueNews.objects.bulk_create(news, ignore_conflicts=True)
    ErrorActivity.objects.filter(pk__in=[row.pk for row in rows]).update(is_untold=False)
    return len(rows)


def _followers(issues: set[int]) -> dict[int, dict[int, User]]:
    """By issue, who follows it, by their keys."""
    found: dict[int, dict[int, User]] = {}
    rows = ErrorIssue.objects.filter(pk__in=issues).select_related("assignee", "team")
    for issue in rows.prefetch_related("watchers__user", "team__members"):
        people = [watcher.user for watcher in issue.watchers.all()]
        people += [issue.assignee] if issue.assignee is not None else []
        people += list(issue.team.members.all()) if issue.team is not None else []
        found[issue.pk] = {user.pk: user for user in people}
    return found


def _did(user: User, actor: str) -> bool:
    """By hand, or with a token."""
    name = user.get_username()
    return actor == name or actor.startswith(f"{name} (token ")


@transaction.atomic
def _tell(pk: int, now: dt.datetime) -> int:
    user = User.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
    if user is None:
        return 0
    waiting = IssueNews.objects.filter(user=user)
    first = waiting.order_by("at").values_list("at", flat=True).first()
    subject = f"news for {user.get_username()}"
    told = Alert.objects.filter(kind=Kind.ISSUE_NEWS, subject=subject, raised_at__gt=now - HOUR)
    if first is None:
        return 0
    step = pace(
        first=first,
        told=list(told.values_list("raised_at", flat=True)),
        gather_s=GATHER_S,
        most_per_hour=MOST_PER_HOUR,
        now=now,
    )
    if step != Pace.TELL:
        return 0
    rows = list(waiting.order_by("activity_id").values_list("pk", flat=True))
    newest = waiting.filter(pk__in=rows[:NAMED]).select_related("activity__issue__project")
    shown = [one.activity for one in newest.order_by("activity_id")]
    _send(user, shown, len(rows), subject, now)
    IssueNews.objects.filter(pk__in=rows).delete()
    return 1


def _send(user: User, shown: Sequence[ErrorActivity], count: int, subject: str, now: dt.datetime) -> None:
    issues = list(dict.fromkeys(one.issue.short_id for one in shown))
    trees = {one.issue.project.tree for one in shown}
    lines = [_line(one) for one in shown]
    if count > len(shown):
        lines.append(f"and {count - len(shown)} more")
    title = lines[0] if count == 1 else f"{count} news of {issues[0] if len(issues) == 1 else 'your issues'}"
    tell_person(
        about=Subject(
            Kind.ISSUE_NEWS,
            subject,
            occurrence=f"activity {shown[0].pk}",
            tree=trees.pop() if len(trees) == 1 else "",
        ),
        address=user.email,
        title=title,
        body="\n".join(lines),
        data={"user": user.get_username(), "issues": issues, "count": count},
        now=now,
    )


def _line(activity: ErrorActivity) -> str:
    issue = activity.issue
    by = f", {activity.actor}" if activity.actor else ""
    said = " ".join(filter(None, (WORDS.get(activity.kind, activity.kind), activity.text[:300])))
    return f"{issue.short_id} {said}{by}: {issue.title[:200]}"
