"""One issue: what was raised and where, in which child, why its events are one, and what people said and did."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission, tree_of
from controlplane.api.around import around
from controlplane.dashboard.eventdetails import about_lines, crumb_rows, raised_rows
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.issuechart import issue_chart
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.mergeforms import names_in, parted_words, to_confirm
from controlplane.dashboard.pages.errors import issue_row
from controlplane.dashboard.pages.process import actions_of, members_of
from supervision.errors.event import ErrorEvent as Report
from supervision.errors.exceptions import (
    InvalidFieldError,
    TooManyToCountError,
    TooManyToMergeError,
    UnknownIssueError,
)
from supervision.errors.grouping.g1 import innermost
from supervision.errors.protocol.notes import notes_of
from supervision.errors.protocol.reading import read_event
from supervision.errors.store import issues, joining, owning, parting, selectors
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.history import SPANS, history
from supervision.errors.store.models import ErrorEvent, ErrorIssue
from supervision.errors.store.releases import attachments
from supervision.errors.store.tagging import most_frequent
from supervision.trees.models import Tree, TreeRevision

MOST_VALUES = 8
MOST_TAGS = 250
MOST_HASHES = 50
ALIKE_SHOWN = 10


def select(request: PageRequest) -> Context:
    issue = _issue(request, Permission.VIEW)
    event = selectors.event_of(issue, request.text("event"))
    data: dict[str, Any] = unpacked(event.data) if event else {}
    report = read_event(data)
    return {
        "issue": issue_row(issue)
        | {"release_first": issue.first_release, "resolved_in": issue.resolved_in}
        | {"in_next_release": issue.in_next_release, "until": _until_words(issue)},
        "history": _history(request, issue),
        "project": issue.project,
        "because": issue.because,
        "event": _event(issue, event, report) if event else None,
        "attachments": [
            {"name": each.name, "size": each.size, "url": reverse("api:error-attachment", args=[each.pk])}
            for each in attachments(issue.project_id, event.event_id)[:20]
        ]
        if event
        else [],
        "raised": raised_rows(report, data),
        "crumbs": crumb_rows(data),
        "about": about_lines(data),
        "notes": notes_of(data),
        "events": [
            {
                "event_id": each.event_id,
                "at": seconds(each.at),
                "release": each.release,
                "child": each.child,
                "url": f"?event={each.event_id}",
                "is_it": event is not None and each.event_id == event.event_id,
            }
            for each in selectors.events(issue, most=20)
        ],
        "tags": _tags(issue),
        **_alike(issue, report),
        "pending": None,
        "hashes": _hashes(issue),
        "merged_into": issue.merged_into.short_id if issue.merged_into else "",
        "activity": [
            {
                "at": seconds(each.at),
                "actor": each.actor,
                "kind": each.kind.replace("_", " "),
                "text": each.text,
            }
            for each in issue.activity.all()[:50]
        ],
        "around": around(event) if event is not None else None,
        "actions": _actions(request, event.child if event else issue.child),
        "rollback": _rollback(request, issue, event.release if event else ""),
        "may_change": request.principal.can(Permission.OPERATE, issue.project.tree or EVERY_TREE),
        "watchers": owning.watchers_of(issue),
        "teams": list(owning.teams().values_list("slug", flat=True)),
        "errors": [],
    }


SPAN_WORDS = {"hour": "1 hour", "day": "24 hours", "fortnight": "14 days"}


def _history(request: PageRequest, issue: ErrorIssue) -> dict[str, Any]:
    """Unless another time is asked for: the shortest that has all of its events, or the last of them."""
    now = timezone.now()
    asked = request.text("span")
    span = asked if asked in SPANS else _span_of(issue, now)
    try:
        found = history(issue, SPANS[span], now=now)
    except TooManyToCountError:
        span = "day"
        found = history(issue, SPANS[span], now=now)
    kept = {"event": request.text("event")} if request.text("event") else {}
    return issue_chart(found) | {
        "spans": [
            {"label": label, "url": f"?{urlencode(kept | {'span': name})}", "is_current": name == span}
            for name, label in SPAN_WORDS.items()
        ]
    }


def _span_of(issue: ErrorIssue, now: dt.datetime) -> str:
    if now - issue.first_seen < dt.timedelta(hours=1):
        return "hour"
    return "day" if now - issue.stat.last_seen < dt.timedelta(days=1) else "fortnight"


OFFERED = ("start", "restart", "hold", "release")
"""Of what can be done to a child, what may end an error."""


def _actions(request: PageRequest, key: str) -> list[dict[str, Any]]:
    """Of the child, on each node that has it; the dialogs are those of its own page."""
    if not key or not request.principal.can(Permission.OPERATE, tree_of(key)):
        return []
    members = members_of(request, key)
    return [
        action | {"host": member["host"] if len(members) > 1 else ""}
        for member in members
        for action in actions_of(request, member)
        if action["verb"] in OFFERED and action["allowed"]
    ]


def _rollback(request: PageRequest, issue: ErrorIssue, release: str) -> dict[str, Any] | None:
    """The revision before the one that the error came with, where that still is the tree's."""
    tree, _, number = release.rpartition("@")
    if not tree or tree != issue.project.tree or not number.isdecimal() or len(number) > 9:
        return None
    if not request.principal.can(Permission.ADMIN, tree):
        return None
    found = Tree.objects.filter(name=tree, deleted_at=None, head__number=int(number)).first()
    before = TreeRevision.objects.filter(tree=found, number__lt=int(number)).order_by("-number").first()
    if found is None or before is None:
        return None
    return {"number": before.number, "url": reverse("tree-rollback", args=[tree, before.number])}


def act(request: PageRequest) -> HttpResponse | Context:
    post, now, actor = request.http.POST, timezone.now(), actor_of(request.http)
    do = post.get("do", "")
    issue = _issue(request, Permission.VIEW if do in ("watch", "unwatch") else Permission.OPERATE)
    deeds: Mapping[str, Callable[[], object]] = {
        "resolve": lambda: issues.set_status(
            issue=issue, status="resolved", release=post.get("release", "").strip(), now=now, actor=actor
        ),
        "resolve_next": lambda: issues.set_status(
            issue=issue, status="resolved", in_next_release=True, now=now, actor=actor
        ),
        "archive": lambda: issues.set_status(
            issue=issue, status="archived", until=_until(post, now), now=now, actor=actor
        ),
        "mute": lambda: issues.set_status(issue=issue, status="muted", now=now, actor=actor),
        "open": lambda: issues.set_status(issue=issue, status="ongoing", now=now, actor=actor),
        "assign": lambda: issues.assign(issue=issue, **_owner(post.get("owner", "")), now=now, actor=actor),
        "watch": lambda: owning.watch(issue=issue, user=_me(request), watching=True, now=now),
        "unwatch": lambda: owning.watch(issue=issue, user=_me(request), watching=False, now=now),
        "comment": lambda: issues.comment(issue=issue, text=post.get("text", ""), now=now, actor=actor),
        "part": lambda: parted_words(
            parting.part(issue=issue, hashes=post.getlist("hash"), now=now, actor=actor)
        ),
        "merge": lambda: joining.merge(into=issue, others=others, now=now, actor=actor),
        "merge_alike": lambda: joining.merge(into=issue, others=others, now=now, actor=actor),
    }
    deed = deeds.get(do)
    if deed is None:
        raise Http404("There is no such action.")
    try:
        if do in ("merge", "merge_alike"):
            named = names_in(post.getlist("other")) if do == "merge" else []
            others = (
                _others(request, named) if do == "merge" else selectors.alike(issue, most=joining.MOST_MERGED)
            )
            plan = joining.plan_merge(into=issue, others=others)
            pending = to_confirm(plan, post, do=do, others=named)
            if pending is not None:
                return show(PAGE, request, {**select(request), "pending": pending})
        said = deed()
    except (InvalidFieldError, TooManyToMergeError, UnknownIssueError) as error:
        return show(PAGE, request, {**select(request), "errors": [str(error)]}, status=400)
    messages.success(request.http, said if isinstance(said, str) else "Done.")
    return HttpResponseRedirect(reverse("error-issue", args=[issue.short_id]))


def _owner(text: str) -> dict[str, Any]:
    """`ada`, `#billing`, or nobody, as `assign` takes it. InvalidFieldError."""
    name = text.strip()
    if name.startswith("#"):
        team = owning.team_called(name[1:])
        if team is None:
            raise InvalidFieldError("owner", f"there is no team {name[1:64]}")
        return {"team": team}
    user = User.objects.filter(username=name, is_active=True).first() if name else None
    if name and user is None:
        raise InvalidFieldError("owner", f"there is no user {name[:150]}")
    return {"user": user}


def _me(request: PageRequest) -> User:
    return User.objects.get(pk=request.principal.user_id)


DAYS = {"day": 1, "week": 7, "month": 30}


def _until(post: Mapping[str, str], now: dt.datetime) -> issues.Until:
    """As the form has it. InvalidFieldError."""
    wanted, number = post.get("until", ""), post.get("number", "").strip()
    if wanted in DAYS:
        return issues.Until(at=now + dt.timedelta(days=DAYS[wanted]))
    if wanted in ("events", "users"):
        if not (number.isdecimal() and len(number) < 10):
            raise InvalidFieldError("number", f"how many more {wanted}, 1 to {issues.MOST_UNTIL}")
        return issues.Until(events=int(number)) if wanted == "events" else issues.Until(users=int(number))
    return issues.Until(escalates=wanted == "escalating")


def _until_words(issue: ErrorIssue) -> str:
    said = [
        f"{issue.until_at:%Y-%m-%d %H:%M} UTC" if issue.until_at else "",
        f"it has {issue.until_count} events" if issue.until_count else "",
        f"it happened to {issue.until_users} users" if issue.until_users else "",
        f"{issue.until_per_hour} come in an hour" if issue.until_per_hour else "",
    ]
    return ", or ".join(filter(None, said))


def _issue(request: PageRequest, permission: Permission) -> ErrorIssue:
    return _find(request, str(request.params["short_id"]), permission)


def _others(request: PageRequest, names: Sequence[str]) -> list[ErrorIssue]:
    """What the form names. UnknownIssueError, TooManyToMergeError."""
    if len(names) > joining.MOST_MERGED:
        raise TooManyToMergeError(f"at most {joining.MOST_MERGED} at a time")
    try:
        return [_find(request, name, Permission.OPERATE) for name in names]
    except Http404 as error:
        raise UnknownIssueError(str(error)) from error


def _alike(issue: ErrorIssue, report: Report) -> dict[str, Any]:
    """Issues that end in the same call: some of them, how many they are with this one, and what the call is named."""
    found = selectors.alike(issue, most=joining.MOST_MERGED)
    ends = innermost(report)
    return {
        "alike": [issue_row(each) for each in found[:ALIKE_SHOWN]],
        "alike_count": len(found),
        "call": ends[1].function if ends is not None else "the same call",
    }


def _find(request: PageRequest, short_id: str, permission: Permission) -> ErrorIssue:
    try:
        issue = issues.find_issue(short_id)
    except UnknownIssueError as error:
        raise Http404(str(error)) from error
    request.require(permission, issue.project.tree or EVERY_TREE)
    return issue


def _event(issue: ErrorIssue, event: ErrorEvent, report: Report) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "raw_url": reverse("api:error-event", args=[issue.short_id, event.event_id]),
        "at": seconds(event.at),
        "level": event.level,
        "environment": event.environment,
        "release": event.release,
        "transaction": event.transaction,
        "server_name": report.server_name,
        "user": event.user,
        "child": event.child,
        "incarnation": event.incarnation,
        "message": report.message,
    }


def _hashes(issue: ErrorIssue) -> list[str]:
    """What was merged into it can be taken out again; of an issue with one alone nothing can."""
    found = list(issue.hashes.order_by("pk").values_list("hash", flat=True)[:MOST_HASHES])
    return found if len(found) > 1 else []


def _tags(issue: ErrorIssue) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, value, count, number in most_frequent(issue, values=MOST_VALUES, most=MOST_TAGS * MOST_VALUES):
        one = found.setdefault(key, {"key": key, "values": []})
        one["values"].append({"value": value, "count": count})
        one["more"] = number - len(one["values"])
    return list(found.values())


PAGE = Page(
    slug="error-issue",
    title="Error",
    path="errors/<str:short_id>",
    template="dashboard/error_issue.html",
    select=select,
    act=act,
)
